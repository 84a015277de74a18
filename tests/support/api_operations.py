"""Every operation of the API with what each person gets from it: the table behind `tests/api/test_permissions.py`.

A new operation gets a row here, and `World` the objects that its path names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MANUAL = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, label: Who, kind: text}]}]
steps: [{kind: stop, key: done}]
"""


class World:
    """Objects of the owner, made when a path or a body asks for them. `share` shows them to the colleague."""

    def __init__(self, owner: Any, colleague: Any, make_workflow: Callable[..., Any], token: Any) -> None:
        self.owner, self.colleague, self.token_id = owner, colleague, token.pk
        self._make_workflow = make_workflow

    @cached_property
    def workflow(self) -> Any:
        return self._make_workflow(MANUAL)

    @cached_property
    def slug(self) -> str:
        return str(self.workflow.slug)

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
    def connection(self) -> Any:
        from automate_connectors.models import Connection

        return Connection.objects.create(name="Hub", slug="hub", connector="http", owner=self.owner)

    @cached_property
    def connection_slug(self) -> str:
        return str(self.connection.slug)

    @cached_property
    def narrow_token_id(self) -> int:
        from automate_api.tokens.issuing import create_token

        return int(create_token(self.owner, by=None, name="narrow", scopes=["token:view"])[0].pk)

    def share(self) -> None:
        """Let the colleague view what was made."""
        from guardian.shortcuts import assign_perm

        if "workflow" in self.__dict__:
            assign_perm("view_workflow", self.colleague, self.workflow)
        if "connection" in self.__dict__:
            assign_perm("view_connection", self.colleague, self.connection)


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
        body={"yaml": MANUAL.replace("Greet", "Salute")},
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
    "list_connections": _list("connections", "connection:view"),
    "read_connection": Operation(method="GET", path="connections/{connection_slug}", scopes=("connection:view",)),
    "test_connection": Operation(
        method="POST",
        path="connections/{connection_slug}/test",
        scopes=("connection:view", "connection:use"),
        colleague=403,
        viewer=403,
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
