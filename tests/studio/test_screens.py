"""The screens as HTML: what they show, to whom, and in how many queries."""

from __future__ import annotations

import re
import uuid
from html.parser import HTMLParser

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import (
    Event,
    ExecutionRun,
    FailureGroup,
    Notification,
    NotificationRule,
    StepRun,
    Wait,
    WaitAssignee,
)
from automate_core.operations import bulk
from automate_governance.admin_site import admin_site
from automate_governance.models import AuditEntry
from automate_studio.models import SavedView

pytestmark = pytest.mark.django_db(transaction=True)

BRANCHING = """
name: Branching
slug: branching
description: Sends <b>things</b> along
triggers: [{endpoint: github}]
steps:
  - {key: first, name: First things, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    arms:
      - key: yes_please
        name: Yes
        when: {'==': [{var: steps.first.output.title}, go]}
        steps: [{key: inner, action: data.log, inputs: {message: 'Going {{ steps.first.output.title }}'}}]
    otherwise: [{kind: stop, key: refuse, outcome: failed, message: Not today}]
"""


class Page(HTMLParser):
    """Elements by id, and all text: enough to look at a page's nodes."""

    def __init__(self, response):
        super().__init__()
        self.ids: dict[str, dict[str, str]] = {}
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.status = response.status_code
        self.feed(response.content.decode())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if "id" in found:
            self.ids[found["id"]] = found

    def handle_data(self, data):
        self.text += data

    def all(self, **wanted):
        return [a for _, a in self.tags if all(a.get(n.replace("_", "-").rstrip("-")) == v for n, v in wanted.items())]


@pytest.fixture
def run(workflow, deliver, drain):
    workflow(BRANCHING)
    deliver({"title": "go"})
    drain()
    return ExecutionRun.objects.get()


def _run_urls(run):
    return {
        "page": reverse("admin:automate_core_executionrun_change", args=[run.pk]),
        "step": reverse("studio:run_step", args=[run.pk, "first"]),
        "patch": reverse("studio:run_patch", args=[run.pk]),
    }


def test_the_run_page_shows_the_tree_the_timeline_and_the_step(run, sign_in, owner):
    page = Page(sign_in(owner).get(_run_urls(run)["page"]))
    assert page.status == 200
    states = {name: page.ids[f"card-{name}"]["data-st"] for name in ("first", "route", "route-inner", "route-refuse")}
    assert states == {"first": "succeeded", "route": "succeeded", "route-inner": "succeeded", "route-refuse": "skipped"}
    name = page.ids["card-first"]["aria-label"]
    assert name.startswith("First things, 1 · Data, set values, ") and name.endswith(", succeeded")
    assert page.ids["card-route-inner"]["aria-level"] == "2"
    assert {"row-first", "row-route-inner", "run-state", "run-meta", "timeline", "flow", "inspector"} <= set(page.ids)
    assert run.trace_id in str(page.ids) + str(page.tags)
    assert "2 done, 1 skipped" in page.text
    assert '"go"' in page.text, "the first step's output is open"


