"""A poll in a browser: rows of a spreadsheet are chosen, looked at, and start the workflow once it is published."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_core.models import Event, PollState
from automate_governance.secrets.storing import create_secret
from tests.support.axe import violations
from tests.support.processes import wait_for
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)

SHEET = {"properties": {"title": "Orders"}}
ROWS = [["Number", "Customer"], ["4711", "Ada"], ["4712", "Grace"]]


@pytest.mark.extended
def test_a_poll_is_chosen_tried_and_published(workflow, owner, sink, signed_in, site, faults, shot):
    secret = create_secret("sheets", "not-a-real-token", by=owner)
    sink.answer = lambda number, path: (200, {"values": ROWS} if "/values/" in path else {"sheets": [SHEET]}, {})
    config = {"token": secret.reference, "base_url": sink.url}
    for name in ("Private", "Shop"):
        Connection.objects.create(name=name, slug=name.lower(), connector="google_sheets", config=config, owner=owner)
    made = workflow(WITHOUT_TRIGGERS, publish=False)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~trigger")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    expect(page.get_by_role("button", name="Jira: New issue")).to_be_hidden()
    page.get_by_role("button", name="Google Sheets: New row").click()
    form = page.locator("#trigger-poll")
    form.get_by_label("Connection").select_option(label="Shop")
    form.get_by_label("Spreadsheet").fill("1BxiMVs0")
    form.get_by_label(re.compile("^Sheet")).fill("Orders")
    form.get_by_label("Key column").fill("Number")
    inputs = {"spreadsheet": "1BxiMVs0", "sheet": "Orders", "key": "Number"}
    page.get_by_role("button", name="Show current items").click()  # at once: what was typed is stored first
    found = page.locator("#found-poll")
    expect(found).to_contain_text("Grace")
    wait_for(
        lambda: made.triggers.get().config == {"poll": "google_sheets.new_row", "connection": "shop", "inputs": inputs}
    )
    expect(found).to_contain_text("Grace")
    expect(found).to_contain_text("Nothing was started.")
    assert violations(page) == []
    shot(page, "trigger-poll")
    page.get_by_role("link", name="Review and publish").click()
    page.get_by_role("button", name="Publish v1").click()
    expect(page.get_by_text("Version 1 is live.")).to_be_visible()
    state = PollState.objects.get()
    assert (state.poll, state.connection, state.inputs) == ("google_sheets.new_row", "shop", inputs)
    assert not Event.objects.exists()
    assert faults(page) == []
