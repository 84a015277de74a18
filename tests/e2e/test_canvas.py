"""The canvas in a browser: cards moved by hand and by keys, their menu, folding and zoom; and who else is there."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm
from playwright.sync_api import expect

from automate_core.models import Step
from tests.support.browser import card, step_keys
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def announced(page):
    return page.locator("#announce")


@pytest.mark.extended
def test_cards_are_moved_by_hand_and_by_keys(builder, faults, shot):
    page = builder
    shot(page, "canvas-light")
    grip = card(page, "last").locator("[data-grip]")
    grip.scroll_into_view_if_needed()
    grip.hover()
    page.mouse.down()
    place = page.locator("button[data-insert='parent=route&slot=question&index=0']")
    page.mouse.move(500, 400)
    expect(place).to_have_class("da-add takes")
    assert "takes" not in page.locator("button[data-insert='parent=&slot=&index=5']").get_attribute("class")
    shot(page, "canvas-drag")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4, steps=4)
    expect(place).to_have_class("da-add takes current")
    page.mouse.up()
    expect(card(page, "route-last")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Moved Last to 1 of 1, in route Question")).to_be_visible()
    assert step_keys("route", "question") == ["last"]

    page.keyboard.press("Space")
    expect(announced(page)).to_contain_text("Moving Last")
    page.keyboard.press("ArrowRight")
    expect(announced(page)).to_have_text("Move Last to 1 of 2, in route Otherwise")
    page.keyboard.press("Escape")
    expect(announced(page)).to_have_text("Last was not moved")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    expect(announced(page)).to_have_text("Move Last to 1 of 3, in route Bug")
    page.keyboard.press("ArrowDown")
    shot(page, "canvas-picked-up")
    page.keyboard.press("Space")
    expect(card(page, "route-last")).to_be_focused()
    wait_for(lambda: step_keys("route", "bug") == ["tell", "last", "each"])
    expect(page.get_by_role("status").filter(has_text="Moved Last to 2 of 3, in route Bug")).to_be_visible()
    card(page, "route").focus()
    page.keyboard.press("Space")
    expect(page.locator(".da-add.takes")).to_have_count(11)  # neither into itself nor where it is
    page.keyboard.press("Escape")

    card(page, "route-tell").focus()
    empty = page.locator("[data-insert='parent=route&slot=question&index=0']:focus")
    page.keyboard.press("ArrowRight")
    expect(empty).to_be_visible()  # an empty route is one of the cards
    page.keyboard.press("ArrowRight")
    expect(card(page, "route-refuse")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(empty).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(card(page, "route-tell")).to_be_focused()
    page.keyboard.press("Shift+O")
    expect(card(page, "route-tell")).to_be_hidden()
    expect(card(page, "route")).to_have_attribute("data-folded", "5 steps")
    card(page, "route").focus()
    page.keyboard.press("Shift+O")
    expect(card(page, "route-tell")).to_be_visible()
    shown = page.locator(".da-zoom .zoom-level")
    before = shown.text_content()
    page.keyboard.press("Control+-")
    expect(shown).not_to_have_text(before)

    card(page, "both").click(button="right")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    shot(page, "canvas-menu")
    page.get_by_role("menuitem", name="Wrap in For each").click()
    expect(card(page, "for_each-both")).to_be_visible()
    card(page, "look").locator("[data-grip]").click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    assert faults(page) == []


@pytest.mark.extended
def test_others_are_seen_also_on_a_phone(builder, triage, site, new_context, colleague, faults, shot):
    for verb in ("view_workflow", "change_workflow"):
        assign_perm(verb, colleague, triage)
    mine, theirs = builder, new_context(has_touch=True, color_scheme="dark").new_page()
    theirs.set_viewport_size({"width": 390, "height": 844})
    theirs.goto(f"{site}/admin/")
    theirs.get_by_label("Username").fill("colleague")
    theirs.get_by_label("Password").fill("password-of-tests")
    theirs.get_by_role("button", name="Sign in").click()
    theirs.goto(f"{site}/admin/automate/workflows/{triage.pk}/builder/")
    expect(theirs.get_by_role("link", name="Review", exact=True)).to_be_visible()
    expect(theirs.get_by_role("img", name="owner is here")).to_be_visible()
    shot(theirs, "canvas-phone")
    theirs.locator("button[data-insert='parent=route&slot=question&index=0']").tap()
    theirs.get_by_role("combobox", name="Search steps").fill("values")
    expect(theirs.locator("#palette-found .da-offer").first).to_contain_text("Data: Set values")
    shot(theirs, "canvas-phone-palette")
    theirs.keyboard.press("Enter")
    wait_for(lambda: Step.objects.filter(parent__key="route", slot="question").exists())
    expect(card(theirs, "route-set")).to_have_class("da-step chosen")
    expect(theirs.locator("#inspector-name")).to_be_visible()
    shot(theirs, "canvas-phone-panel")
    theirs.get_by_role("button", name="Close panel").tap()
    expect(theirs.locator("#inspector-name")).to_have_count(0)
    theirs.locator("#card-route-set").tap()
    expect(theirs.locator("#inspector-name")).to_have_text("Set values")
    card(mine, "look").click()
    expect(mine.get_by_role("img", name="colleague is here, at Set values")).to_be_visible(timeout=20_000)
    expect(mine.get_by_role("link", name="Show new changes")).to_be_visible()
    shot(mine, "canvas-others")
    mine.get_by_role("link", name="Show new changes").click()
    expect(card(mine, "route-set")).to_have_attribute("data-here", "CO")
    assert faults(mine) == []
