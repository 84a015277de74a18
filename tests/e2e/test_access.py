"""Every page for everybody: axe-core finds nothing in light and dark, and nothing is lost at 200 % zoom, with forced
colours or without motion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Wait, WaitAssignee, Workflow
from automate_core.webhooks.tally import tally
from automate_governance.models import AuditEntry, StoredSecret
from automate_llm.models import LLMBudget
from tests.drafts.conftest import TRIAGE, Editor
from tests.e2e.test_pages import APPROVAL

pytestmark = pytest.mark.django_db(transaction=True)

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js").read_text(encoding="utf-8")
_FOUND = """
async (rules) => {
  const found = await axe.run(document, { ...(rules && { runOnly: rules }), resultTypes: ["violations"] });
  // A card is called by its title; the sentence below that is its description, which axe takes for a part of the name.
  const isDescribed = (rule, node) => rule.id === "label-content-name-mismatch" && document.querySelector(node.target[0]).matches("[role=treeitem][aria-description], [role=treeitem][aria-describedby]");
  const said = (node) => `${node.target.join(" ")}: ${node.failureSummary.split("\\n").slice(1).join(" ").trim()}`;
  return found.violations.flatMap((rule) => rule.nodes.filter((node) => !isDescribed(rule, node)).map((node) => `${rule.id} at ${said(node)}`));
}
"""
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_STILL = "*, ::before, ::after { transition: none !important; animation: none !important }"
_DARK = """
() => new Promise((done) => {
  document.documentElement.classList.remove("light");
  document.documentElement.classList.add("dark");
  requestAnimationFrame(() => requestAnimationFrame(() => done()));
})
"""


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
        "gallery": "/admin/automate/gallery/",
        "template": "/admin/automate/gallery/expense-approval/",
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
        "refused": "/admin/automate/events/refused/",
        "check": f"/admin/automate/workflows/{made.pk}/check/?event={made.runs.get(status='failed').event_id}",
        "approvals": "/admin/automate/approvals/",
        "approval": f"/admin/automate/approvals/{asked.pk}/",
        "notifications": "/admin/automate/notifications/",
        "notifications of a workflow": f"/admin/automate/workflows/{made.pk}/notifications/",
        "notification rule": f"/admin/automate/workflows/{made.pk}/notifications/new/",
        "connections": "/admin/automate_connectors/connection/",
        "connection": f"/admin/automate_connectors/connection/{connection.pk}/change/",
        "connect": "/admin/automate_connectors/connection/add/",
        "connect, http": "/admin/automate_connectors/connection/add/?connector=http",
        "disconnect": f"/admin/automate_connectors/connection/{connection.pk}/delete/",
        "share": f"/admin/automate/share/connection/{connection.pk}/",
        "webhooks": "/admin/automate_core/webhookendpoint/",
        "webhook": f"/admin/automate_core/webhookendpoint/{endpoint.pk}/change/",
        "secrets": "/admin/automate_governance/storedsecret/",
        "secret": f"/admin/automate_governance/storedsecret/{StoredSecret.objects.get().pk}/change/",
        "new secret": "/admin/automate_governance/storedsecret/add/",
        "model usage": "/admin/automate_llm/llmusage/",
        "model budgets": "/admin/automate_llm/llmbudget/",
        "model budget": f"/admin/automate_llm/llmbudget/{budget.pk}/change/",
        "audit trail": "/admin/automate_governance/auditentry/",
        "audit entry": f"/admin/automate_governance/auditentry/{entry}/change/",
        "plug-ins": "/admin/automate/plugins/",
        "users": "/admin/auth/user/",
        "user": f"/admin/auth/user/{admin.pk}/change/",
        "groups": "/admin/auth/group/",
        "group": f"/admin/auth/group/{Group.objects.first().pk}/change/",
        "password": "/admin/password_change/",
        "nowhere": "/admin/automate/nowhere/",
    }


def _open(page: Page, name: str) -> None:
    """What is opened on a page beside what is there at first."""
    match name:
        case "workflows":
            page.get_by_role("checkbox", name="Select Triage").check()
        case "builder":
            page.locator("#card-look").focus()
            page.keyboard.press("+")
            page.get_by_role("searchbox", name="Search steps").wait_for()
        case "event":
            page.get_by_role("button", name="Replay").click()
        case "failed run":
            page.get_by_role("button", name="Re-run").click()
        case "review":
            page.get_by_text("Side by side").click()


@pytest.fixture
def root(page: Page, site: str, admin):
    """A page of the superuser, who sees everything; the form to sign in is a page like others."""
    page.goto(f"{site}/admin/")
    return page


def _sign_in(page: Page) -> None:
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r"//[^/]+/admin/$"))


def test_no_page_keeps_anybody_out(places, root, site):
    page, found = root, {}

    def look(name):
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        page.add_style_tag(content=_STILL)  # a colour on its way to another is neither
        page.evaluate("document.fonts.ready.then(() => null)")  # icons are ligatures, which axe measures
        page.evaluate(AXE)
        seen = page.evaluate(_FOUND, None)
        page.evaluate(_DARK)
        seen += [f"dark: {each}" for each in page.evaluate(_FOUND, ["color-contrast"])]
        page.set_viewport_size({"width": 720, "height": 450})
        if page.evaluate(_WIDER) > 0:
            seen.append("scrolls sideways at 200 %")
        page.set_viewport_size({"width": 1440, "height": 900})
        if seen:
            found[name] = seen

    look("sign-in")
    _sign_in(page)
    for name, path in places.items():
        page.goto(site + path)
        _open(page, name)
        look(name)
    assert found == {}


_SEEN = """
() => {
  const canvas = getComputedStyle(document.body).backgroundColor;
  const drawn = [...document.querySelectorAll(".da-root :is(.i, .da-dot:not(.ring), .da-trk i, .da-seg-p i)")];
  const lost = drawn.filter((each) => each.offsetParent && getComputedStyle(each).backgroundColor === canvas);
  const edged = [...document.querySelectorAll(".da-root :is(.da-btn, .da-in, .da-step)")];
  const bare = edged.filter((each) => each.offsetParent && parseFloat(getComputedStyle(each).outlineWidth) < 1);
  return [...lost, ...bare].map((each) => each.className);
}
"""


def test_forced_colours_and_no_motion_take_nothing_away(places, root, site, shot):
    page = root
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    _sign_in(page)
    for name in ("workflows", "workflow", "builder, a branch", "run", "review", "approval"):
        page.goto(site + places[name])
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        assert page.evaluate(_SEEN) == [], name
        moving = "document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime > 50).length"
        assert page.evaluate(moving) == 0, name
        shot(page, f"forced-{name}")
    page.goto(site + places["builder, a branch"])
    chosen, other = page.locator("#card-route"), page.locator("#card-look")
    width = "(card) => parseFloat(getComputedStyle(card).outlineWidth)"
    assert chosen.evaluate(width) > other.evaluate(width), "the chosen step stands out"
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Tab")
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(focused.removesuffix("px")) >= 2, "what has the focus stands out"
