"""Triggers in a browser: a webhook made in place and a delivery caught, a schedule chosen, a form built of rows."""

from __future__ import annotations

import re
import subprocess

import pytest
from playwright.sync_api import expect

from automate_core.models import WebhookEndpoint
from tests.support.processes import wait_for
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened(workflow, signed_in, site):
    """The owner's page at the triggers of a workflow that has none."""
    made = workflow(WITHOUT_TRIGGERS, publish=False)
    signed_in.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~trigger")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in, made


def config(workflow, key):
    return workflow.triggers.get(key=key).config


@pytest.mark.extended
def test_a_webhook_is_made_tried_and_caught(opened, faults, shot):
    page, made = opened
    page.get_by_role("button", name="Webhook", exact=True).click()
    form = page.locator("[data-create-endpoint]")
    form.get_by_label("Sender").select_option(label="Slack")
    expect(form.get_by_text("In Slack, open the app")).to_be_visible()
    form.get_by_role("button", name="Create webhook").click()
    expect(form.get_by_text("Paste the sender's secret.")).to_be_visible()
    form.get_by_label("Sender").select_option(label="HMAC")
    expect(form.get_by_label("Algorithm")).to_be_visible()
    expect(form.get_by_label("Secret: how it is given")).to_have_value("none:")  # nobody chose to paste one
    form.get_by_role("button", name="Create webhook").click()
    once = page.locator("#secret-webhook")
    expect(once).to_be_focused()
    assert config(made, "webhook") == {"endpoint": "new-orders"}
    assert WebhookEndpoint.objects.get(slug="new-orders").scheme == "hmac"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    once.get_by_role("button", name="Copy secret").click()
    assert re.fullmatch(r"[0-9a-f]{64}", page.evaluate("navigator.clipboard.readText()"))
    page.get_by_role("button", name="Copy command").click()
    command = page.evaluate("navigator.clipboard.readText()")
    with page.expect_response(lambda answer: "x-after" in answer.headers):
        page.get_by_role("button", name="Wait for the next event").click()
    expect(page.locator("#waiting-webhook")).to_contain_text("Waiting for the next event")
    subprocess.run(["bash", "-c", f"{command} -sS"], check=True, capture_output=True, timeout=60)
    caught = page.locator("#caught-webhook")
    expect(caught.get_by_text("event.payload.message")).to_be_visible()
    expect(caught.get_by_text("Would start this workflow")).to_be_visible()
    shot(page, "trigger-webhook")
    page.reload()
    expect(page.locator("#endpoint-webhook")).to_be_visible()
    expect(page.locator("#secret-webhook")).to_have_count(0)
    assert [fault for fault in faults(page) if "422" not in fault] == [], "but for the form that was refused"


@pytest.mark.extended
def test_a_schedule_and_a_form_by_keyboard(opened, faults, shot):
    page, made = opened
    page.get_by_role("button", name="Schedule", exact=True).press("Enter")
    schedule = page.locator("#trigger-schedule")
    expect(schedule.get_by_label("Time", exact=True)).to_be_hidden()
    schedule.get_by_label("Repeats").select_option(label="Weekly")
    expect(schedule.get_by_label("Time", exact=True)).to_be_visible()
    wait_for(lambda: config(made, "schedule") == {"cron": "0 9 * * 1"})
    schedule.get_by_label("Thursday").press("Space")
    schedule.get_by_label("Time", exact=True).fill("17:30")
    wait_for(lambda: config(made, "schedule") == {"cron": "30 17 * * 1,4"})
    expect(schedule.locator("#fires-schedule li")).to_have_count(5)
    expect(schedule.locator("#fires-schedule li").first).to_contain_text("17:30")
    schedule.get_by_label("Time zone").fill("America/New_York")
    expect(schedule.locator("#fires-schedule li").first).to_contain_text(re.compile("E[SD]T"))
    page.get_by_role("button", name="Manual", exact=True).press("Enter")
    manual = page.locator("#trigger-manual")
    manual.get_by_role("button", name="Add to Inputs").press("Enter")
    manual.get_by_label("Name").last.fill("reason")
    manual.get_by_label("Label").last.fill("Reason")
    row = {"name": "reason", "label": "Reason"}
    wait_for(lambda: config(made, "manual").get("inputs") == [row])
    expect(page.locator("#saved")).to_have_text("Saved")
    shot(page, "trigger-schedule")
    assert faults(page) == []