def test_the_page_opens_at_the_step_that_failed(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": "stay"})
    drain()
    run = ExecutionRun.objects.get()
    page = Page(sign_in(owner).get(_run_urls(run)["page"]))
    assert run.status == "failed" and "Not today" in page.text
    assert page.all(data_inspected="route/refuse")


@pytest.mark.parametrize("step", ["first", "route/inner", "route"])
def test_a_steps_panel(run, sign_in, owner, step):
    page = Page(sign_in(owner).get(reverse("studio:run_step", args=[run.pk, step])))
    assert page.all(data_inspected=step)
    assert page.ids["tab-output"]["role"] == "tabpanel"


def test_a_step_that_is_not_there_is_404(run, sign_in, owner):
    assert sign_in(owner).get(reverse("studio:run_step", args=[run.pk, "nope"])).status_code == 404


def test_the_patch_holds_what_the_page_holds(run, sign_in, owner):
    client = sign_in(owner)
    urls = _run_urls(run)
    patch = client.get(urls["patch"])
    assert (patch["X-Seq"], patch["X-Ended"]) == (str(run.seq), "1")
    ids = set(Page(patch).ids)
    assert {"run-state", "run-meta", "run-progress", "flow", "timeline", "card-first"} <= ids
    assert ids <= set(Page(client.get(urls["page"])).ids)
    assert client.get(urls["patch"], {"after": run.seq}).status_code == 204


HOSTILE = '</pre><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\u202e{{ 7*7 }}'


def test_payloads_are_inert_text(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": HOSTILE}, event="<i>x</i>")
    drain()
    run = ExecutionRun.objects.get()
    content = sign_in(owner).get(_run_urls(run)["page"], {"step": "first"}).content.decode()
    assert "<script>window" not in content and "onerror=\\&quot;" in content
    assert "<i>x</i>" not in content and "\u202e" not in content and "\\u202e" in content
    assert "49" not in re.sub(r"<[^>]*>", "", content.split("tab-output")[1][:2000])


def test_payloads_take_a_permission_of_their_own(run, sign_in, owner, colleague):
    assign_perm("view_workflow", colleague, run.workflow)
    urls = _run_urls(run)
    client = sign_in(colleague)
    page = client.get(urls["page"]).content.decode()
    assert "That takes the permission to view payloads" in page.replace("that takes", "That takes")
    assert "&quot;go&quot;" not in page and "Going go" not in page
    download = reverse("studio:run_download", args=[run.pk, "first"])
    assert client.post(download, {"part": "output", "attempt": 1}).status_code == 404
    assign_perm("view_payload_workflow", colleague, run.workflow)
    assert "&quot;go&quot;" in client.get(urls["step"]).content.decode()


def test_a_download_is_a_file_and_is_audited(run, sign_in, owner):
    answer = sign_in(owner).post(
        reverse("studio:run_download", args=[run.pk, "first"]), {"part": "output", "attempt": 1}
    )
    assert answer.json() == {"title": "go"}
    assert answer["Content-Disposition"].startswith("attachment") and answer["X-Content-Type-Options"] == "nosniff"
    entry = AuditEntry.objects.filter(verb="run.payload_downloaded").get()
    assert (entry.actor, entry.changes) == ("owner", {"part": "output", "step": "first"})


def test_large_values_are_cut_at_the_server(workflow, deliver, drain, sign_in, owner):
    workflow(BRANCHING)
    deliver({"title": "x" * 500_000})
    drain()
    content = sign_in(owner).get(_run_urls(ExecutionRun.objects.get())["page"], {"step": "first"}).content
    assert len(content) < 250_000 and b"498000 more characters" in content


# --- who sees what ----------------------------------------------------------------------------------------------------


def _objects(run, owner):
    from automate_connectors.models import Connection
    from automate_governance.models import StoredSecret

    connection = Connection.objects.create(name="Conn", slug="conn", connector="http", owner=owner)
    rule = NotificationRule.objects.create(workflow=run.workflow, kind="first_failure", channel="email", to_owner=True)
    unsent = Notification.objects.create(
        rule=rule, workflow=run.workflow, kind=rule.kind, channel="email", status="failed", send_at=run.created_at
    )
    times = {"first_at": run.created_at, "last_at": run.created_at, "last_run": run.pk}
    failures = FailureGroup.objects.create(workflow=run.workflow, fingerprint="1", code="no", message="No", **times)
    return {
        "failures": failures,
        "rule": rule,
        "unsent": unsent,
        "connection": connection,
        "secret": StoredSecret.objects.first(),
        "endpoint": run.workflow.active_triggers.first(),
    }


@pytest.fixture
def approval(run, owner):
    """One that the owner is asked for."""
    made = Wait.objects.create(
        run=run, path="first", kind="approval", data={"outcomes": [{"key": "approved", "name": "Approve"}]}
    )
    WaitAssignee.objects.create(wait=made, user=owner)
    return made


@pytest.fixture
def bulk_action(run, owner):
    return bulk.create_bulk_action("cancel", [run.pk], {}, by=owner)


@pytest.fixture
def view(run, owner):
    """One that is shared with those who may see the workflow."""
    return SavedView.objects.create(owner=owner, name="Ours", query="?workflow=branching", is_shared=True)


@pytest.fixture
def urls(run, owner, endpoint, approval, bulk_action, view):
    objects = _objects(run, owner)
    download = reverse("studio:run_download", args=[run.pk, "first"])
    return {
        "workflow page": ("get", reverse("admin:automate_core_workflow_change", args=[run.workflow_id])),
        "workflow file": ("get", reverse("studio:workflow_file", args=[run.workflow_id])),
        "run page": ("get", _run_urls(run)["page"]),
        "run step": ("get", _run_urls(run)["step"]),
        "run patch": ("get", _run_urls(run)["patch"]),
        "run asks": ("get", reverse("studio:run_asks", args=[run.pk])),
        "run value": ("get", reverse("studio:run_value", args=[run.pk, "first"])),
        "run sample": ("post", reverse("studio:run_sample", args=[run.pk])),
        "run test": ("post", reverse("studio:run_test", args=[run.pk])),
        "run retry dialog": ("get", reverse("studio:run_retry", args=[run.pk])),
        "run try now": ("post", reverse("studio:run_try_now", args=[run.pk, "first"])),
        "run skip": ("post", reverse("studio:run_skip", args=[run.pk, "first"])),
        "run review": ("post", reverse("studio:run_review", args=[run.pk, "first"])),
        "run decide": ("post", reverse("studio:run_decide", args=[run.pk, "first"])),
        "run download": ("post", download),
        "connection": ("get", reverse("admin:automate_connectors_connection_change", args=[objects["connection"].pk])),
        "connection delete": (
            "get",
            reverse("admin:automate_connectors_connection_delete", args=[objects["connection"].pk]),
        ),
        "connection history": (
            "get",
            reverse("admin:automate_connectors_connection_history", args=[objects["connection"].pk]),
        ),
        "connection add": ("get", reverse("admin:automate_connectors_connection_add")),
        "connections": ("get", reverse("admin:automate_connectors_connection_changelist")),
        "connection try": ("post", reverse("studio:connection_try")),
        "connection try, a change": ("post", reverse("studio:connection_try_change", args=[objects["connection"].pk])),
        "webhooks": ("get", reverse("admin:automate_core_webhookendpoint_changelist")),
        "webhook add": ("get", reverse("admin:automate_core_webhookendpoint_add")),
        "webhook delete": ("get", reverse("admin:automate_core_webhookendpoint_delete", args=[endpoint.pk])),
        "webhook end overlap": ("post", reverse("studio:webhook_end_overlap", args=[endpoint.pk])),
        "secrets": ("get", reverse("admin:automate_governance_storedsecret_changelist")),
        "secret add": ("get", reverse("admin:automate_governance_storedsecret_add")),
        "secret delete": ("get", reverse("admin:automate_governance_storedsecret_delete", args=[objects["secret"].pk])),
        "model budget add": ("get", reverse("admin:automate_llm_llmbudget_add")),
        "connection test": ("post", reverse("studio:connection_test", args=[objects["connection"].pk])),
        "connection sign-in": ("post", reverse("studio:oauth_start", args=[objects["connection"].pk])),
        "sign-in callback": ("get", reverse("studio:oauth_callback")),
        "share connection": ("get", reverse("studio:share", args=["connection", objects["connection"].pk])),
        "share webhook": ("get", reverse("studio:share", args=["webhook", endpoint.pk])),
        "share workflow": ("get", reverse("studio:share", args=["workflow", run.workflow_id])),
        "share workflow with": ("post", reverse("studio:share", args=["workflow", run.workflow_id])),
        "endpoint": ("get", reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])),
        "secret": ("get", reverse("admin:automate_governance_storedsecret_change", args=[objects["secret"].pk])),
        "audit list": ("get", reverse("admin:automate_governance_auditentry_changelist")),
        "workflow list": ("get", reverse("admin:automate_core_workflow_changelist")),
        "run list": ("get", reverse("admin:automate_core_executionrun_changelist")),
        "workflow add": ("get", reverse("admin:automate_core_workflow_add")),
        "run cancel": ("post", reverse("studio:run_cancel", args=[run.pk])),
        "run retry": ("post", reverse("studio:run_retry", args=[run.pk])),
        "workflow start": ("post", reverse("studio:workflow_start", args=[run.workflow_id])),
        "workflow pause": ("post", reverse("studio:workflow_pause", args=[run.workflow_id])),
        "workflow resume": ("post", reverse("studio:workflow_resume", args=[run.workflow_id])),
        "gallery": ("get", reverse("studio:gallery")),
        "template": ("get", reverse("studio:template", args=["expense-approval"])),
        "template use": ("post", reverse("studio:template", args=["expense-approval"])),
        "workflow new": ("get", reverse("studio:workflow_new")),
        "workflow new, without a name": ("post", reverse("studio:workflow_new")),
        "workflow import": ("post", reverse("studio:workflow_import")),
        "builder": ("get", reverse("studio:builder", args=[run.workflow_id])),
        "builder palette": ("get", reverse("studio:builder_palette", args=[run.workflow_id])),
        "builder step": ("get", reverse("studio:builder_step", args=[run.workflow_id, "first"])),
        "builder options": ("post", reverse("studio:builder_options", args=[run.workflow_id, "first"])),
        "builder connection": ("get", reverse("studio:builder_connection", args=[run.workflow_id, "first"])),
        "builder step save": ("post", reverse("studio:builder_step", args=[run.workflow_id, "first"])),
        "builder do": ("post", reverse("studio:builder_do", args=[run.workflow_id])),
        "builder budget": ("get", reverse("studio:builder_budget", args=[run.workflow_id])),
        "builder budget set": ("post", reverse("studio:builder_budget", args=[run.workflow_id])),
        "builder functions": ("get", reverse("studio:builder_functions", args=[run.workflow_id])),
        "builder here": ("post", reverse("studio:builder_here", args=[run.workflow_id])),
        "builder copy": ("post", reverse("studio:builder_copy", args=[run.workflow_id])),
        "builder test": ("get", reverse("studio:builder_test", args=[run.workflow_id])),
        "builder test start": ("post", reverse("studio:builder_test", args=[run.workflow_id])),
        "builder test keep": ("post", reverse("studio:builder_test_keep", args=[run.workflow_id])),
        "review": ("get", reverse("studio:review", args=[run.workflow_id])),
        "review publish": ("post", reverse("studio:review", args=[run.workflow_id])),
        "versions": ("get", reverse("studio:versions", args=[run.workflow_id])),
        "versions compare": ("get", reverse("studio:versions_compare", args=[run.workflow_id])),
        "version restore": ("post", reverse("studio:version_restore", args=[run.workflow_id, 1])),
        "version publish": ("post", reverse("studio:version_publish", args=[run.workflow_id, 1])),
        "builder condition": ("post", reverse("studio:builder_condition", args=[run.workflow_id, "first"])),
        "builder trigger webhook": (
            "post",
            reverse("studio:builder_trigger_endpoint", args=[run.workflow_id, "webhook"]),
        ),
        "builder trigger event": ("get", reverse("studio:builder_trigger_event", args=[run.workflow_id, "webhook"])),
        "builder data": ("get", reverse("studio:builder_data", args=[run.workflow_id, "first"])),
        "builder preview": ("post", reverse("studio:builder_preview", args=[run.workflow_id, "first"])),
        "builder sample": ("get", reverse("studio:builder_sample", args=[run.workflow_id])),
        "builder sample choose": ("post", reverse("studio:builder_sample", args=[run.workflow_id])),
        "builder trigger caught": ("post", reverse("studio:builder_trigger_event", args=[run.workflow_id, "webhook"])),
        "workflow started": ("get", reverse("studio:workflow_started", args=[run.workflow_id, run.event_id])),
        "events": ("get", reverse("admin:automate_core_event_changelist")),
        "event": ("get", reverse("admin:automate_core_event_change", args=[run.event_id])),
        "event replay": ("post", reverse("studio:event_replay", args=[run.event_id])),
        "event value": ("get", reverse("studio:event_value", args=[run.event_id])),
        "event download": ("post", reverse("studio:event_download", args=[run.event_id])),
        "event sample": ("post", reverse("studio:event_sample", args=[run.event_id])),
        "event check": ("get", reverse("studio:event_check", args=[run.workflow_id])),
        "event refused": ("get", reverse("studio:event_refused")),
        "search": ("get", reverse("admin:search")),
        "approvals": ("get", reverse("studio:approval_list")),
        "approval": ("get", reverse("studio:approval_page", args=[approval.pk])),
        "approval delegate": ("post", reverse("studio:approval_delegate", args=[approval.pk])),
        "approval reassign": ("post", reverse("studio:approval_reassign", args=[approval.pk])),
        "approvals hand over": ("post", reverse("studio:approvals_hand_over")),
        "sign-in": ("get", reverse("studio:sign_in")),
        "sign-out": ("post", reverse("studio:sign_out")),
        "overview": ("get", reverse("studio:overview")),
        "failures retry": ("get", reverse("studio:failures_retry", args=[objects["failures"].pk])),
        "jobs replay": ("post", reverse("studio:jobs_replay")),
        "failures mark, nothing said": ("post", reverse("studio:failures_mark", args=[objects["failures"].pk])),
        "notifications": ("get", reverse("studio:notifications")),
        "notification rule new": ("get", reverse("studio:rule_new")),
        "notification rule": ("get", reverse("studio:rule_edit", args=[objects["rule"].pk])),
        "notification rule do, nothing said": ("post", reverse("studio:rule_do", args=[objects["rule"].pk])),
        "notification again": ("post", reverse("studio:notification_again", args=[objects["unsent"].pk])),
        "workflow notifications": ("get", reverse("studio:workflow_notifications", args=[run.workflow_id])),
        "workflow notification rule new": ("get", reverse("studio:rule_new_of", args=[run.workflow_id])),
        "workflow notification mute": (
            "post",
            reverse("studio:rule_mute", args=[run.workflow_id, NotificationRule.objects.get(built_in=True).pk]),
        ),
        "model usage": ("get", reverse("admin:automate_llm_llmusage_changelist")),
        "model usage export": ("post", reverse("studio:model_usage_export")),
        "model budgets": ("get", reverse("admin:automate_llm_llmbudget_changelist")),
        "workflow history": ("get", reverse("admin:automate_core_workflow_history", args=[run.workflow_id])),
        "plug-ins": ("get", reverse("studio:plugin_list")),
        "hand over": ("get", reverse("studio:hand_over", args=[owner.pk])),
        "retention": ("get", reverse("studio:retention")),
        "run history": ("get", reverse("admin:automate_core_executionrun_history", args=[run.pk])),
        "event history": ("get", reverse("admin:automate_core_event_history", args=[run.event_id])),
        "audit export": ("post", reverse("studio:trail_export")),
        "audit verify": ("post", reverse("studio:trail_verify")),
        "run keep": ("post", reverse("studio:run_keep", args=[run.pk])),
        "workflows manage, nothing said": ("post", reverse("studio:workflows_manage")),
        "runs bulk, nothing said": ("post", reverse("studio:runs_bulk")),
        "bulk progress": ("get", reverse("studio:bulk_progress", args=[bulk_action.pk])),
        "bulk stop": ("post", reverse("studio:bulk_stop", args=[bulk_action.pk])),
        "runs export": ("post", reverse("studio:runs_export")),
        "view save, nothing said": ("post", reverse("studio:view_save")),
        "view change": ("post", reverse("studio:view_change", args=[view.pk])),
        "view delete": ("post", reverse("studio:view_delete", args=[view.pk])),
        "workflow archive": ("post", reverse("studio:workflow_archive", args=[run.workflow_id])),
        "workflow restore": ("post", reverse("studio:workflow_restore", args=[run.workflow_id])),
    }


