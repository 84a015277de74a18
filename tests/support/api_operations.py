"""Every operation of the API with what each person gets from it: the table behind `tests/api/test_permissions.py`.

A new operation gets a row here, and `World` the objects that its path names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

MANUAL = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, label: Who, kind: text}]}]
steps: [{kind: stop, key: done}]
"""


class World:
    """Objects of the owner, made when a path or a body asks for them. `share` shows them to the colleague.

    Several worlds are told apart by their suffixes.
    """

    suffix = ""

    def __init__(self, owner: Any, colleague: Any, make_workflow: Callable[..., Any], token: Any) -> None:
        self.owner, self.colleague, self.token_id = owner, colleague, token.pk
        self._make_workflow = make_workflow

    @cached_property
    def workflow(self) -> Any:
        return self._make_workflow(MANUAL.replace("slug: greet", f"slug: greet{self.suffix}"))

    @cached_property
    def slug(self) -> str:
        return str(self.workflow.slug)

    number = 1  #: of the version that is published

    @cached_property
    def paused_slug(self) -> str:
        return self._slug_in("paused")

    @cached_property
    def archived_slug(self) -> str:
        return self._slug_in("archived")

    def _slug_in(self, status: str) -> str:
        self.workflow.status = status
        self.workflow.save(update_fields=["status"])
        return self.slug

    @cached_property
    def run(self) -> Any:
        from automate_core.models import Event, ExecutionRun

        event = Event.objects.create(source=f"manual:{self.slug}", payload={}, trace_id="1" * 32)
        return ExecutionRun.objects.create(
            id=event.pk,
            workflow=self.workflow,
            version=self.workflow.published,
            event=event,
            origin="manual",
            trace_id=event.trace_id,
        )

    @cached_property
    def run_id(self) -> str:
        return str(self.run.pk)

    @cached_property
    def file_reference(self) -> str:
        from automate_core.models import StoredFile

        values = {"name": "a.pdf", "content_type": "application/pdf", "size": 8, "file": "-"}
        return str(StoredFile.objects.create(run_id=self.run_id, trace_id=self.run.trace_id, **values).pk)

    @cached_property
    def connection(self) -> Any:
        from automate_connectors.models import Connection

        return Connection.objects.create(name="Hub", slug=f"hub{self.suffix}", connector="http", owner=self.owner)

    @cached_property
    def connection_slug(self) -> str:
        return str(self.connection.slug)

    @cached_property
    def webhook(self) -> Any:
        from automate_core.webhooks import endpoints

        return endpoints.save_endpoint(
            f"orders{self.suffix}", scheme="github", config={}, secret="s" * 32, actor=self.owner, new=True
        )[0]

    @cached_property
    def webhook_slug(self) -> str:
        return str(self.webhook.slug)

    @cached_property
    def secret(self) -> Any:
        from automate_governance.secrets import storing

        return storing.create_secret(f"hub{self.suffix}", "value-of-the-hub", by=self.owner)

    @cached_property
    def secret_name(self) -> str:
        return str(self.secret.name)

    template_slug = "website-check"

    @cached_property
    def narrow_token_id(self) -> int:
        from automate_api.tokens.issuing import create_token

        return int(create_token(self.owner, by=None, name="narrow", scopes=["token:view"])[0].pk)

    @cached_property
    def attempt_id(self) -> str:
        from django.utils import timezone

        from automate_core.models import StepRun

        attempt = StepRun.objects.create(run=self.run, path="done", status="running", started_at=timezone.now())
        return str(attempt.pk)

    @cached_property
    def action_id(self) -> str:
        from automate_operations.bulk import create_bulk_action

        return str(create_bulk_action("cancel", [self.run.pk], {}, by=self.owner).pk)

    @cached_property
    def group_id(self) -> int:
        from automate_core.models import FailureGroup

        now = self.run.created_at
        return FailureGroup.objects.create(
            workflow=self.workflow, fingerprint="f", code="no", first_at=now, last_at=now, last_run=self.run.pk
        ).pk

    @cached_property
    def job_id(self) -> str:
        from automate_core.models import OutboxJob

        return str(OutboxJob.objects.create(kind="dispatch", status="dead", event=self.run.event).pk)

    @cached_property
    def event_id(self) -> str:
        return str(self.run.event.pk)

    @cached_property
    def approval_id(self) -> str:
        from automate_core.models import Wait, WaitAssignee

        data = {"outcomes": [{"key": "yes", "name": "Yes"}], "delegate": True}
        wait = Wait.objects.create(run=self.run, path="ask", kind="approval", data=data)
        WaitAssignee.objects.create(wait=wait, user=self.owner)
        return str(wait.pk)

    @cached_property
    def entry_id(self) -> int:
        from automate_governance import audit

        return int(audit.record(self.owner, "workflow.changed", self.workflow).pk)

    @cached_property
    def erasure_id(self) -> str:
        from automate_core.models import Erasure

        return str(Erasure.objects.create(requester="root", texts=["ada@example.com"], digest="0", status="found").pk)

    def share(self) -> None:
        """Let the colleague view what was made."""
        from guardian.shortcuts import assign_perm

        if "workflow" in self.__dict__:
            assign_perm("view_workflow", self.colleague, self.workflow)
        if "connection" in self.__dict__:
            assign_perm("view_connection", self.colleague, self.connection)
        if "webhook" in self.__dict__:
            assign_perm("view_webhookendpoint", self.colleague, self.webhook)
        if "secret" in self.__dict__:
            assign_perm("use_storedsecret", self.colleague, self.secret)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, and the status that each token gets.

    `scopes` are enough for the owner, who gets `ok`. `colleague` may view the objects, `stranger` may not. `removed`
    is the owner whose roles were taken away; `unscoped` the owner's token for something else; `viewer` the owner's
    token with the scopes that end in `:view` alone, None where these are all that is needed.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    body: Any = None
    headers: Callable[[World], dict[str, str]] | None = None
    ok: int = 200
    colleague: int = 200
    stranger: int = 404
    removed: int = 404
    unscoped: int = 404
    viewer: int | None = None
    objects: tuple[str, ...] = ()  #: of `World`, that the body names alone

    @property
    def made(self) -> list[str]:
        """Attributes of `World` that the operation is about."""
        return [*_names_of(self.path), *self.objects]

    def send(self, client: Any, world: World) -> Any:
        """Send it with the client's token."""
        names = {name: getattr(world, name) for name in _names_of(self.path)}
        headers = self.headers(world) if self.headers else {}
        body = self.body(world) if callable(self.body) else self.body
        path = self.path.format(**names)
        if self.method in {"GET", "DELETE"}:
            return getattr(client, self.method.lower())(path, **headers)
        return getattr(client, self.method.lower())(path, body, **headers)


