"""Layout in a browser: every control is reached by a click, nothing is printed over anything else, no card is cut off."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from automate_core import api
from automate_core.models import FailureGroup, StepRun, Wait, Workflow
from automate_core.runs.waits import approvals
from tests.e2e.places import EXTENTS, sign_in_as_root, within
from tests.support.editors import Editor
from tests.support.icons import ICONS
from tests.support.processes import wait_for
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db(transaction=True)

MEASURES = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")
READY = "!document.documentElement.hasAttribute('x-cloak')"

#: Long names, five routes side by side, and runs in every state.
REFUNDS = """
name: Refund approvals for orders of customers with a long history
slug: refunds
description: And a description that goes on for a while, so that it takes a second line where there is little room
tags: [money, night]
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: first, name: Read the order and its customer, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - kind: branch
    key: route
    name: Which kind of order it is
    arms:
      - key: large
        name: Order over a thousand
        when: {'==': [{var: event.payload.title}, large]}
        steps:
          - kind: approval
            key: ask
            name: Approve the refund of the order
            assignees: [root]
            timeout: 1d
            form: [{name: note, label: Note, required: true}]
            outcomes: [{key: approved, name: Approve, steps: [{key: pay, name: Pay it back, action: data.log, inputs: {message: paid}}]}]
      - key: returning
        name: Order of a returning customer
        when: {'==': [{var: event.payload.title}, returning]}
        steps: [{kind: wait, key: parcel, name: Wait for the parcel to come back, duration: 1d}]
      - {key: voucher, name: Order with a voucher, when: {'==': [{var: event.payload.title}, voucher]}}
      - key: broken
        when: {'==': [{var: event.payload.title}, broken]}
        steps: [{key: fail, name: Look up the invoice, action: data.set, inputs: {x: '{{ event.payload.none.here }}'}}]
    otherwise: [{kind: stop, key: refuse, name: Refuse it, outcome: failed, message: Nothing fits this kind of order}]
  - {key: last, name: Write it down in the ledger, action: data.log, inputs: {message: done}}
