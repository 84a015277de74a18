"""Tests of drafts in a browser: started by key, watched until they end, confirmed where they really do something."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.models import ExecutionRun, StepSample, Wait
from tests.support.pages import HOSTILE
from tests.support.processes import wait_for
from tests.support.workflows import ASKS_THE_OWNER

pytestmark = pytest.mark.django_db(transaction=True)

MAILING = """
name: Mailing
slug: mailing
triggers: [{endpoint: github, event: issues}]
steps:
  - {key: look, name: Look at it, action: data.set, inputs: {title: '{{ event.payload.title }}'}}
  - key: tell
    name: Tell somebody
    action: email.send
    inputs: {to: a@example.com, subject: 'About {{ steps.look.output.title }}', text: Hello}
"""


@pytest.mark.extended
def test_a_step_then_up_to_it_then_the_whole(workflow, signed_in, site, faults, shot, owner):
    made = workflows.save_definition(yaml_files.read_workflow(MAILING), owner=owner)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=tell")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    result = page.locator("#test-result")
    expect(result).to_contain_text("Not tested yet")
    page.get_by_text("Test data").click()
    page.get_by_label("Custom payload (JSON)").fill('{"title": "' + HOSTILE.replace('"', '\\"') + '"}')
    page.get_by_label("Test scope").select_option("Up to this step")
    page.locator("#inspector-name").focus()
    page.keyboard.press("Control+Enter")
    expect(result).to_contain_text("Not called in a dry run")
    expect(result).to_contain_text("Would call Email")
    expect(page.locator("#card-tell .da-badge")).to_contain_text("Not called in a dry run")
    said = page.locator("#card-look .da-badge").inner_text()
    expect(page.locator("#card-look")).to_have_accessible_name(f"Look at it, 1 · Data: Set values, {said}")
    assert page.evaluate("window.hacked") is None and ExecutionRun.objects.count() == 1
    shot(page, "builder-test-dry")

    result.get_by_role("button", name="Real run").click()
    expect(page.get_by_role("alertdialog", name="Start a real run?")).to_contain_text(
        "Tell somebody (Email: Send email)"
    )
    shot(page, "builder-test-confirm")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert ExecutionRun.objects.count() == 1, "nothing is run before it is confirmed"

    result.get_by_text("Mock", exact=True).click()
    page.get_by_label("Output to use instead of running the step (JSON)").fill('{"to": ["mock"]}')
    page.get_by_role("button", name="Use as mock").click()
    expect(page.locator("#card-tell .da-badge")).to_have_text("Mocked")
    assert StepSample.objects.get().output == {"to": ["mock"]}
    page.locator("#card-look").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#inspector-name")).to_have_text("Test run")
    expect(result).to_contain_text("Test passed")
    expect(result.get_by_role("link", name="Tell somebody")).to_be_visible()
    shot(page, "builder-test-whole")
    result.get_by_role("link", name="Tell somebody").click()
    expect(page.locator("#inspector-name")).to_have_text("Tell somebody")
    expect(result).to_contain_text("Mocked")
    wait_for(lambda: set(ExecutionRun.objects.values_list("cause", flat=True)) == {"test"})

    page.locator("#card-look").click()
    expect(page.get_by_label("Search in Output")).to_be_visible()
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    expect(page.locator("#card-look")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator("#card-look")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(page.locator("#card-look")).to_be_visible()
    assert not faults(page)


@pytest.mark.extended
def test_the_outcome_of_an_approval_is_chosen_for_a_test(workflow, signed_in, site, faults, shot, owner):
    made = workflows.save_definition(yaml_files.read_workflow(ASKS_THE_OWNER), owner=owner)
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~test")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    result = page.locator("#test-result")
    result.get_by_text("Approvals").click()
    outcome, amount = page.get_by_label("Outcome"), page.get_by_label("Amount")
    outcome.select_option("Deadline passes")
    outcome.select_option("rejected")
    amount.fill("250")
    shot(page, "builder-test-approval")
    page.locator("#test-start").click()
    expect(result).to_contain_text("Test passed")
    expect(result.get_by_role("link", name="Refuse")).to_be_visible()
    expect(outcome).to_have_value("rejected")
    expect(amount).to_have_value("250")
    shot(page, "builder-test-approval-decided")
    page.get_by_title("Performs every step after you confirm.").click()
    page.locator("#test-start").click()
    confirm = page.get_by_role("alertdialog", name="Start a real run?")
    expect(confirm).to_contain_text("Refund the order: Rejected, without asking the approvers.")
    confirm.get_by_role("button", name="Start real run").click()
    expect(confirm).to_have_count(0)
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 2)
    assert not Wait.objects.exists()
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=~workflow")
    budget = page.get_by_role("region", name="Model budget")
    expect(budget).to_contain_text("Only administrators can change budgets.")
    budget.scroll_into_view_if_needed()
    shot(page, "builder-settings-budget")
    assert not faults(page)
