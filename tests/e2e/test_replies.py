"""A caller is answered by a workflow that was built in a browser: from the palette to the reply on the run's page."""

from __future__ import annotations

import subprocess

import pytest
from playwright.sync_api import expect

from automate_authoring import workflows
from automate_core.models import ExecutionRun, WebhookEndpoint
from tests.support.axe import violations
from tests.support.processes import wait_for
from tests.support.workflows import WITHOUT_TRIGGERS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.extended
def test_a_sender_gets_the_reply_that_was_built(workflow, signed_in, site, faults, shot, owner):
    page, made = signed_in, workflow(WITHOUT_TRIGGERS, publish=False)
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~trigger")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_role("button", name="Webhook", exact=True).click()
    form = page.locator("[data-create-endpoint]")
    form.get_by_label("Sender").select_option(label="HMAC")
    form.get_by_label("Wait for reply (seconds)").fill("20")
    form.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_text("Waits up to 20 seconds for a reply")).to_be_visible()
    assert WebhookEndpoint.objects.get(slug="new-orders").reply_seconds == 20
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy command").click()
    command = page.evaluate("navigator.clipboard.readText()")
    page.locator("button[data-insert='parent=&slot=&index=0']").click()
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("reply to caller")
    page.keyboard.press("Enter")
    status = page.get_by_role("textbox", name="Status")
    expect(status).to_be_visible()
    status.fill("20")
    problem = page.get_by_text("The status must be a number from 200 to 599")
    expect(problem.first).to_be_visible()
    status.fill("201")
    expect(problem).to_have_count(0)
    expect(page.locator("#saved")).to_have_text("Saved")
    shot(page, "reply-panel")
    assert violations(page) == []
    made.refresh_from_db()
    workflows.publish(made, author=owner)
    answered = subprocess.run(["bash", "-c", f"{command} -sSi"], check=True, capture_output=True, timeout=60, text=True)
    head, _, body = answered.stdout.partition("\n\n")
    assert head.split()[1] == "201" and body == '{"status":"ok"}', answered.stdout
    assert "content-security-policy: sandbox" in head and "x-content-type-options: nosniff" in head
    run = wait_for(lambda: ExecutionRun.objects.filter(workflow=made).first())
    page.goto(f"{site}/admin/automate_core/executionrun/{run.pk}/change/?step=reply")
    expect(page.get_by_text("This is the reply to the caller.")).to_be_visible()
    shot(page, "reply-run")
    assert violations(page) == []
    assert faults(page) == []