"""


@pytest.fixture
def busy(places, workflow, deliver, drain, admin):
    """The places with a second workflow, whose names are long and whose draft has changes, and its runs."""
    made = workflow(REFUNDS)
    for title in ("large", "returning", "voucher", "broken", "other", "other"):
        deliver({"title": title, "labels": ["a"]})
    drain()
    Editor(made, admin).do("add", kind="action", action="data.log", parent="route", slot="voucher", index=0)
    deliver({"title": "large"})
    drain()
    decided = Wait.objects.filter(kind="approval", run__workflow=made).latest("pk")
    StepRun.objects.filter(run=decided.run, path="route/ask").update(started_at=timezone.now() - dt.timedelta(hours=9))
    approvals.decide_approval(decided, by=admin, outcome="approved", form={"note": "fine"})
    drain()
    paid = StepRun.objects.filter(run=decided.run, path="route/ask/pay")
    paid.update(started_at=timezone.now() - dt.timedelta(seconds=1), finished_at=timezone.now())
    runs = {status: made.runs.filter(status=status).latest("pk").pk for status in ("waiting", "failed", "succeeded")}
    return {
        **places,
        "long workflow": f"/admin/automate_core/workflow/{made.pk}/change/",
        "long draft": f"/admin/automate_core/workflow/{made.pk}/change/?show=draft",
        "long builder": f"/admin/automate/workflows/{made.pk}/builder/",
        "long decided run": f"/admin/automate_core/executionrun/{decided.run_id}/change/",
        **{f"long {status} run": f"/admin/automate_core/executionrun/{pk}/change/" for status, pk in runs.items()},
    }


def _open(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(READY)
    page.evaluate("document.fonts.ready.then(() => null)")
    page.evaluate(MEASURES)


def _resize(page: Page, width: int) -> None:
    """Give the window another width, and the page the time to draw it."""
    page.set_viewport_size({"width": width, "height": 450 if width == 720 else 900})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _measured(page: Page, *measures: str) -> list[str]:
    return [f"{name}: {fault}" for name in measures for fault in page.evaluate(f"layout.{name}()")]


WIDTHS = (1440, 950, 720, 640, 390)  #: 720 is 1440 at 200 % zoom
FITTED = {
    "workflow",
    "long workflow",
    "long draft",
    "template",
    "run",
    "long waiting run",
    "long failed run",
    "long decided run",
}
PRINTED = FITTED | {
    "overview", "workflows", "runs", "events", "approvals", "approval", "versions", "long builder", "notifications", "triggers",
}  # fmt: skip


@EXTENTS
def test_controls_are_reached_and_nothing_is_printed_over_anything_else(busy, root, site, shot, extent):
    """The middle of every control of every page is hit by that control, wide and on a phone; texts and controls keep
    apart at all widths; the flow of a page that shows one fits its canvas."""
    page, found = root, {}
    widths = WIDTHS if extent == "every" else (1440, 720, 390)
    sign_in_as_root(page)
    for name, path in within(extent, busy, "long workflow", "long builder", "long waiting run").items():
        _resize(page, WIDTHS[0])
        _open(page, site + path)
        for width in widths if name in PRINTED else (WIDTHS[0], WIDTHS[-1]):
            _resize(page, width)
            faults = _measured(page, *(["covered", "words"] if width in {1440, 390} else []))
            if name in PRINTED:
                faults += _measured(page, "textOverText", "controlOverControl")
                faults += _measured(page, "sideways", *(["cutCards"] if name in FITTED else []))
                shot(page, f"layout-{name}-{width}")
            if faults:
                found[f"{name} at {width}"] = faults
    assert found == {}
    assert page.evaluate("names => layout.noIcons(names)", sorted(ICONS)) == []


@EXTENTS
def test_controls_of_dialogs_are_reached(busy, root, site, extent):
    """Every dialog that a button of a page opens lies within the window, and nothing covers its controls."""
    page, found, seen = root, {}, set()
    sign_in_as_root(page)
    for name, path in within(extent, busy, "workflow").items():
        if extent == "typical" and name != "workflow":
            continue
        for width in (1440, 390):
            _resize(page, width)
            _open(page, site + path)
            for dialog, faults in page.evaluate("layout.dialogs()"):
                seen.add(dialog)
                found.update({f"{dialog} of {name} at {width}": faults} if faults else {})
    assert found == {}
    assert {"pause", "archive"} <= seen


VALUES = """
name: Values
slug: values
triggers: [{endpoint: github}]
steps: [{key: values, action: data.set, inputs: {text: 'About {{ run.id }}', a_number_with_a_long_name: 12, flag: true, list: [a], map: {k: v}}}]
"""


@pytest.mark.extended
def test_panels_of_the_builder_keep_their_fields_inside(workflow, root, site, admin, shot):
    made, page, found = workflow(VALUES), root, {}
    sign_in_as_root(page)
    for step in ("values", "~workflow"):
        for width in (1440, 720, 390):
            _resize(page, width)
            _open(page, f"{site}/admin/automate/workflows/{made.pk}/builder/?step={step}")
            page.wait_for_selector("#workflow-budget form" if step == "~workflow" else ".da-expression-tools")
            for button in page.locator("#inspector [data-mode=expression]").all():
                button.click()
            faults = _measured(page, "cutInPanel")
            shot(page, f"panel-{step}-{width}")
            if step == "values" and width == 720:
                page.get_by_role("button", name="Test step").click()
                expect(page.locator("#test-result").get_by_role("status").first).to_have_text(
                    re.compile("Test (passed|failed)")
                )
            if step == "values" and width == 720:
                box = page.locator("#inspector .da-panel-body").bounding_box()
                faults += [] if box["height"] > 180 else [f"the form has {box['height']} px"]
                ends = page.evaluate("document.querySelector('.da-canvas').getBoundingClientRect().bottom")
                faults += [] if ends > 400 else [f"the canvas ends at {ends} px"]
            if faults:
                found[f"{step} at {width}"] = faults
    assert found == {}


LONG = "Quarterly supplier contract renewal and Rechtsschutzversicherungsgesellschaftsnachweisformular of the region"

#: What a phone shows of a name or a question that is cut off.
CUT = """(names) => [...document.querySelectorAll(names)].filter((each) => each.clientWidth
  && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)).map((each) => each.textContent.trim())"""


@pytest.mark.extended
def test_a_phone_shows_whole_names_and_decisions(workflow, drain, root, site, admin, shot):
    ask = {"kind": "approval", "key": "ask", "name": LONG, "assignees": ["root"], "message": LONG, "timeout": "1d"}
    outcomes = [{"key": "approved", "name": f"Approve the {LONG}"[:60]}, {"key": "rejected", "name": "Reject"}]
    steps = [{**ask, "context": {"supplier": LONG}, "outcomes": outcomes}]
    made = workflow(json.dumps({"name": LONG, "slug": "long", "tags": ["x" * 40], "steps": steps}))
    api.start("long", by=admin)
    drain()
    wait_for(lambda: Wait.objects.filter(kind="approval").exists())  # the site works too
    run, wait = made.runs.get(), Wait.objects.get(kind="approval")
    page = root
    sign_in_as_root(page)
    _resize(page, 390)
    found = {}
    for address, names in {
        "automate_core/executionrun/": ".column-workflow .medium",
        "automate_core/workflow/": ".column-name .da-row-link",
        "automate/approvals/": ".da-tasks .clipped",
        f"automate/approvals/{wait.pk}/": ".da-task-head h1, .da-about dd, .da-decide .da-btn",
        f"automate_core/executionrun/{run.pk}/change/?step=ask": "#inspector-name, .da-outcomes .da-btn",
    }.items():
        _open(page, f"{site}/admin/{address}")
        if (review := page.get_by_role("link", name="Review")).count():
            review.click()
        expect(page.locator(names).first).to_be_visible()
        shot(page, f"phone-{address.split('/')[1]}-{len(names)}")
        faults = page.evaluate(CUT, names)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if faults or wide > 390:
            found[address] = [wide, *faults]
    assert found == {}


def _pass(page: Page) -> None:
    """Let the time of each message be over, without waiting for it."""
    ended = "document.getAnimations().filter((each) => each.animationName === 'da-toast').map((each) => each.finish())"
    page.evaluate(ended)
    expect(page.locator(".da-toast")).to_have_count(0)


def test_nothing_that_has_gone_takes_a_click(builder, shot):
    """A message covers no control while it is there; neither it nor a menu, a dialog or a list covers one afterwards."""
    page, found = builder, {}
    page.evaluate(MEASURES)

    def look(name: str) -> None:
        found.update({name: faults} if (faults := page.evaluate("layout.covered()")) else {})

    page.locator("#card-look").focus()
    page.keyboard.press("Control+d")
    with page.expect_response(lambda answer: "look_2" in answer.url):
        page.locator("#card-look_2").click()
    page.wait_for_function("!document.querySelector('.htmx-request, .htmx-settling, .htmx-swapping')")
    page.get_by_role("button", name="Insert data").first.click()
    expect(page.locator("#picker footer")).to_be_visible()
    expect(page.locator(".da-toast")).to_be_visible()
    shot(page, "layout-message")
    look("message")
    _pass(page)
    look("message that has gone")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+d")
    page.locator(".da-toast").get_by_role("button", name="Dismiss").click()
    expect(page.locator(".da-toast")).to_have_count(0)
    look("message that was closed")
    page.get_by_role("button", name="Step actions").click()
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Escape")
    look("menu")
    page.locator("button[data-insert]").first.click()
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    look("dialog")
    assert found == {}


@pytest.mark.extended
def test_nothing_of_a_list_that_has_gone_takes_a_click(root, site, owner):
    published_workflows(owner, *(f"Workflow {number}" for number in range(20)))
    page = root
    sign_in_as_root(page)
    _open(page, f"{site}/admin/automate_core/workflow/")
    page.get_by_role("checkbox", name="Select Workflow 3").check()
    page.get_by_role("toolbar", name="Selected workflows").get_by_role("button", name="Pause").click()
    expect(page.locator(".da-toast")).to_be_visible()
    page.get_by_role("button", name="Undo").blur()
    _pass(page)
    assert _measured(page, "covered") == []


@pytest.mark.extended
def test_a_canvas_fits_again_until_a_person_zooms(busy, root, site):
    page = root
    sign_in_as_root(page)
    _open(page, site + busy["long workflow"])
    zoom = page.get_by_role("group", name="Zoom").locator(".zoom-level")
    wide = zoom.inner_text()
    page.set_viewport_size({"width": 1024, "height": 900})
    expect(zoom).not_to_have_text(wide)
    assert _measured(page, "cutCards") == []
    page.get_by_role("button", name="Zoom in").click()
    chosen = zoom.inner_text()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function("document.querySelector('.da-viewport').clientWidth > 600")
    expect(zoom).to_have_text(chosen)
    page.get_by_role("button", name=re.compile("%")).click()
    expect(zoom).to_have_text(wide)


@pytest.mark.extended
def test_every_control_of_the_overview_leads_where_it_says(workflow, admin, root, site):
    made = workflow(REFUNDS)
    Workflow.objects.filter(pk=made.pk).update(owner=admin)
    ended_runs(made, 12, took=3)
    ended_runs(made, 3, status="failed", message="HTTP 503 from the ledger", code="http_503")
    run = made.runs.filter(status="succeeded").latest("pk")
    StepRun.objects.create(
        run=run, path="route/ask", status="succeeded", started_at=run.started_at, finished_at=run.finished_at
    )
    page, overview = root, f"{site}/admin/"
    sign_in_as_root(page)
    expect(page.locator(".da-overview-slow tbody tr")).to_have_count(1)
    links = page.locator(".da-root a[href]:visible")
    leads = links.evaluate_all("found => found.map((link) => link.href)")
    assert len(leads) >= 14
    for number, to in enumerate(leads):
        page.goto(overview)
        page.wait_for_function(READY)
        links.nth(number).click()
        expect(page).to_have_url(to)

    page.goto(overview)
    page.wait_for_function(READY)
    buttons = page.locator(".da-root :is(button, summary):visible")
    name = made.name
    said = buttons.evaluate_all("found => found.map((each) => each.ariaLabel || each.innerText)")
    assert said == [f"Re-run all of {name}", f"More for {name}"]
    buttons.nth(0).click()
    dialog = page.get_by_role("dialog", name=f"Re-run 3 runs of {name}")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    buttons.nth(1).click()
    page.get_by_role("menuitem", name="Mute").click()
    page.locator("summary", has_text="1 muted").click()
    page.get_by_role("button", name="Unmute").click()
    expect(page.get_by_role("button", name=f"More for {name}")).to_be_visible()
    page.get_by_role("button", name=f"More for {name}").click()
    page.get_by_role("menuitem", name="Resolve").click()
    expect(page.get_by_role("button", name=f"More for {name}")).to_be_hidden()
    assert FailureGroup.objects.get().resolved_at is not None