MATRIX = {
    #                      owner colleague stranger nobody
    "workflow page": (200, 200, 404, 302),
    "workflow file": (200, 200, 404, 302),
    "run page": (200, 200, 404, 302),
    "run step": (200, 200, 404, 302),
    "run patch": (200, 200, 404, 302),
    "run asks": (200, 200, 404, 302),
    "run value": (200, 404, 404, 302),
    "run sample": (303, 403, 404, 302),
    "run test": (303, 403, 404, 302),
    "run retry dialog": (200, 403, 404, 302),
    "run try now": (409, 403, 404, 302),
    "run skip": (409, 403, 404, 302),
    "run review": (422, 403, 404, 302),
    "run decide": (409, 403, 404, 302),
    "run download": (200, 404, 404, 302),
    "connection": (200, 404, 404, 302),
    "connection delete": (200, 404, 404, 302),
    "connection history": (200, 404, 404, 302),
    "connection add": (200, 200, 200, 302),
    "connections": (200, 200, 200, 302),
    "connection try": (422, 422, 422, 302),
    "connection try, a change": (422, 404, 404, 302),
    "webhooks": (200, 200, 200, 302),
    "webhook add": (200, 200, 200, 302),
    "webhook delete": (200, 404, 404, 302),
    "webhook end overlap": (303, 404, 404, 302),
    "secrets": (200, 200, 200, 302),
    "secret add": (200, 200, 200, 302),
    "secret delete": (200, 404, 404, 302),
    "model budget add": (403, 403, 403, 302),
    "connection test": (303, 404, 404, 302),
    "connection sign-in": (303, 404, 404, 302),
    "sign-in callback": (303, 303, 303, 302),
    "share connection": (200, 404, 404, 302),
    "share webhook": (200, 404, 404, 302),
    "share workflow": (200, 403, 404, 302),
    "share workflow with": (422, 403, 404, 302),
    "endpoint": (200, 404, 404, 302),
    "secret": (200, 404, 404, 302),
    "audit list": (403, 403, 403, 302),
    "model usage": (403, 403, 403, 302),
    "model usage export": (403, 403, 403, 302),
    "model budgets": (403, 403, 403, 302),
    "workflow list": (200, 200, 200, 302),
    "runs bulk, nothing said": (422, 422, 422, 302),
    "bulk progress": (200, 404, 404, 302),
    "bulk stop": (200, 404, 404, 302),
    "runs export": (200, 200, 200, 302),
    "view save, nothing said": (422, 422, 422, 302),
    "view change": (422, 403, 404, 302),
    "view delete": (200, 404, 404, 302),
    "run list": (200, 200, 200, 302),
    "workflow add": (404, 404, 404, 302),
    "workflow history": (200, 404, 404, 302),
    "run cancel": (303, 403, 404, 302),
    "run retry": (303, 403, 404, 302),
    "workflow start": (303, 403, 404, 302),
    "workflow pause": (303, 403, 404, 302),
    "workflow resume": (303, 403, 404, 302),
    "gallery": (200, 200, 200, 302),
    "template": (200, 200, 200, 302),
    "template use": (303, 303, 303, 302),
    "workflow new": (200, 200, 200, 302),
    "workflow new, without a name": (422, 422, 422, 302),
    "workflow import": (422, 422, 422, 302),
    "builder": (200, 403, 404, 302),
    "builder palette": (200, 403, 404, 302),
    "builder step": (200, 403, 404, 302),
    "builder options": (404, 403, 404, 302),
    "builder connection": (200, 403, 404, 302),
    "builder step save": (200, 403, 404, 302),
    "builder do": (422, 403, 404, 302),
    "builder copy": (422, 403, 404, 302),
    "builder test": (200, 403, 404, 302),
    "builder test start": (422, 403, 404, 302),
    "builder test keep": (404, 403, 404, 302),
    "builder budget": (200, 403, 404, 302),
    "builder functions": (200, 403, 404, 302),
    "builder budget set": (403, 403, 404, 302),
    "builder here": (200, 403, 404, 302),
    "review": (200, 200, 404, 302),
    "review publish": (409, 403, 404, 302),
    "versions": (200, 200, 404, 302),
    "versions compare": (200, 200, 404, 302),
    "version restore": (409, 403, 404, 302),
    "version publish": (409, 403, 404, 302),
    "builder condition": (422, 403, 404, 302),
    "builder trigger webhook": (422, 403, 404, 302),
    "builder trigger event": (204, 403, 404, 302),
    "builder data": (200, 403, 404, 302),
    "builder preview": (200, 403, 404, 302),
    "builder sample": (200, 403, 404, 302),
    "builder sample choose": (422, 403, 404, 302),
    "builder trigger caught": (404, 403, 404, 302),
    "workflow started": (404, 404, 404, 302),
    "events": (200, 200, 200, 302),
    "event": (200, 200, 404, 302),
    "event replay": (303, 403, 404, 302),
    "event value": (200, 403, 404, 302),
    "event download": (200, 403, 404, 302),
    "event sample": (404, 404, 404, 302),
    "event check": (200, 200, 404, 302),
    "event refused": (200, 200, 200, 302),
    "search": (200, 200, 200, 302),
    "approvals": (200, 200, 200, 302),
    "approval": (200, 404, 404, 302),
    "approval delegate": (422, 404, 404, 302),
    "approval reassign": (403, 404, 404, 302),
    "approvals hand over": (403, 403, 403, 302),
    "sign-in": (200, 200, 200, 200),
    "sign-out": (302, 302, 302, 302),
    "overview": (302, 302, 302, 302),
    "failures retry": (200, 403, 404, 302),
    "jobs replay": (404, 404, 404, 302),
    "failures mark, nothing said": (404, 404, 404, 302),
    "notifications": (403, 403, 403, 302),
    "notification rule new": (403, 403, 403, 302),
    "notification rule": (200, 403, 404, 302),
    "notification rule do, nothing said": (422, 403, 404, 302),
    "notification again": (303, 403, 404, 302),
    "workflow notifications": (200, 403, 404, 302),
    "workflow notification rule new": (200, 403, 404, 302),
    "workflow notification mute": (303, 403, 404, 302),
    "plug-ins": (403, 403, 403, 302),
    "hand over": (403, 403, 403, 302),
    "retention": (403, 403, 403, 302),
    "run history": (200, 404, 404, 302),
    "event history": (404, 404, 404, 302),
    "audit export": (403, 403, 403, 302),
    "audit verify": (403, 403, 403, 302),
    "run keep": (303, 403, 404, 302),
    "workflows manage, nothing said": (422, 422, 422, 302),
    "workflow archive": (303, 403, 404, 302),
    "workflow restore": (303, 403, 404, 302),
}


