"""The condition editor in a browser: rows by keyboard and pointer, and what they come to at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import Step
from tests.support.processes import wait_for
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(workflow, deliver, drain, signed_in, site):
    """The owner's page at the branch, with a run to look at."""
    made = workflow(TRIAGE)
    deliver({"title": "bug", "labels": [], "count": 3})
    drain()
    signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=route")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in


def rule():
    return Step.objects.get(key="route").settings["arms"][0]["when"]


@pytest.mark.extended
def test_rows_in_a_browser(opened, faults, shot):
    page = opened
    bug = page.locator("#condition-route-bug")
    expect(bug.get_by_text("Title is bug").first).to_be_visible()
    expect(bug.get_by_text("True", exact=True)).to_be_visible()
    bug.get_by_role("button", name="Add row").click()
    second = bug.get_by_role("group", name="Row 2")
    expect(second.get_by_label("Field")).to_be_focused()
    page.keyboard.type("title")
    found = page.locator("#options [role=option]:visible")
    expect(found.first).to_have_attribute("data-value", "event.payload.title")  # what holds one comes after it
    expect(found.nth(1)).to_have_attribute("data-value", "steps.look.output.title")
    page.keyboard.press("Control+a")
    page.keyboard.type("event.payload.count")
    for _ in range(3):  # past the data picker and the button that removes the row
        page.keyboard.press("Tab")
    expect(second.get_by_label("Operator")).to_be_focused()
    second.get_by_label("Operator").select_option(label="is at least")
    second.get_by_label("Value").fill("5")
    page.keyboard.press("Tab")
    both = [{"==": [{"var": "steps.look.output.title"}, "bug"]}, {">=": [{"var": "event.payload.count"}, 5]}]
    wait_for(lambda: rule() == {"and": both})
    expect(bug.get_by_text("False", exact=True)).to_be_visible()
    bug.get_by_label("Match all or any rows").select_option(label="Any is true")
    expect(bug.get_by_text("True", exact=True)).to_be_visible()
    assert rule() == {"or": both}
    expect(page.locator("#saved")).to_have_text("Saved")
    bug.locator("summary").first.click()
    expect(bug.get_by_text("Any of these", exact=True)).to_be_visible()
    shot(page, "condition-editor")
    second.get_by_role("button", name="Insert data into row 2").click()
    page.get_by_label("Search names and sample values").fill("labels")
    page.get_by_role("treeitem", name="labels").first.click()
    expect(second.get_by_label("Field")).to_have_value("event.payload.labels")
    expect(page.locator("#picker")).to_be_hidden()
    wait_for(lambda: rule()["or"][1] == {">=": [{"var": "event.payload.labels"}, 5]})
    page.locator("#undo").click()
    wait_for(lambda: rule() == {"or": both})
    field = page.locator("#arm-bug-name")
    field.fill("Renamed")
    field.press("Tab")
    expect(page.get_by_text("Renamed").first).to_be_visible()
    expect(page.locator("#conflict")).to_be_empty()
    page.locator("#undo").click()
    page.locator("#undo").click()
    wait_for(lambda: rule() == {"and": both})
    expect(bug.get_by_text("False", exact=True)).to_be_visible()
    assert faults(page) == []


@pytest.mark.extended
def test_a_value_is_saved_while_the_cursor_stays_in_it(opened, faults):
    page = opened
    page.on("dialog", lambda dialog: dialog.accept())
    bug, name = page.locator("#condition-route-bug"), page.locator("#arm-bug-name")
    value = bug.get_by_label("Value")
    for typed in ("defect", "incident"):
        value.select_text()
        value.press_sequentially(typed)
        wait_for(lambda typed=typed: rule() == {"==": [{"var": "steps.look.output.title"}, typed]})
        expect(value).to_be_focused()
        value.press_sequentially("s")
        page.reload()  # what is on its way is neither lost nor in conflict with what is typed next
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        wait_for(lambda typed=typed: rule()["=="][1] == f"{typed}s")
        expect(value).to_have_value(f"{typed}s")
    name.fill("Defect")
    wait_for(lambda: Step.objects.get(key="route").settings["arms"][0]["name"] == "Defect")
    expect(name).to_be_focused()
    expect(page.locator("#conflict")).to_be_empty()
    assert [fault for fault in faults(page) if "ERR_ABORTED" not in fault] == []


@pytest.mark.extended
def test_what_is_typed_while_an_answer_comes_stays(opened, faults):
    page = opened
    bug = page.locator("#condition-route-bug")
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    bug.get_by_label("Field").fill("event.payload.count")
    page.keyboard.press("Tab")
    bug.get_by_label("Value").select_text()
    bug.get_by_label("Value").press_sequentially("12345", delay=150)
    page.keyboard.press("Tab")
    wait_for(lambda: rule() == {"==": [{"var": "event.payload.count"}, 12345]})
    expect(bug.get_by_label("Value")).to_have_value("12345")
    assert faults(page) == []


def test_a_condition_stays_while_the_name_of_its_route_is_stored(workflow, signed_in, site, faults):
    made = workflow(TRIAGE)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=route")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    bug = page.locator("#condition-route-bug")
    for number, pause in enumerate((0, 200, 450), 2):
        name = page.locator("#arm-bug-name")
        name.fill("")
        name.press_sequentially(f"Above {number}")
        page.wait_for_timeout(pause)
        bug.get_by_role("button", name="Add row").click()
        expect(bug.get_by_role("group", name=f"Row {number}")).to_be_visible()
        wait_for(lambda number=number: Step.objects.get(key="route").settings["arms"][0]["name"] == f"Above {number}")
    assert faults(page) == []
