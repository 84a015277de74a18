"""Shortcuts of all pages in a browser: the link to the content, the list of keys, commands of the palette."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.axe import show_theme
from tests.support.workflows import STARTED_BY_HAND

pytestmark = pytest.mark.django_db(transaction=True)


def ready(page: Page) -> None:
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")


def command(page: Page, text: str) -> None:
    """Open the palette, type at once and press Enter, without waiting for anything."""
    ready(page)
    page.keyboard.press("Control+k")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@pytest.mark.extended
def test_shortcuts(signed_in, site, workflow, faults, shot):
    workflow(STARTED_BY_HAND)
    page = signed_in
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")

    # the first stop of Tab leads to the content
    page.goto(f"{site}/admin/automate_core/workflow/")
    ready(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    shot(page, "skip-link")
    page.keyboard.press("Enter")
    expect(page.locator("#main-content")).to_be_focused()

    # Escape closes the person's menu in the sidebar
    page.locator("[x-data*=openUserLinks] > div").last.click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()

    # no letter is a shortcut while somebody types or chooses
    page.get_by_role("searchbox").focus()
    page.keyboard.type("c?[")
    expect(page.get_by_role("searchbox")).to_have_value("c?[")
    expect(keys).to_be_hidden()
    page.evaluate(
        "document.querySelector('.da-filters').insertAdjacentHTML('beforeend', '<select id=one><option>a<option>c</select>')"
    )
    page.locator("#one").focus()
    page.keyboard.type("c?")
    expect(page.locator("#one")).to_have_value("c")
    expect(keys).to_be_hidden()
    expect(page).to_have_url(re.compile("/workflow/"))

    # the list of keys, and one of them
    page.locator("#main-content").focus()
    page.keyboard.press("?")
    expect(keys).to_be_visible()
    expect(keys).to_contain_text("New workflow")
    expect(page.get_by_text("Available shortcuts")).to_be_hidden()
    for theme in ("light", "dark"):
        show_theme(page, theme)
        shot(page, f"keys-{theme}")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(page.locator("#main-content")).to_be_focused()
    page.keyboard.press("c")
    page.wait_for_url("**/workflows/new/")
    expect(page.get_by_label("Name required", exact=True)).to_be_focused()
    page.keyboard.type("Checks")
    page.keyboard.press("Enter")
    page.wait_for_url("**/builder/**")
    ready(page)
    page.locator("#card-trigger").focus()
    page.keyboard.press("?")
    expect(keys).to_contain_text("Add a step after it")
    shot(page, "keys-builder")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "keys-builder-390")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("?")
    expect(keys).to_be_hidden()
    expect(page.locator("#card-trigger")).to_be_focused()

    # commands: what is typed at once is not lost, nor is Enter
    command(page, "new workf")
    page.wait_for_url("**/workflows/new/")
    page.goto(f"{site}/admin/automate_core/event/")
    command(page, "run leads")
    page.wait_for_url("**/start/")
    page.locator("#main-content").focus()
    command(page, "go to conn")
    page.wait_for_url("**/connection/")
    assert faults(page) == []