def test_everybody_is_asked_at_every_door(run, urls, sign_in, owner, colleague, stranger):
    """The colleague may view the workflow and nothing else; what one may not know is 404."""
    assign_perm("view_workflow", colleague, run.workflow)
    answered = {}
    for name, (method, url) in urls.items():
        statuses = []
        for person in (owner, colleague, stranger, None):
            answer = getattr(sign_in(person), method)(url, {"part": "output", "attempt": 1})
            statuses.append(answer.status_code)
            assert not _tokenless(answer), name
            if person is None and answer.status_code == 302:
                assert answer["Location"].startswith(("/admin/login/", "/admin/automate/sign-in/"))
        answered[name] = tuple(statuses)
    assert answered == MATRIX


def _tokenless(answer):
    """The forms of a page that the server would refuse: posted by the browser itself, without a token."""
    if answer.streaming or "html" not in answer.get("Content-Type", ""):
        return []
    forms = re.findall(r"(<form\b[^>]*>)(.*?)</form>", answer.content.decode(), re.S)
    return [tag for tag, inside in forms if 'method="post"' in tag and "hx-post" not in tag + inside.partition("<form")[0]
            and "csrfmiddlewaretoken" not in inside]  # fmt: skip


def test_no_url_of_ours_is_left_out_of_the_matrix(urls):
    from automate_studio.urls import urlpatterns

    asked = {re.sub(r"/[0-9a-f-]{36}|/\d+", "", url) for _, url in urls.values()}
    found = list(_all(urlpatterns))
    assert {"builder", "run_step"} <= {name for name, _ in found}
    for name, converters in found:
        if name != "run_stream":  # asked over HTTP in tests/studio/test_live.py
            url = reverse(f"studio:{name}", args=_arguments(converters))
            assert re.sub(r"/[0-9a-f-]{36}|/\d+", "", url) in asked, name


