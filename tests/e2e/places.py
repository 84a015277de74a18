"""Every address at which a page is shown, with data on it, and the superuser who may open them all."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page

from automate_api.tokens.issuing import create_token, revoke_token
from automate_api.tokens.service_accounts import create_account
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Wait, WaitAssignee, Workflow
from automate_core.webhooks.tally import tally
from automate_governance.models import AuditEntry, StoredSecret
from automate_llm.models import LLMBudget
from tests.support.browser import watch
from tests.support.editors import Editor
from tests.support.matrix import representatives
from tests.support.workflows import TRIAGE

APPROVAL = {
    "name": "Refund the order of a customer with a rather long name",
    "message": "Order 4711 over 1,850.00 EUR.\nThe first one of this customer.",
    "form": [
        {"name": "note", "label": "Note", "required": True, "help": "The customer will read this."},
        {"name": "amount", "kind": "number"},
        {"name": "level", "kind": "choice", "choices": ["low", "high"]},
        {"name": "sure", "kind": "boolean", "label": "I have looked at the receipt"},
        {"name": "details", "kind": "long_text"},
        {"name": "until", "kind": "date"},
    ],
    "outcomes": [{"key": "approved", "name": "Approve"}, {"key": "rejected", "name": "Reject"}],
}

#: A page of each kind; the others come with `make test-all`.
TYPICAL = {
    "overview", "workflows", "builder", "runs", "failed run", "approval", "connect, http", "webhook",
}  # fmt: skip
EXTENTS = pytest.mark.parametrize("extent", representatives(["typical", "every"]))


def within(extent: str, places: dict[str, str], *more: str) -> dict[str, str]:
    """The typical places and these, or every one."""
    return {name: path for name, path in places.items() if extent == "every" or name in {*TYPICAL, *more}}


@pytest.fixture
def places(workflow, deliver, drain, admin, endpoint):
    """Every address at which a page is shown, by name."""
    made = workflow(TRIAGE)
    Workflow.objects.filter(pk=made.pk).update(tags=["night"], description="Sorts what comes in")
    for title in ("bug", "other"):
        deliver({"title": title, "labels": ["a", "b"]})
    drain()
    assert deliver(secret="y" * 32).status_code == 401
    tally.flush()
    Editor(made, admin).do("add", kind="action", action="data.log", parent="route", slot="question", index=0)
    connection = Connection.objects.create(name="Echo", slug="echo", connector="http", owner=admin)
    parked = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    asked = Wait.objects.create(run=parked, path="ask", kind="approval", data=APPROVAL)
    WaitAssignee.objects.create(wait=asked, user=admin)
    budget = LLMBudget.objects.create(max_tokens=1000)
    account = create_account("warehouse", by=admin, purpose="Imports the stock", groups=Group.objects.all())
    for person in (admin, account):
        scopes = ["workflow:view", "workflow:run", "event:send", "connection:view", "webhookendpoint:view"]
        token = create_token(person, by=admin, name="Nightly import of the stock", scopes=scopes, workflows=[made])[0]
        revoke_token(create_token(person, by=admin, name="Old", scopes=["workflow:view"])[0], by=admin)
    run = {status: made.runs.get(status=status).pk for status in ("succeeded", "failed")}
    builder = f"/admin/automate/workflows/{made.pk}/builder/"
    entry = AuditEntry.objects.latest("pk").pk
    return {
        "overview": "/admin/",
        "overview, the table": "/admin/?period=7d&view=table",
        "workflows": "/admin/automate_core/workflow/",
        "none": "/admin/automate_core/workflow/?q=nothing",
        "workflow": f"/admin/automate_core/workflow/{made.pk}/change/",
        "start": f"/admin/automate/workflows/{made.pk}/start/",
        "new": "/admin/automate/workflows/new/",
        "gallery": "/admin/automate/templates/",
        "template": "/admin/automate/templates/expense-approval/",
        "builder": builder,
        "builder, an action": f"{builder}?step=route/tell",
        "builder, a branch": f"{builder}?step=route",
        "builder, a loop": f"{builder}?step=route/each",
        "builder, caught errors": f"{builder}?step=careful",
        "builder, the trigger": f"{builder}?step=~trigger",
        "builder, the settings": f"{builder}?step=~workflow",
        "builder, the test": f"{builder}?step=~test",
        "review": f"/admin/automate/workflows/{made.pk}/review/",
        "versions": f"/admin/automate/workflows/{made.pk}/versions/",
        "compare": f"/admin/automate/workflows/{made.pk}/versions/compare/?from=1&to=draft",
        "runs": "/admin/automate_core/executionrun/",
        "run": f"/admin/automate_core/executionrun/{run['succeeded']}/change/?step=look",
        "failed run": f"/admin/automate_core/executionrun/{run['failed']}/change/",
        "events": "/admin/automate_core/event/",
        "no events": "/admin/automate_core/event/?type=nothing",
        "event": f"/admin/automate_core/event/{made.runs.get(status='failed').event_id}/change/",
        "refused": "/admin/automate/events/rejected/",
        "check": f"/admin/automate/workflows/{made.pk}/check/?event={made.runs.get(status='failed').event_id}",
        "approvals": "/admin/automate/approvals/",
        "approval": f"/admin/automate/approvals/{asked.pk}/",
        "triggers": "/admin/automate/triggers/",
        "notifications": "/admin/automate/notifications/",
        "notifications of a workflow": f"/admin/automate/workflows/{made.pk}/notifications/",
        "notification rule": f"/admin/automate/workflows/{made.pk}/notifications/new/",
        "connections": "/admin/automate_connectors/connection/",
        "connection": f"/admin/automate_connectors/connection/{connection.pk}/change/",
        "connect": "/admin/automate_connectors/connection/add/",
        "connect, http": "/admin/automate_connectors/connection/add/?connector=http",
        "connect, by sign-in": "/admin/automate_connectors/connection/add/?connector=google_sheets",
        "disconnect": f"/admin/automate_connectors/connection/{connection.pk}/delete/",
        "share": f"/admin/automate/share/connection/{connection.pk}/",
        "webhooks": "/admin/automate_core/webhookendpoint/",
        "webhook": f"/admin/automate_core/webhookendpoint/{endpoint.pk}/change/",
        "secrets": "/admin/automate_governance/storedsecret/",
        "secret": f"/admin/automate_governance/storedsecret/{StoredSecret.objects.get().pk}/change/",
        "new secret": "/admin/automate_governance/storedsecret/add/",
        "API reference": "/admin/automate/api-reference/",
        "API tokens": "/admin/automate/api-tokens/",
        "ended API tokens": "/admin/automate/api-tokens/?show=ended",
        "all API tokens": "/admin/automate/api-tokens/all/",
        "new API token": "/admin/automate/api-tokens/new/",
        "rotate an API token": f"/admin/automate/api-tokens/{token.pk}/rotate/",
        "revoke an API token": f"/admin/automate/api-tokens/{token.pk}/revoke/",
        "service accounts": "/admin/automate/service-accounts/",
        "new service account": "/admin/automate/service-accounts/new/",
        "service account": f"/admin/automate/service-accounts/{account.pk}/",
        "deactivate a service account": f"/admin/automate/service-accounts/{account.pk}/active/",
        "model usage": "/admin/automate_llm/llmusage/",
        "model budgets": "/admin/automate_llm/llmbudget/",
        "model budget": f"/admin/automate_llm/llmbudget/{budget.pk}/change/",
        "audit trail": "/admin/automate_governance/auditentry/",
        "history of a workflow": f"/admin/automate_core/workflow/{made.pk}/history/",
        "history of a user": f"/admin/auth/user/{admin.pk}/history/",
        "audit entry": f"/admin/automate_governance/auditentry/{entry}/change/",
        "plug-ins": "/admin/automate/plugins/",
        "users": "/admin/auth/user/",
        "user": f"/admin/auth/user/{admin.pk}/change/",
        "groups": "/admin/auth/group/",
        "group": f"/admin/auth/group/{Group.objects.first().pk}/change/",
        "password": "/admin/password_change/",
        "preferences": "/admin/automate/preferences/",
        "help": "/admin/automate/help/triggers/",
        "nowhere": "/admin/automate/nowhere/",
    }


@pytest.fixture
def root(page: Page, site: str, admin):
    """A page of the superuser, who sees everything; the form to sign in is a page like others."""
    watch(page)
    page.goto(f"{site}/admin/")
    return page


def sign_in_as_root(page: Page) -> None:
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"//[^/]+/admin/$"))
