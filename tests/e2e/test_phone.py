"""A phone: the menu over the page, what waits for a person, and room for names."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM = """
name: A claim with quite a long name
slug: claim
triggers: [{kind: manual, key: hand, inputs: [{name: amount}]}]
steps:
  - {key: first, action: data.set, inputs: {a: 1}}
  - {key: second, action: data.set, inputs: {a: 1}}
  - {key: third, action: data.set, inputs: {a: 1}}
  - kind: parallel
    key: both
    arms: [{key: left, steps: [{key: l, action: data.set}]}, {key: right, steps: [{key: r, action: data.set}]}]
  - kind: approval
    key: ask
    name: Pay the claim
    assignees: [owner]
    outcomes: [{key: approved, name: Pay it}, {key: rejected, name: Refuse}]
    timeout: 4h
    form: [{name: reason, label: Reason}]
  - {key: last, action: data.set, inputs: {a: 1}}
"""


def test_a_phone_shows_what_waits_and_closes_its_menu(workflow, deliver, drain, signed_in, owner, site, faults, shot):
    from automate_core.triggers.manual import start_workflow

    workflow(TRIAGE)
    deliver({"title": "bug", "labels": ["a"]})
    start_workflow(workflow(CLAIM), {"amount": "1"}, by=owner)
    drain()
    page = signed_in
    page.set_viewport_size({"width": 390, "height": 600})

    page.goto(f"{site}/admin/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    menu = page.locator("#nav-sidebar")
    expect(menu).to_be_hidden()
    page.mouse.click(25, 32)
    expect(menu).to_be_visible()
    address = page.url
    page.mouse.click(340, 300)  # a figure that leads to another page lies there
    expect(menu).to_be_hidden()
    assert page.url == address

    page.goto(f"{site}/admin/automate_core/executionrun/")
    name = page.locator("td.column-workflow", has_text="A claim with quite a long name")
    assert name.evaluate("each => each.clientWidth") >= 90
    shot(page, "phone-runs")
    page.locator("tr", has=name).get_by_role("link").first.click()
    page.wait_for_url("**/change/")
    sheet = page.get_by_role("complementary", name="Waiting for you")
    assert page.evaluate("document.documentElement.scrollHeight > innerHeight"), "there is more than fits"
    expect(sheet.get_by_role("link", name="Review")).to_be_in_viewport()
    shot(page, "phone-run")
    sheet.get_by_role("link", name="Review").click()
    expect(page.get_by_role("button", name="Pay it")).to_be_visible()
    expect(sheet).to_be_hidden()  # it would lie over the decision itself
    assert faults(page) == []


def test_an_error_page_has_the_theme_of_the_person(page, live_server):
    page.goto(f"{live_server.url}/admin/login/")
    for theme in ("dark", "light"):
        page.evaluate("theme => localStorage.setItem('adminTheme', JSON.stringify(theme))", theme)
        page.goto(f"{live_server.url}/nowhere/")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
