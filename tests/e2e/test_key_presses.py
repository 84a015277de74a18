"""How many keys it takes to build a workflow, and that the focus is somewhere and seen after each of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from automate_core.models import Step, Trigger, Workflow
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
MOST = 120
# Whether what has the focus, or what is drawn around it, wears a ring.
RINGED = """() => {
  for (let at = document.activeElement, depth = 0; at && depth < 4; at = at.parentElement, depth += 1) {
    for (const part of ["", "::after"]) {
      const { outlineStyle, outlineWidth } = getComputedStyle(at, part);
      if (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) return true;
    }
  }
  return false;
}"""


class Keys:
    """A keyboard that counts: each key of a chord, and Shift for capitals and signs above others."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.navigated = self.typed = 0

    def press(self, *keys: str) -> None:
        """Keys that go somewhere or do something."""
        for key in keys:
            self.page.keyboard.press(key)
            self.navigated += len(key.split("+"))
            assert self.page.evaluate("document.activeElement !== document.body"), f"{key} lost the focus"

    def write(self, text: str) -> None:
        """Text for the field that has the focus."""
        self.page.keyboard.type(text)
        self.typed += len(text) + sum(each.isupper() for each in text)

    def pick(self, text: str) -> None:
        """A search, and Enter for its first hit."""
        self.write(text)
        expect(self.page.locator("#palette-found .da-offer").first).to_be_visible()
        self.press("Enter")


def add(keys: Keys, text: str, into: Locator) -> None:
    """A step after the card that has the focus, or in the empty route: found by name, with the focus where it goes on."""
    expect(keys.page.get_by_role("combobox", name="Search steps")).to_be_focused()
    keys.pick(text)
    expect(into).to_be_focused()