def _all(patterns, around=()):
    """(name, converters of its address) of each, those that are included too."""
    for each in patterns:
        converters = (*around, *each.pattern.converters)
        if hasattr(each, "url_patterns"):
            yield from _all(each.url_patterns, converters)
        else:
            yield each.name, converters


def _arguments(converters):
    samples = {
        "run_id": uuid.uuid4(),
        "wait_id": uuid.uuid4(),
        "rule_id": 1,
        "notification_id": uuid.uuid4(),
        "pk": 1,
        "event_id": uuid.uuid4(),
        "action_id": uuid.uuid4(),
        "path": "first",
        "kind": "workflow",
        "key": "webhook",
        "number": 1,
    }
    samples["slug"] = "expense-approval"
    return [samples[name] for name in converters]


def test_lists_show_only_what_one_may_know(run, sign_in, owner, colleague, stranger):
    for url in ("admin:automate_core_workflow_changelist", "admin:automate_core_executionrun_changelist"):
        assert "Branching" in Page(sign_in(owner).get(reverse(url))).text
        stranger_sees = Page(sign_in(stranger).get(reverse(url))).text
        assert "Branching" not in stranger_sees and " yet" in stranger_sees
        assert "Branching" not in Page(sign_in(stranger).get(reverse(url), {"q": "Branching"})).text


