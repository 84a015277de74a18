"""The way of a connector: from a pasted document to a run that calls the service."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from automate_connectors.stored.freshness import stored_connectors
from automate_core.models import ExecutionRun
from automate_core.triggers import manual
from tests.support.axe import darken, violations
from tests.support.processes import wait_for
from tests.support.stored_connectors import OPENAPI

pytestmark = pytest.mark.django_db(transaction=True)

USE = """
name: Stock
slug: stock
steps: [{key: add, action: depot.create_item, connection: depot, inputs: {name: Anvil}}]
"""
WIDER = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.extended
def test_a_connector_from_a_document_to_a_run(owner, signed_in, site, sink, workflow, drain, faults, shot):
    owner.user_permissions.add(Permission.objects.get(codename="administer_site"))
    page, found = signed_in, []

    def look(name):
        shot(page, f"connector-{name}")
        found.extend(f"{name}: {each}" for each in violations(page))

    page.goto(f"{site}/admin/automate/connectors/")
    page.get_by_role("link", name="New connector").first.click()
    page.get_by_label("Or paste it").fill(json.dumps(OPENAPI))
    look("new")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Name or path").fill("item")
    expect(page.get_by_role("checkbox")).to_have_count(2)
    look("operations")
    page.get_by_label("Create an item").check()
    page.get_by_role("button", name="Add and continue").click()
    expect(page.get_by_role("link", name="Create an item")).to_be_visible()
    look("draft")
    darken(page)
    page.locator(".da-yaml").scroll_into_view_if_needed()
    shot(page, "connector-draft-dark")
    assert violations(page, ["color-contrast"]) == []
    light = "[...document.querySelectorAll('.da-yaml *')].filter((each) => /rgb\\(2[0-9]{2}, 2[0-9]{2}, 2[0-9]{2}\\)/"
    light += ".test(getComputedStyle(each).backgroundColor)).map((each) => each.className)"
    assert page.evaluate(light) == [], "nothing of the editor stays light"
    page.evaluate("document.documentElement.classList.replace('dark', 'light')")
    page.get_by_role("link", name="Create an item").click()
    expect(page.locator("#field-inputs-name")).to_be_visible()
    page.get_by_label("Show price").uncheck()
    look("action")
    page.get_by_role("button", name="Apply").click()
    editor = page.get_by_role("textbox", name="connector.yaml")
    expect(editor).to_contain_text("- price")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("nonsense: 1\n")
    page.get_by_role("button", name="Apply YAML").click()
    expect(page.get_by_role("alert")).to_contain_text("Fix 1 error")
    expect(page.get_by_text("The format has no name 'nonsense' here.")).to_be_visible()
    look("faulty")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Apply YAML").click()
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Add connection")).to_be_visible()
    look("page")
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.evaluate(WIDER)
    page.set_viewport_size({"width": 1440, "height": 900})

    page.get_by_role("link", name="Add connection").click()
    page.locator("#id_name").fill("Depot")
    page.get_by_label("API key: new value").fill("key-of-the-depot-5521")
    page.get_by_label("API URL").fill(sink.url)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Depot").first).to_be_visible()
    stored_connectors.refresh()  # in this process, which handles no requests
    made = workflow(USE)
    manual.start_workflow(made, {}, by=owner)
    drain()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())  # the worker of the site may have it
    assert [(call[0], call[2]) for call in sink.calls] == [("/items", {"name": "Anvil"})]
    assert sink.headers[0]["x-key"] == "key-of-the-depot-5521"
    assert (found, faults(page)) == ([], [])
