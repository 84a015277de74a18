"""The builder in a browser: built by keyboard and by pointer, saved while one types, two people at once."""

from __future__ import annotations

import re
import time

import pytest
from guardian.shortcuts import assign_perm
from playwright.sync_api import Page, expect

from automate_core.models import DraftCommand, Step, Workflow
from tests.support.axe import show_theme
from tests.support.browser import card, step_keys
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def field(page: Page, label: str):
    return page.get_by_role("textbox", name=label)


def notes(page: Page):
    page.get_by_role("tab", name="Notes").click()
    return field(page, "Notes")


@pytest.mark.extended
def test_by_keyboard_alone(builder, faults, shot):
    page = builder
    card(page, "look").focus()
    page.keyboard.press("+")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("write to log")
    page.keyboard.press("Enter")
    expect(field(page, "Message")).to_be_focused()
    page.keyboard.press("Escape")
    expect(card(page, "log")).to_be_focused()
    assert step_keys()[:3] == ["look", "log", "route"]
    expect(card(page, "log")).to_have_accessible_name("Write to log, 2 · Data: Write to log, Message is required.")
    page.keyboard.press("Enter")
    expect(page.locator("#inspector-name")).to_be_focused()
    field(page, "Message").focus()
    page.keyboard.type("Seen {{ steps.look.output.title }}")
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(card(page, "log")).to_have_accessible_name("Write to log, 2 · Data: Write to log")
    assert Step.objects.get(key="log").inputs == {"message": "Seen {{ steps.look.output.title }}"}
    shot(page, "builder-panel")
    page.keyboard.press("Escape")
    expect(card(page, "log")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    wait_for(lambda: step_keys()[:3] == ["look", "route", "log"])
    expect(card(page, "log")).to_be_focused()
    page.keyboard.press("Control+d")
    expect(card(page, "log_2")).to_be_focused()
    page.keyboard.press("e")
    expect(card(page, "log_2")).to_have_accessible_name("Write to log 2, 8 · Data: Write to log, turned off")
    page.keyboard.press("Delete")
    expect(card(page, "log_2")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="Deleted Write to log 2")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(card(page, "log_2")).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    expect(card(page, "log_2")).to_have_count(0)
    assert faults(page) == []


def test_the_palette_is_browsed_from_app_to_app_by_keys(builder):
    page = builder
    page.locator("button[data-insert='parent=route&slot=question&index=0']").click()
    field = page.get_by_role("combobox", name="Search steps")
    expect(field).to_be_focused()
    apps = [group.get_attribute("aria-label") for group in page.locator("#palette [role=group]:visible").all()]
    assert apps.index("Logic") < apps.index("Airtable") < apps.index("GitHub"), "then the apps by name"
    chosen = page.locator("#palette [role=option][aria-selected=true]")
    for title in apps:
        page.keyboard.press("PageDown")
        expect(page.locator(f"#palette [role=group][aria-label='{title}'] [aria-selected=true]")).to_be_in_viewport()
    page.keyboard.press("PageUp")
    assert chosen.evaluate("each => each.closest('[role=group]').ariaLabel") == apps[-2]
    page.keyboard.press("Enter")
    expect(page.locator("#palette")).to_be_hidden()


def test_by_pointer(builder, faults, shot):
    page = builder
    page.locator("button[data-insert='parent=route&slot=question&index=0']").click()
    page.get_by_label("Logic").get_by_role("option", name="For each Run steps").click()
    expect(card(page, "route-for_each")).to_be_visible()
    expect(field(page, "List")).to_be_visible()
    field(page, "List").fill("{{ event.payload.labels }}")
    page.locator("button[data-insert='parent=for_each&slot=steps&index=0']").click()
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    shot(page, "builder-palette")
    box, width = page.locator("#palette").bounding_box(), page.viewport_size["width"]
    assert abs(box["x"] + box["width"] / 2 - width / 2) < 2 and box["y"] < 200
    page.get_by_role("group", name="Data", exact=True).get_by_role("option", name="Data: Set values").click()
    expect(card(page, "route-for_each-set")).to_be_visible()
    expect(page.locator("#problem-count")).to_have_text("No problems")
    card(page, "both").click()
    expect(page.locator("#inspector-name")).to_have_text("Both")
    page.get_by_role("button", name="Step actions").click()
    page.get_by_role("menuitem", name="Wrap in Catch errors").click()
    expect(card(page, "try-both")).to_be_visible()
    expect(page.locator("#inspector-name")).to_have_text("Try")
    page.get_by_role("button", name="Step actions").click()
    page.get_by_role("menuitem", name="Unwrap").click()
    expect(card(page, "both")).to_be_visible()
    page.locator("#toast").get_by_role("button", name="Undo").click()
    expect(card(page, "try-both")).to_be_visible()
    page.get_by_role("button", name="Close panel").click()
    expect(page.locator("#inspector-name")).to_have_count(0)
    card(page, "trigger").click()
    page.get_by_role("button", name="Schedule").click()
    schedule = page.get_by_role("button", name="Remove the trigger Schedule")
    expect(schedule).to_be_visible()
    page.reload()
    assert step_keys("for_each", "steps") == ["set"] and Step.objects.get(key="for_each").settings["items"]
    expect(schedule).to_be_visible()
    page.get_by_role("button", name="Undo: ").click()
    expect(schedule).to_have_count(0)
    assert faults(page) == []


@pytest.mark.extended
def test_routes_and_the_list_of_problems(builder, faults):
    page = builder
    card(page, "route").click()
    page.get_by_label("Routes").get_by_role("button", name="Add route").click()
    expect(page.locator("#problem-count")).to_have_text("1 to fill in")
    expect(page.locator("#problems")).to_contain_text("Add a condition")
    new = page.locator(".da-condition").last
    new.get_by_text("JSON", exact=True).click()
    condition = new.get_by_role("textbox", name="as JSON")
    condition.fill('{"exists": [{"var": "event.payload.x"}]}')
    condition.blur()
    expect(page.locator("#problem-count")).to_have_text("No problems")
    page.get_by_role("button", name="Move left: Route 3").click()
    wait_for(
        lambda: [arm["key"] for arm in Step.objects.get(key="route").settings["arms"]] == ["bug", "route_3", "question"]
    )
    card(page, "last").focus()
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="On error").click()
    field(page, "Timeout per attempt (seconds)").fill("soon")
    expect(page.locator("#problem-count")).to_have_text("1 problem")
    card(page, "look").click()
    expect(page.locator("#inspector-name")).to_have_text("Look")
    page.keyboard.press("F8")
    expect(field(page, "Timeout per attempt (seconds)")).to_be_focused()
    expect(page.locator("#field-timeout-why")).to_contain_text("not text")
    assert faults(page) == []


