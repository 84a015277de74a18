"""An auditor gets each of their questions answered on one screen, by links from the lists."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Wait
from automate_core.runs.waits import approvals
from automate_governance.models import StoredSecret
from tests.support.axe import violations
from tests.support.browser import watch
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS = """
name: Payments
slug: payments
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ask
    name: Pay the claim
    assignees: [colleague]
    timeout: 4h
    form: [{name: amount, label: Amount, required: true}]
  - {key: pay, action: http.request, connection: bank, inputs: {method: GET, url: /}}
"""


@pytest.fixture
def paid(workflow, deliver, drain, owner, colleague, sign_in):
    """A run that the colleague approved with 1850, whose payload the owner saw, and which used the owner's secret."""
    secret = StoredSecret(name="bank-token", owner=owner)
    secret.put("a-token-that-stays-secret")
    secret.save()
    config = {"base_url": "http://192.0.2.1", "auth": "bearer", "token": secret.reference}
    Connection.objects.create(name="Bank", slug="bank", connector="http", owner=owner, config=config)
    workflow(PAYMENTS)
    deliver({"claim": "train"})
    drain()
    approvals.decide_approval(
        Wait.objects.get(kind="approval"), by=colleague, outcome="approved", form={"amount": "1850"}
    )
    drain()
    run = ExecutionRun.objects.get()
    sign_in(owner).get(reverse("admin:automate_core_executionrun_change", args=[run.pk]) + "?step=~trigger")
    return run


@pytest.mark.extended
def test_six_questions_of_an_auditor(paid, stranger, page, site, faults, shot):
    stranger.groups.set(Group.objects.filter(name="Auditors"))
    watch(page)
    page.goto(f"{site}/admin/")
    page.get_by_label("Username").fill("stranger")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site}/admin/")

    def lines(*texts):
        """Each text stands in one line with the others."""
        line = page.locator(".da-trail tbody tr")
        for text in texts:
            line = line.filter(has_text=text)
        expect(line.first).to_be_visible()

    page.goto(f"{site}{reverse('admin:automate_core_workflow_changelist')}")
    page.get_by_role("link", name="Payments").first.click()
    page.get_by_role("link", name="Audit history", exact=True).click()
    lines("owner", "workflow.created")
    lines("owner", "workflow.published")
    shot(page, "history-of-a-workflow")

    page.goto(f"{site}{reverse('admin:automate_core_executionrun_change', args=[paid.pk])}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="View history").click()
    lines("colleague", "approval.decided", "Approve", "1850")
    lines("owner", "run.payload_viewed")

    page.goto(f"{site}{reverse('admin:automate_governance_storedsecret_changelist')}")
    page.get_by_role("link", name="bank-token").first.click()
    page.get_by_role("link", name="Audit history", exact=True).click()
    lines("owner", "secret.used", "Bank", "payments")

    page.goto(f"{site}{reverse('admin:automate_governance_auditentry_changelist')}")
    expect(page.locator("#integrity")).to_contain_text("has not been verified yet")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#integrity")).to_contain_text("No tampering found")
    page.get_by_label("Actor").fill("colleague")
    page.get_by_label("Actor").press("Enter")
    lines("colleague", "approval.decided", "1850")
    expect(page.locator(".da-trail tbody tr").filter(has_text="workflow.published")).to_have_count(0)
    shot(page, "audit-trail")
    page.set_viewport_size({"width": 390, "height": 900})
    changes = page.locator(".da-trail tbody tr").filter(has_text="1850").locator(".column-changes")
    # the list may still be on its way into the page; a narrow window gives the values its width
    wait_for(lambda: (changes.bounding_box() or {"width": 0})["width"] > 300)
    shot(page, "audit-trail-390")
    assert violations(page) == [] and faults(page) == []