def test_a_person_without_the_role_finds_no_list(sign_in, owner):
    owner.groups.clear()
    assert sign_in(owner).get(reverse("admin:automate_core_workflow_changelist")).status_code == 404


def test_auditors_read_the_trail_and_see_every_webhook(sign_in, owner, stranger, run, endpoint, deliver):
    from django.contrib.auth.models import Group

    deliver({"told": "to nobody"}, event="nothing-takes-it")
    event = Event.objects.latest("id")
    pages = [
        reverse("admin:automate_core_event_change", args=[event.pk]),
        reverse("studio:event_value", args=[event.pk]),
        reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk]),
    ]
    client = sign_in(stranger)
    assert [client.get(page).status_code for page in pages[:2]] == [404, 404]
    stranger.groups.set(Group.objects.filter(name="Auditors"))
    client = sign_in(stranger)
    assert [client.get(page).status_code for page in pages] == [200, 200, 200]
    page = Page(client.get(reverse("admin:automate_governance_auditentry_changelist")))
    assert page.status == 200 and "workflow.published" in page.text
    assert "to nobody" in Page(client.get(pages[0])).text
    assert client.post(pages[2], {"slug": "mine"}).status_code == 403


# --- lists ------------------------------------------------------------------------------------------------------------


def _many_runs(workflow, count):
    runs = [
        ExecutionRun(
            workflow=workflow, version=workflow.published, trace_id=f"{n:032x}", cause="trigger", status="succeeded"
        )
        for n in range(count)
    ]
    ExecutionRun.objects.bulk_create(runs)
    StepRun.objects.bulk_create(
        StepRun(run=run, path="first", status="succeeded", idempotency_key="k", started_at="2026-01-01T00:00Z")
        for run in runs
    )