def _names_of(path: str) -> list[str]:
    return [part.split("}")[0] for part in path.split("{")[1:]]


def _list(path: str, scope: str, **other: Any) -> Operation:
    """A list: empty for strangers, and 403 where nothing can be in it."""
    return Operation(method="GET", path=path, scopes=(scope,), stranger=200, removed=403, unscoped=403, **other)


def _payload(path: str) -> Operation:
    """Data of a run, which needs the permission to view payloads."""
    scopes = ("workflow:view", "workflow:view_payload")
    return Operation(method="GET", path=path, scopes=scopes, colleague=403, viewer=403)


def _action(path: str, *, body: Any = None, ok: int = 200) -> Operation:
    """Something that needs the permission to run the workflow."""
    scopes = ("workflow:view", "workflow:run")
    return Operation(method="POST", path=path, scopes=scopes, body=body, ok=ok, colleague=403, viewer=403)


def _site(method: str, path: str, scope: str, body: Any = None) -> Operation:
    """Something that none of these people may do, whatever their tokens say."""
    return Operation(
        method=method,
        path=path,
        body=body,
        scopes=(scope,),
        ok=403,
        colleague=403,
        stranger=403,
        removed=403,
        unscoped=403,
    )


def _webhook(method: str, path: str, *scopes: str, body: Any = None, ok: int = 200) -> Operation:
    """A change of a webhook, with these scopes beside the one to view it."""
    needed = ("webhookendpoint:view", *scopes)
    return Operation(method=method, path=path, scopes=needed, body=body, ok=ok, colleague=403, viewer=403)