@pytest.mark.extended
def test_four_steps_with_a_branch_take_at_most_120_keys(signed_in, site, workflow, faults, shot):
    """An expense above a limit has to be approved: a log, a branch, an approval in its route, and a log.

    Everything counts, from the workflow list to a draft without problems: about 57 keys are text (names, searches, a limit),
    and about 40 go somewhere (Enter, Tab, Escape, arrows, A). Nothing is pressed to save.
    """
    workflow("name: Other\nslug: other\nsteps: [{key: a, action: data.set}]\n")
    page = signed_in
    page.goto(f"{site}/admin/automate_core/workflow/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.locator("#main-content").focus()
    keys = Keys(page)
    page.keyboard.press("c")
    page.wait_for_url("**/workflows/new/")
    expect(page.get_by_label("Name required", exact=True)).to_be_focused()
    keys.write("Expenses")
    page.keyboard.press("Enter")
    keys.navigated += 2  # with C before
    page.wait_for_url("**/builder/**")

    # started by hand, with an amount
    expect(page.get_by_role("button", name="Webhook", exact=True)).to_be_focused()
    keys.press("Tab", "Tab", "Tab", "Enter")
    manual = page.locator("#trigger-manual")
    expect(manual.get_by_role("button", name="Add to", exact=False)).to_be_focused()
    keys.press("Enter")
    keys.write("amount")
    keys.press("Tab", "Tab")
    keys.write("n")  # of its type: number
    expect(manual.locator("[data-cell=kind] select")).to_have_value("number")
    expect(page.locator("#saved")).to_have_text("Saved")
    keys.press("Escape")
    expect(page.locator("#card-trigger")).to_be_focused()

    message = page.get_by_role("textbox", name="Message")
    keys.press("a")
    add(keys, "log", message)
    keys.write("New expense")
    keys.press("Escape")
    expect(page.locator("#card-log")).to_be_focused()

    keys.press("a")
    add(keys, "bra", page.get_by_role("button", name="Add condition"))
    keys.press("Enter")
    row = page.get_by_role("group", name="Row 1")
    expect(row.get_by_label("Field")).to_be_focused()
    keys.write("amount")
    keys.press("Enter")
    expect(row.get_by_label("Operator")).to_be_focused()
    keys.write("is m")
    expect(row.get_by_label("Operator")).to_have_value("more")
    keys.press("Enter")
    expect(row.get_by_label("Value")).to_be_focused()
    keys.write("500")
    keys.press("Escape")
    expect(page.locator("#card-branch")).to_be_focused()

    # the empty route is the next card
    keys.press("ArrowDown")
    expect(page.get_by_role("treeitem", name="Add a step").first).to_be_focused()
    shot(page, "empty-route")
    keys.press("Enter")
    add(keys, "appr", page.get_by_role("button", name="Add to People"))
    keys.press("Enter")
    keys.write("owner")
    keys.press("Escape", "Escape")  # the list of people, and the panel
    expect(page.locator("#card-branch-approval, #card-approval").first).to_be_focused()
    keys.press("ArrowUp")
    expect(page.locator("#card-branch")).to_be_focused()
    keys.press("a")
    add(keys, "log", message)
    keys.write("Paid")
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#problem-count")).to_have_text("1 warning")
    expect(page.locator("#problems")).to_contain_text(
        "Approvers see no data of the run."
    )  # whose message is not written
    shot(page, "four-steps")

    made = Workflow.objects.get(slug="expenses")
    steps = {step.key: (step.kind, step.inputs or step.settings) for step in Step.objects.filter(workflow=made)}
    stops = {"stop", "stop_2"}  # the approval came with them: a rejection and a timeout end the run
    assert set(steps) == {"log", "branch", "approval", *stops, "log_2"}
    [arm] = steps["branch"][1]["arms"]
    assert arm["when"] == {">": [{"var": "event.payload.amount"}, 500]}
    assert steps["approval"][1]["assignees"] == ["owner"]
    asked = Trigger.objects.get(workflow=made).config["inputs"]  # the label gave the name
    assert asked == [{"name": "amount", "label": "amount", "kind": "number"}]
    assert faults(page) == []
    assert keys.navigated + keys.typed <= MOST, (keys.navigated, keys.typed)


@pytest.mark.extended
def test_the_focus_is_kept_and_seen(signed_in, site, workflow, faults, shot):
    made = workflow(
        "name: Other\nslug: other\nsteps: [{key: a, action: data.set}, {key: b, action: data.log, inputs: {message: Hi}}]\n"
    )
    page = signed_in
    page.emulate_media(forced_colors="active")
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=b")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.locator("#card-b").focus()

    def does(*keys: str, then: Locator | None = None) -> None:
        for key in keys:
            page.keyboard.press(key)
        if then is not None:
            expect(then).to_be_focused()
        expect(page.locator("#saved")).to_have_text("Saved")
        wait_for(lambda: page.evaluate("document.activeElement !== document.body"), seconds=60)
        assert page.evaluate(RINGED), (keys, page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))

    card = page.locator
    does("Control+d", then=card("#card-b_2"))
    does("Control+z")
    expect(card("#card-b_2")).to_have_count(0)
    does("Control+Shift+z")
    expect(card("#card-b_2")).to_have_count(1)
    card("#card-b_2").focus()
    does("Delete", then=card("#card-b"))
    does("e", then=card("#card-b"))
    does("Alt+ArrowUp", then=card("#card-b"))
    page.locator("#undo").focus()
    for _ in range(6):  # until it is turned off under the focus
        if page.locator("#undo").is_disabled():
            break
        page.locator("#undo").focus()
        does("Enter")
    expect(page.locator("#undo")).to_be_disabled()
    card("#card-trigger").focus()
    does("Enter")
    page.get_by_role("button", name="Manual", exact=True).focus()
    does("Enter", then=page.locator("#trigger-manual").get_by_role("button", name="Add to", exact=False))
    page.get_by_role("button", name="Remove the trigger").focus()
    does("Enter", then=page.get_by_role("button", name="Webhook", exact=True))
    does("Escape", then=card("#card-trigger"))
    does("a")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    does("Escape", then=card("#card-trigger"))
    does("a")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("branch")
    does("Enter", then=page.get_by_role("button", name="Add condition"))
    page.get_by_role("button", name="Add route").focus()
    does("Enter", then=page.get_by_label("Routes").get_by_label("Name", exact=True).last)
    page.get_by_role("button", name="Move left").last.focus()
    does("Enter")
    page.get_by_role("button", name="Remove Route 2").focus()
    does("Enter", then=page.get_by_role("button", name="Add route"))
    does("Escape", then=card("#card-branch"))
    does("ArrowDown", then=page.get_by_role("treeitem", name="Add a step").first)
    does("ArrowRight", then=page.get_by_role("treeitem", name="Add a step").last)
    does("a")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    does("Escape", then=page.get_by_role("treeitem", name="Add a step").last)
    shot(page, "focus-forced")
    page.locator("#main-content").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(
            "Boolean(document.activeElement.closest('.da-root')) && document.activeElement.id !== 'main-content'"
        ):
            assert page.evaluate(RINGED), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    assert faults(page) == []