@pytest.mark.extended
def test_a_new_step_is_set_up_first_whatever_tab_was_open(builder, faults):
    page = builder
    card(page, "last").click()
    page.get_by_role("tab", name="On error").click()
    card(page, "look").click()
    expect(page.get_by_role("tab", name="On error")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("a")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("log")
    page.keyboard.press("Enter")
    expect(page.locator("#inspector-name")).to_have_text("Write to log")
    expect(page.get_by_role("tab", name="Setup")).to_have_attribute("aria-selected", "true")
    assert faults(page) == []


@pytest.mark.extended
def test_what_is_folded_stays_so_until_one_goes_there(builder, faults):
    page = builder
    card(page, "route").focus()
    page.keyboard.press("o")
    expect(card(page, "route-tell")).to_be_hidden()
    assert card(page, "route").get_attribute("aria-expanded") == "false"
    card(page, "last").focus()
    page.keyboard.press("Alt+ArrowUp")
    wait_for(lambda: step_keys()[-1] == "both")
    expect(card(page, "last")).to_be_focused()
    expect(card(page, "route-tell")).to_be_hidden()
    page.goto(f"{page.url.partition('?')[0]}?step=route/tell")
    expect(card(page, "route-tell")).to_be_visible()
    assert faults(page) == []


@pytest.mark.extended
def test_two_people_at_one_draft(builder, triage, site, new_context, colleague, shot):
    for verb in ("view_workflow", "change_workflow"):
        assign_perm(verb, colleague, triage)
    mine, theirs = builder, new_context().new_page()
    theirs.goto(f"{site}/admin/")
    theirs.get_by_label("Username").fill("colleague")
    theirs.get_by_label("Password").fill("password-of-tests")
    theirs.get_by_role("button", name="Sign in").click()
    theirs.goto(f"{site}/admin/automate/workflows/{triage.pk}/builder/?step=look")
    card(mine, "look").click()
    expect(notes(mine)).to_be_visible()
    notes(theirs).fill("Theirs")
    expect(theirs.locator("#saved")).to_have_text("Saved")
    wait_for(lambda: Step.objects.get(key="look").notes == "Theirs")
    notes(mine).fill("Mine")
    note = mine.get_by_role("alert").filter(has_text="colleague changed this step. Your change is not saved.")
    expect(note).to_contain_text("Changed notes of Look")
    expect(note).to_contain_text("colleague")
    expect(mine.locator("#saved")).to_have_text("Not saved")
    shot(mine, "builder-conflict")
    assert Step.objects.get(key="look").notes == "Theirs"
    mine.get_by_role("button", name="Keep my change").click()
    expect(note).to_have_count(0)
    assert Step.objects.get(key="look").notes == "Mine"
    theirs.locator("#card-last").click()
    theirs.keyboard.press("Delete")
    expect(theirs.locator("#card-last")).to_have_count(0)
    card(mine, "look").focus()
    mine.keyboard.press("Delete")
    expect(mine.get_by_role("alert").filter(has_text="Deleted Last")).to_be_visible()
    assert Step.objects.filter(key="look").exists()


@pytest.mark.extended
def test_signed_out_in_the_middle(builder, triage):
    page = builder
    card(page, "look").click()
    expect(notes(page)).to_be_visible()
    page.context.clear_cookies(name="sessionid")
    field(page, "Notes").fill("lost?")
    expect(page).to_have_url(re.compile("/login/\\?next="))  # two answers at once may both lead there
    assert "builder" in page.url and not DraftCommand.objects.exists()
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Notes").click()
    expect(field(page, "Notes")).to_have_value("lost?")
    wait_for(lambda: Step.objects.get(key="look").notes == "lost?")


@pytest.mark.extended
def test_it_fits(builder, faults, shot):
    page = builder
    for width, height in ((1440, 900), (1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{page.url.partition('?')[0]}?step=route")
        expect(page.locator("#inspector-name")).to_have_text("Route")
        for theme in ("light", "dark"):
            show_theme(page, theme)
            shot(page, f"builder-{theme}-{width}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0 and faults(page) == []


@pytest.mark.extended
def test_typing_and_choosing_another_step_at_once(builder, faults):
    page = builder
    card(page, "look").click()
    expect(page.locator("#inspector-name")).to_have_text("Look")
    page.route("**/step/look/", lambda route: (time.sleep(0.5), route.continue_()))
    notes(page).fill("Of look")
    card(page, "last").click()
    card(page, "both").click()
    card(page, "last").click()
    assert page.locator("#inspector").evaluate("inspector => inspector.inert")
    expect(page.locator("#inspector-name")).to_have_text("Last")
    expect(field(page, "Notes")).to_have_value("")
    field(page, "Notes").fill("Of last")
    page.get_by_role("link", name="Settings").click()
    expect(page.locator("#inspector-name")).to_have_text("Workflow settings")
    page.get_by_role("textbox", name="Description", exact=True).fill("Of all")
    expect(page.locator("#saved")).to_have_text("Saved")
    wait_for(lambda: Workflow.objects.get().description == "Of all")
    assert [Step.objects.get(key=key).notes for key in ("look", "last", "both")] == ["Of look", "Of last", ""]
    assert faults(page) == []