def _new(path: str, body: Any, *scopes: str, viewer: int | None = None) -> Operation:
    """Something that all builders may create."""
    everyone = dict.fromkeys(("ok", "colleague", "stranger"), 201)
    return Operation(
        method="POST", path=path, body=body, scopes=scopes, removed=403, unscoped=403, viewer=viewer, **everyone
    )


def _sharing(name: str, path: str, kind: str) -> dict[str, Operation]:
    """The operations about the grants on an object."""

    def row(method: str, end: str, body: Any = None) -> Operation:
        scopes = (f"{kind}:view", f"{kind}:share")
        return Operation(method=method, path=f"{path}/{end}", body=body, scopes=scopes, colleague=403, viewer=403)

    return {
        f"list_{name}_grants": row("GET", "grants"),
        f"share_{name}": row("POST", "share", {"to": "colleague", "verbs": ["view"]}),
        f"unshare_{name}": row("POST", "unshare", {"name": "colleague"}),
    }


#: Secrets are there for those who may use them, and for auditors, whom a token with `site:audit` alone is enough for.
_SECRET_SCOPES = ("storedsecret:use", "site:audit")


OPERATIONS: dict[str, Operation] = {
    # workflows
    "list_workflows": _list("workflows", "workflow:view"),
    "read_workflow": Operation(method="GET", path="workflows/{slug}", scopes=("workflow:view",)),
    "create_workflow": Operation(
        method="POST",
        path="workflows",
        body={"yaml": MANUAL.replace("greet", "made")},
        scopes=("workflow:view", "workflow:add"),
        ok=201,
        colleague=201,
        stranger=201,
        removed=403,
        unscoped=403,
        viewer=403,
    ),
    "read_draft": Operation(method="GET", path="workflows/{slug}/draft", scopes=("workflow:view",)),
    "replace_draft": Operation(
        method="PUT",
        path="workflows/{slug}/draft",
        body=lambda world: {"yaml": MANUAL.replace("Greet", "Salute").replace("greet", world.slug)},
        headers=lambda world: {"If-Match": "*"},
        scopes=("workflow:view", "workflow:change"),
        colleague=403,
        viewer=403,
    ),
    "export_workflow": Operation(method="GET", path="workflows/{slug}/export", scopes=("workflow:view",)),
    "publish_workflow": Operation(
        method="POST",
        path="workflows/{slug}/publish",
        scopes=("workflow:view", "workflow:publish"),
        colleague=403,
        viewer=403,
    ),
    # connections
    "validate_draft": Operation(method="POST", path="workflows/{slug}/draft/validate", scopes=("workflow:view",)),
    "test_draft": Operation(
        method="POST",
        path="workflows/{slug}/draft/test",
        scopes=("workflow:view", "workflow:change", "workflow:view_payload"),
        ok=201,
        colleague=403,
        viewer=403,
    ),
    "list_versions": Operation(method="GET", path="workflows/{slug}/versions", scopes=("workflow:view",)),
    "read_version": Operation(method="GET", path="workflows/{slug}/versions/{number}", scopes=("workflow:view",)),
    "restore_version": Operation(
        method="POST",
        path="workflows/{slug}/versions/{number}/restore",
        scopes=("workflow:view", "workflow:change"),
        colleague=403,
        viewer=403,
    ),
    "pause_workflow": Operation(
        method="POST",
        path="workflows/{slug}/pause",
        scopes=("workflow:view", "workflow:publish"),
        colleague=403,
        viewer=403,
    ),
    "resume_workflow": Operation(
        method="POST",
        path="workflows/{paused_slug}/resume",
        scopes=("workflow:view", "workflow:publish"),
        colleague=403,
        viewer=403,
    ),
    "copy_workflow": Operation(
        method="POST",
        path="workflows/{slug}/copy",
        scopes=("workflow:view", "workflow:add"),
        ok=201,
        colleague=201,  # a copy is the own workflow of whoever may view the original
        viewer=403,
    ),
    "archive_workflow": Operation(
        method="POST",
        path="workflows/{slug}/archive",
        scopes=("workflow:view", "workflow:publish"),
        colleague=403,
        viewer=403,
    ),
    "restore_workflow": Operation(
        method="POST",
        path="workflows/{archived_slug}/restore",
        scopes=("workflow:view", "workflow:publish"),
        colleague=403,
        viewer=403,
    ),
    "delete_workflow": Operation(
        method="DELETE",
        path="workflows/{slug}",
        scopes=("workflow:view", "workflow:delete"),
        colleague=403,
        viewer=403,
        ok=204,
    ),
    "list_connections": _list("connections", "connection:view"),
    "read_connection": Operation(method="GET", path="connections/{connection_slug}", scopes=("connection:view",)),
    "test_connection": Operation(
        method="POST",
        path="connections/{connection_slug}/test",
        scopes=("connection:view", "connection:use"),
        colleague=403,
        viewer=403,
    ),
    "create_connection": _new(
        "connections",
        {"slug": "made", "name": "Made", "connector": "http"},
        "connection:view",
        "connection:add",
        viewer=403,
    ),
    "change_connection": Operation(
        method="PATCH",
        path="connections/{connection_slug}",
        body={"name": "Renamed"},
        scopes=("connection:view", "connection:change"),
        colleague=403,
        viewer=403,
    ),
    "delete_connection": Operation(
        method="DELETE",
        path="connections/{connection_slug}",
        scopes=("connection:view", "connection:delete"),
        ok=204,
        colleague=403,
        viewer=403,
    ),
    # sharing
    **_sharing("workflow", "workflows/{slug}", "workflow"),
    **_sharing("connection", "connections/{connection_slug}", "connection"),
    **_sharing("webhook", "webhooks/{webhook_slug}", "webhookendpoint"),
    # triggers and the server
    "list_triggers": _list("triggers", "workflow:view"),
    "read_server": Operation(
        method="GET", path="server", scopes=("workflow:view",), stranger=200, removed=200, unscoped=200
    ),
    "read_server_health": _site("GET", "server/health", "site:operate"),
    # webhooks
    "list_webhooks": _list("webhooks", "webhookendpoint:view"),
    "read_webhook": Operation(method="GET", path="webhooks/{webhook_slug}", scopes=("webhookendpoint:view",)),
    "create_webhook": _new(
        "webhooks",
        {"slug": "made", "scheme": "hmac"},
        "webhookendpoint:view",
        "webhookendpoint:add",
        "storedsecret:add",
        "storedsecret:use",
        viewer=403,
    ),
    "change_webhook": _webhook(
        "PATCH", "webhooks/{webhook_slug}", "webhookendpoint:change", "storedsecret:use", body={"enabled": False}
    ),
    "rotate_webhook_secret": _webhook(
        "POST",
        "webhooks/{webhook_slug}/rotate-secret",
        "webhookendpoint:change",
        "storedsecret:add",
        body={"secret": "t" * 32},
    ),
    "end_webhook_overlap": _webhook("POST", "webhooks/{webhook_slug}/end-overlap", "webhookendpoint:change"),
    "delete_webhook": _webhook("DELETE", "webhooks/{webhook_slug}", "webhookendpoint:delete", ok=204),
    # secrets
    "list_secrets": Operation(
        method="GET", path="secrets", scopes=_SECRET_SCOPES, stranger=200, removed=403, unscoped=403
    ),
    "read_secret": Operation(method="GET", path="secrets/{secret_name}", scopes=_SECRET_SCOPES),
    "create_secret": _new("secrets", {"name": "made", "value": "value-of-a-secret"}, "storedsecret:add"),
    "replace_secret": Operation(
        method="PUT",
        path="secrets/{secret_name}",
        body={"value": "another-value-of-it"},
        scopes=("storedsecret:use", "storedsecret:replace"),
        colleague=403,
    ),
    "delete_secret": Operation(
        method="DELETE",
        path="secrets/{secret_name}",
        scopes=("storedsecret:use", "storedsecret:delete"),
        ok=204,
        colleague=403,
    ),
    # templates
    "list_templates": _list("templates", "workflow:add"),
    "read_template": Operation(
        method="GET",
        path="templates/{template_slug}",
        scopes=("workflow:add",),
        stranger=200,
        removed=403,
        unscoped=403,
    ),
    "create_workflow_from_template": _new(
        "templates/{template_slug}/workflows", {}, "workflow:view", "workflow:add", viewer=403
    ),
    # runs
    "start_run": Operation(
        method="POST",
        path="workflows/{slug}/runs",
        body={"inputs": {"who": "Ada"}},
        scopes=("workflow:view", "workflow:run"),
        ok=202,
        colleague=403,
        viewer=403,
    ),
    "read_run": Operation(method="GET", path="runs/{run_id}", scopes=("workflow:view",)),
    "list_runs": _list("runs", "workflow:view"),
    "read_run_outputs": _payload("runs/{run_id}/outputs"),
    "list_run_steps": Operation(method="GET", path="runs/{run_id}/steps", scopes=("workflow:view",)),
    "read_run_step": _payload("runs/{run_id}/steps/{attempt_id}"),
    "list_run_logs": _payload("runs/{run_id}/logs"),
    "list_run_files": _payload("runs/{run_id}/files"),
    "download_run_file": replace(_payload("runs/{run_id}/files/{file_reference}"), ok=410),  # whose content is gone
    "stream_run": Operation(method="GET", path="runs/{run_id}/stream", scopes=("workflow:view",)),
    "cancel_run": _action("runs/{run_id}/cancel"),
    "rerun_run": _action("runs/{run_id}/rerun", ok=409),
    "pin_run": _action("runs/{run_id}/pin"),
    "unpin_run": _action("runs/{run_id}/unpin"),
    "retry_run_step": _action("runs/{run_id}/retry", ok=409),
    "skip_run_step": _action("runs/{run_id}/skip", ok=409),
    "review_run_step": _action("runs/{run_id}/review", body={"outcome": "failed"}, ok=409),
    "create_bulk_action": Operation(
        method="POST",
        path="bulk-actions",
        body=lambda world: {"action": "cancel", "runs": [world.run_id]},
        objects=("run_id",),
        scopes=("workflow:view", "workflow:run"),
        ok=202,
        colleague=403,
        removed=403,
        unscoped=403,
        viewer=403,
    ),
    "list_bulk_actions": _list("bulk-actions", "workflow:view"),
    "read_bulk_action": Operation(
        method="GET", path="bulk-actions/{action_id}", scopes=("workflow:view",), colleague=404
    ),
    "stop_bulk_action": Operation(
        method="POST",
        path="bulk-actions/{action_id}/stop",
        scopes=("workflow:view", "workflow:run"),
        colleague=404,
        viewer=403,
    ),
    # events
    "send_event": Operation(
        method="POST",
        path="events",
        body={"type": "order.paid"},
        scopes=("event:send", "workflow:run"),
        ok=201,
        colleague=201,
        stranger=201,
        removed=403,
        unscoped=403,
    ),
    "list_events": _list("events", "workflow:view"),
    "read_event": Operation(method="GET", path="events/{event_id}", scopes=("workflow:view",)),
    "explain_event_match": Operation(method="GET", path="events/{event_id}/match", scopes=("workflow:view",)),
    "replay_event": Operation(
        method="POST",
        path="events/{event_id}/replay",
        scopes=("workflow:view", "workflow:view_payload", "workflow:run"),
        ok=409,
        colleague=403,
        viewer=403,
    ),
    "replay_events": Operation(
        method="POST",
        path="events/replay",
        body=lambda world: {"events": [world.event_id]},
        objects=("event_id",),
        scopes=("workflow:view", "workflow:view_payload", "workflow:run"),
        ok=404,
        colleague=404,
        removed=403,
        unscoped=403,
        viewer=403,
    ),
    # approvals
    "list_approvals": Operation(
        method="GET", path="approvals", scopes=("approval:view",), stranger=200, removed=200, unscoped=403
    ),
    "read_approval": Operation(
        method="GET", path="approvals/{approval_id}", scopes=("approval:view",), colleague=404, removed=200
    ),
    "decide_approval": Operation(
        method="POST",
        path="approvals/{approval_id}/decide",
        body={"outcome": "yes"},
        scopes=("approval:view", "approval:decide"),
        colleague=404,
        removed=200,
        viewer=403,
    ),
    "delegate_approval": Operation(
        method="POST",
        path="approvals/{approval_id}/delegate",
        body={"to": "colleague"},
        scopes=("approval:view", "approval:delegate"),
        colleague=404,
        removed=200,
        viewer=403,
    ),
    # figures and the audit trail
    "read_statistics": _list("statistics", "workflow:view"),
    "read_model_usage": _site("GET", "usage", "llmusage:view"),
    "list_audit_entries": _site("GET", "audit-entries", "site:audit"),
    "read_audit_entry": _site("GET", "audit-entries/{entry_id}", "site:audit"),
    "create_erasure": _site("POST", "erasures", "site:erase", {"texts": ["ada@example.com"]}),
    "list_erasures": _site("GET", "erasures", "site:erase"),
    "read_erasure": _site("GET", "erasures/{erasure_id}", "site:erase"),
    "perform_erasure": _site("POST", "erasures/{erasure_id}/erase", "site:erase", {"reason": "Request 12"}),
    "stop_erasure": _site("POST", "erasures/{erasure_id}/stop", "site:erase"),
    # failures
    "list_failure_groups": _list("failure-groups", "workflow:view"),
    "read_failure_group": Operation(method="GET", path="failure-groups/{group_id}", scopes=("workflow:view",)),
    "resolve_failure_group": _action("failure-groups/{group_id}/resolve"),
    "reopen_failure_group": _action("failure-groups/{group_id}/reopen"),
    "mute_failure_group": _action("failure-groups/{group_id}/mute"),
    "unmute_failure_group": _action("failure-groups/{group_id}/unmute"),
    "rerun_failure_group": _action("failure-groups/{group_id}/rerun"),
    "list_dead_jobs": _site("GET", "dead-jobs", "site:operate"),
    "requeue_dead_jobs": _site("POST", "dead-jobs/requeue", "site:operate"),
    "requeue_dead_job": _site("POST", "dead-jobs/{job_id}/requeue", "site:operate"),
    # tokens
    "read_current_token": Operation(
        method="GET", path="tokens/current", scopes=("workflow:view",), stranger=200, removed=200, unscoped=200
    ),
    "list_tokens": Operation(
        method="GET", path="tokens", scopes=("token:view",), stranger=200, removed=200, unscoped=403
    ),
    "issue_token": Operation(
        method="POST",
        path="tokens",
        body={"name": "narrow", "scopes": ["token:view"]},
        scopes=("token:view", "token:add"),
        ok=201,
        colleague=201,
        stranger=201,
        removed=201,
        unscoped=403,
        viewer=403,
    ),
    "rotate_one_token": Operation(
        method="POST",
        path="tokens/{narrow_token_id}/rotate",
        scopes=("token:view", "token:rotate"),
        colleague=404,
        removed=200,
        unscoped=403,
        viewer=403,
    ),
    "revoke_one_token": Operation(
        method="POST",
        path="tokens/{token_id}/revoke",
        scopes=("token:view", "token:revoke"),
        colleague=404,
        removed=200,
        unscoped=403,
        viewer=403,
    ),
}