def test_the_run_list_pages_by_key_in_few_queries(workflow, sign_in, owner, django_assert_max_num_queries):
    made = workflow(BRANCHING)
    _many_runs(made, 60)
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    with django_assert_max_num_queries(12) as captured:  # one is for the tasks in the sidebar
        first = Page(client.get(url))
    assert not any("COUNT(" in query["sql"].upper() for query in captured.captured_queries)
    seen = []
    page = first
    for _ in range(3):
        seen += [name for name in page.ids if name.startswith("run-") and len(name) == 40]
        following = [a["href"] for a in page.all(rel="next")]
        if not following:
            break
        page = Page(client.get(url + following[0]))
    assert len(seen) == len(set(seen)) == 60
    back = Page(client.get(url + page.all(rel="prev")[0]["href"]))
    assert [name for name in back.ids if name.startswith("run-") and len(name) == 40] == seen[25:50]


def test_the_run_list_filters_and_searches(run, workflow, deliver, drain, sign_in, owner):
    deliver({"title": "stay"})
    drain()
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    failed = ExecutionRun.objects.get(status="failed")
    for query, found in (
        ({"show": "attention"}, {failed.pk}),
        ({"show": "succeeded"}, {run.pk}),
        ({"q": run.trace_id}, {run.pk}),
        ({"q": run.trace_id[:12]}, {run.pk}),
        ({"q": str(run.pk)}, {run.pk}),
        ({"q": str(run.pk)[-8:]}, {run.pk}),
        ({"q": "branch", "show": "attention"}, {failed.pk}),
        ({"q": "branch"}, {run.pk, failed.pk}),
        ({"workflow": "branching"}, {run.pk, failed.pk}),
        ({"workflow": "other"}, set()),
        ({"q": "'; DROP TABLE x; --"}, set()),
        ({"after": "nonsense"}, {run.pk, failed.pk}),
    ):
        page = Page(client.get(url, query))
        assert {uuid.UUID(name[4:]) for name in page.ids if name.startswith("run-") and len(name) == 40} == found, query
    assert "No runs match these filters" in Page(client.get(url, {"workflow": "other"})).text
    assert "Not today" in Page(client.get(url, {"show": "attention"})).text


