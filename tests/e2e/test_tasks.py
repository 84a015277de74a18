"""A task on a phone, by somebody who is not of the staff, and a notification rule, both with the keyboard alone."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import expect

from automate_core.models import ExecutionRun, NotificationRule, Wait
from tests.support.axe import violations
from tests.support.keyboard import press, write
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

CLAIM = """
name: Expenses
slug: expenses
triggers: [{endpoint: github}]
steps:
  - kind: approval
    key: ask
    name: Pay the claim
    assignees: [mira]
    message: '{{ event.payload.employee }} claims {{ event.payload.amount }}'
    context: {Amount: '{{ event.payload.amount }}', Note: '{{ event.payload.note }}'}
    timeout: 4h
    form: [{name: reason, label: Reason, required: true}]
"""
WIDER = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.extended
def test_deciding_on_a_phone_and_saying_who_is_told(workflow, deliver, browser, signed_in, site, faults, shot):
    get_user_model().objects.create_user("mira", "mira@example.com", "password-of-tests")
    flow = workflow(CLAIM)
    for number in range(2):
        deliver({"employee": "dana", "amount": f"{number}850 EUR", "note": "Train, " + "long" * 40})
    wait_for(lambda: Wait.objects.filter(kind="approval", status="open").count() == 2)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    phone = context.new_page()
    console_errors = []
    phone.on("console", lambda said: console_errors.append(said.text) if said.type == "error" else None)
    wait = Wait.objects.earliest("pk")
    phone.goto(f"{site}/admin/automate/approvals/{wait.pk}/")
    write(phone, phone.get_by_label("Username"), "mira")
    write(phone, phone.get_by_label("Password"), "password-of-tests")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("heading", name="dana claims")).to_be_visible()

    def look(page):
        page.evaluate("document.fonts.ready.then(() => null)")
        assert violations(page) == [] and not page.evaluate(WIDER)

    look(phone)
    approve = phone.get_by_role("button", name="Approve")
    box = approve.bounding_box()
    assert box["height"] >= 44 and box["y"] + box["height"] <= 844, "the sheet with the outcomes is in view"
    shot(phone, "task-phone")
    reason = phone.get_by_label("Reason")
    write(phone, reason, "fine")
    phone.keyboard.press("Enter")
    expect(reason).to_be_focused()
    assert Wait.objects.filter(status="open").count() == 2, "Enter in a field decides nothing"
    press(phone, approve)
    expect(phone.get_by_role("status").filter(has_text="Decision saved.")).to_be_visible()
    look(phone)
    expect(phone.get_by_role("link", name="dana claims")).to_have_count(1)
    press(phone, phone.get_by_role("link", name="dana claims"))
    press(phone, phone.get_by_role("button", name="Reject"))  # which takes no reason
    expect(phone.get_by_role("status").filter(has_text="Decision saved.")).to_be_visible()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 2)
    press(phone, phone.get_by_role("link", name="Decided by me"))
    expect(phone.get_by_role("link", name="dana claims")).to_have_count(2)
    press(phone, phone.get_by_role("button", name="Sign out"))
    expect(phone.get_by_label("Username")).to_be_visible()
    assert console_errors == []
    context.close()

    page = signed_in
    page.goto(f"{site}/admin/automate_core/workflow/{flow.pk}/change/")
    press(
        page,
        page.get_by_role("main")
        .get_by_role("link", name="Notifications")
        .or_(page.locator(".da-page-head a", has_text="Notifications"))
        .first,
    )
    press(page, page.get_by_role("link", name="New rule").first)
    span = page.get_by_label("Time limit")
    expect(span).to_be_hidden()
    page.get_by_label("Notify when").select_option("waiting")  # letters may come too slowly to be taken together
    expect(span).to_be_visible()
    expect(page.get_by_label("Number of failures")).to_be_hidden()
    write(page, span, "soon")
    write(page, page.get_by_label("Email addresses"), "ops@example.com")
    press(page, page.get_by_role("button", name="Save rule"))
    expect(page.get_by_text("Enter a time such as 15m, 2h or 3d.")).to_be_visible()
    expect(page.get_by_label("Email addresses")).to_have_value("ops@example.com")
    look(page)
    write(page, span, "2h")
    press(page, page.get_by_role("button", name="Save rule"))
    expect(page.get_by_role("link", name="A run waits for people for more than 2 h")).to_be_visible()
    look(page)
    shot(page, "notifications")
    press(page, page.get_by_role("button", name="Send test").first)
    expect(
        page.get_by_role("alert").filter(has_text="The test to ops@example.com was not sent. This site cannot")
    ).to_be_visible()
    assert NotificationRule.objects.get(workflow=flow).span.total_seconds() == 7_200
    assert faults(page) == [each for each in faults(page) if "422" in each], "but for the form that was refused"
