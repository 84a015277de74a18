"""From nothing to a run of a branching workflow, with the keyboard alone: built, tested, published and started."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from automate_core.models import ExecutionRun, StepRun, Workflow
from tests.support.keyboard import arrow_to, press, reach, write
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.extended
def test_a_branching_workflow_by_keyboard_alone(signed_in, site, faults, shot):
    page = signed_in
    press(
        page,
        page.get_by_role("link", name="New workflow").or_(page.get_by_role("link", name="Start from scratch")).first,
    )
    write(page, page.get_by_label("Name required", exact=True), "Sorting")
    page.keyboard.press("Enter")
    page.wait_for_url("**/builder/**")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")

    # what starts it
    press(page, page.locator("#card-trigger"))
    press(page, page.get_by_role("button", name="Manual", exact=True))
    manual = page.locator("#trigger-manual")
    press(page, manual.get_by_role("button", name="Add to Inputs"))
    write(page, manual.get_by_label("Name").last, "kind")
    page.keyboard.press("Tab")
    expect(page.locator("#saved")).to_have_text("Saved")

    # a step, and a branch around it
    page.keyboard.press("Escape")
    expect(page.locator("#card-trigger")).to_be_focused()
    page.keyboard.press("+")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("write to log")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    page.keyboard.type("A bug")
    page.keyboard.press("Tab")
    expect(page.locator("#saved")).to_have_text("Saved")
    press(page, page.get_by_role("button", name="Step actions"))
    arrow_to(page, page.get_by_role("menuitem", name="Wrap in Branch"))
    page.keyboard.press("Enter")
    expect(page.locator("#card-branch")).to_be_visible()
    page.keyboard.press("Escape")
    reach(page, page.locator("#flow [role=treeitem][tabindex='0']"))
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#card-branch")).to_be_focused()
    page.keyboard.press("Enter")
    press(page, page.get_by_role("button", name="Add condition").first)
    row = page.get_by_role("group", name="Row 1")
    write(page, row.get_by_label("Field"), "event.payload.kind")
    write(page, row.get_by_label("Value"), "bug")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Kind is bug").first).to_be_visible()
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#problem-count")).to_have_text("No problems")
    shot(page, "keyboard-built")

    # tried
    press(page, page.locator("#test-whole"))
    press(page, page.get_by_text("Test data"))
    write(page, page.get_by_label("Custom payload (JSON)"), '{"kind": "bug"}')
    page.keyboard.press("Control+Enter")
    expect(page.locator("#test-result")).to_contain_text("Test passed")

    # published
    press(page, page.get_by_role("link", name="Review and publish"))
    page.wait_for_url("**/review/")
    press(page, page.get_by_role("button", name="Publish v1"))
    expect(page.get_by_text("Version 1 is live.")).to_be_visible()

    # run
    press(page, page.get_by_role("link", name="Run", exact=True))
    write(page, page.get_by_label("kind"), "bug")
    press(page, page.get_by_role("button", name="Run now"))
    expect(page.get_by_role("status").filter(has_text="Started")).to_be_visible()
    made = Workflow.objects.get()
    run = wait_for(lambda: ExecutionRun.objects.filter(workflow=made, cause="trigger", status="succeeded").first())
    assert set(StepRun.objects.filter(run=run).values_list("path", flat=True)) == {"branch", "branch/log"}
    expect(page.get_by_role("status").get_by_role("link", name="run ")).to_be_visible()
    press(page, page.get_by_role("status").get_by_role("link", name="run "))
    page.wait_for_url(f"**/{run.pk}/**")
    reach(page, page.locator("#flow [role=treeitem][tabindex='0']"))
    assert faults(page) == []


@pytest.mark.extended
def test_a_suggested_step_is_the_first_hit(builder):
    """Several services send email: the connector that is suggested at this place comes first."""
    page = builder
    page.locator("#card-trigger").focus()
    page.keyboard.press("a")
    page.get_by_role("combobox", name="Search steps").fill("send email")
    found = page.locator("#palette-found .da-offer b")
    expect(found.first).to_have_text("Email: Send email")
    expect(found.nth(1)).to_have_text(re.compile(": Send email$"))
    search = page.get_by_role("combobox", name="Search steps")
    search.fill("")
    search.press_sequentially("end")
    search.press("Enter")  # before the server has answered
    expect(page.locator("#card-stop")).to_be_visible()