def test_what_matches_in_two_ways_is_paged_once(workflow, sign_in, owner):
    made = workflow(BRANCHING.replace("name: Branching", "name: '0000 runs'"))
    _many_runs(made, 30)  # their trace ids begin with 0000 as well
    client, url = sign_in(owner), reverse("admin:automate_core_executionrun_changelist")
    first = Page(client.get(url, {"q": "0000"}))
    second = Page(client.get(url + first.all(rel="next")[0]["href"]))
    seen = [name for page in (first, second) for name in page.ids if name.startswith("run-") and len(name) == 40]
    assert len(seen) == len(set(seen)) == 30 and not second.all(rel="next")


def test_fragments_come_without_their_frame(run, sign_in, owner):
    for url in ("admin:automate_core_workflow_changelist", "admin:automate_core_executionrun_changelist"):
        content = sign_in(owner).get(reverse(url), headers={"HX-Request": "true"}).content.decode()
        assert content.strip().startswith("<section") and "<html" not in content


def test_the_run_page_costs_few_queries(run, sign_in, owner, django_assert_max_num_queries):
    client = sign_in(owner)
    with django_assert_max_num_queries(21):  # four are for the entry that this person saw the payload, once an hour
        client.get(_run_urls(run)["page"])
    with django_assert_max_num_queries(17):
        client.get(_run_urls(run)["page"])
    with django_assert_max_num_queries(7):
        client.get(_run_urls(run)["patch"])


def test_signing_in_again_in_the_middle_of_a_request(run, sign_in):
    here = f"http://testserver{_run_urls(run)['page']}?step=first"
    answer = sign_in(None).get(_run_urls(run)["step"], headers={"HX-Request": "true", "HX-Current-URL": here})
    assert answer.status_code == 401
    assert answer["HX-Redirect"].startswith("/admin/login/?next=%2Fadmin%2Fautomate_core%2Fexecutionrun%2F")


def test_the_workflow_page_shows_what_starts_it(run, sign_in, owner):
    page = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[run.workflow_id])))
    assert "http://127.0.0.1:8000/hooks/github/" in page.text and "GitHub" in page.text
    assert "Sends <b>things</b> along" in page.text
    assert {"card-trigger", "card-first", "card-route-inner"} <= set(page.ids)


def test_the_file_reads_back(run, sign_in, owner):
    from automate_core.authoring import workflows
    from automate_core.definition import yaml_files

    answer = sign_in(owner).get(reverse("studio:workflow_file", args=[run.workflow_id]))
    assert answer["Content-Disposition"] == 'attachment; filename="branching.yaml"'
    assert yaml_files.read_workflow(answer.content.decode()) == workflows.load_definition(run.workflow)


def test_no_page_of_the_admin_breaks_on_an_object_that_is_not_there(sign_in, admin, stranger):
    found = []
    for person in (admin, stranger):
        client = sign_in(person)
        client.raise_request_exception = False
        for model in admin_site()._registry:
            listed = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            for key in ("1", "no-key", "0199c0de-0000-7000-8000-000000000000"):
                for page in ("change", "history", "delete"):
                    address = f"{listed}{key}/{page}/"
                    found.append((client.get(address).status_code, address))
    assert len(found) > 200 and [each for each in found if each[0] >= 500] == []
