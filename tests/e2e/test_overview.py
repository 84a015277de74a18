"""The overview in a browser: periods and the table, renewal, and failures that are run again, muted and taken back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from automate_core.models import ExecutionRun, StepRun, WorkflowVersion
from tests.support.audit import without_append_only
from tests.support.axe import show_theme, violations
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.extended
def test_looking_and_acting(signed_in, site, owner, faults, shot):
    flow, other = published_workflows(owner, "Vendor", "Leads")
    ended_runs(flow, 12)
    ended_runs(flow, 3, status="failed", message="HTTP 401 from erp.example.com", code="http_401")
    ended_runs(other, status="failed", message="Rate limited", code="http_429")
    ended_runs(flow, 4, hours_ago=30)
    page = signed_in
    page.goto(f"{site}/admin/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    runs = page.get_by_role("link", name=re.compile("^Ended runs "))
    expect(runs).to_contain_text("16")
    expect(page.get_by_role("img", name=re.compile("^Runs per hour: 12 succeeded, 4 failed"))).to_be_visible()

    ended_runs(other, 2)  # comes into the page by itself, at once when it is looked at again
    page.evaluate("htmx.trigger('#live', 'da:refresh')")
    expect(runs).to_contain_text("18")
    expect(page.locator("#updated")).to_have_text(re.compile("^Live, updated \\d s ago$"))

    page.get_by_role("navigation", name="Period").get_by_role("link", name="7 d").press("Enter")
    page.get_by_role("navigation", name="View").get_by_role("link", name="Table").press("Enter")
    expect(page.get_by_role("region", name="Runs per 6 hours, table")).to_be_visible()
    expect(runs).to_contain_text("22")
    assert page.url.endswith("?period=7d&view=table")
    assert violations(page) == []

    attention = page.get_by_role("region", name="Needs attention")
    more = attention.get_by_role("button", name="More for Leads")
    more.press("Enter")
    shot(page, "overview-menu")
    attention.get_by_role("menuitem", name="Mute").press("Enter")
    expect(attention.get_by_text("Leads").first).to_be_hidden()
    page.locator("#said").get_by_role("button", name="Undo").press("Enter")
    expect(attention.get_by_role("button", name="More for Leads")).to_be_visible()

    retry = attention.get_by_role("button", name="Re-run all of Vendor")
    retry.press("Enter")
    dialog = page.get_by_role("dialog", name="Re-run 3 runs of Vendor")
    expect(dialog).to_be_visible()
    assert violations(page) == [], "axe finds nothing in the dialog"
    shot(page, "overview-retry")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(retry).to_be_focused()
    retry.press("Enter")
    dialog.get_by_role("button", name="Re-run 3").press("Enter")
    expect(page.get_by_text("Re-ran 3 runs.")).to_be_visible()
    assert ExecutionRun.objects.filter(cause="retry").count() == 3
    for theme in ("light", "dark"):
        show_theme(page, theme)
        scheme = page.evaluate("getComputedStyle(document.querySelector('.da-root')).colorScheme")
        assert scheme == theme
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            shot(page, f"overview-{theme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert faults(page) == []


@pytest.mark.extended
def test_the_number_of_a_rerun_follows_its_boxes(signed_in, site, owner, faults, shot):
    flow, _ = published_workflows(owner, "Vendor", "Leads")
    order = {"method": "POST", "url": "https://shop.example/orders"}
    send = {"kind": "action", "key": "send", "name": "Send", "action": "http.request", "inputs": order}
    with without_append_only():
        WorkflowVersion.objects.filter(workflow=flow).update(
            definition={"name": "Vendor", "slug": "vendor", "steps": [send]}
        )
    ended_runs(flow, 3, status="failed", message="No answer in time", code="timeout")
    for run in ExecutionRun.objects.all():
        StepRun.objects.create(
            run=run, path="send", status="failed", input=order, error={"code": "timeout"}, started_at=run.started_at
        )
    page = signed_in
    page.goto(f"{site}/admin/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_role("button", name="Re-run all of Vendor").press("Enter")
    dialog = page.locator("#retry")
    expect(dialog.get_by_role("heading")).to_have_text("Nothing to re-run: the outcome of all 3 runs is unknown")
    expect(dialog.get_by_role("button", name="Re-run")).to_be_disabled()
    box = dialog.get_by_role("checkbox")
    box.check()
    expect(dialog.get_by_role("heading")).to_have_text("Re-run 3 runs of Vendor")
    shot(page, "overview-retry-unknown")
    expect(dialog.get_by_role("button", name="Re-run 3 runs")).to_be_enabled()
    box.uncheck()
    expect(dialog.get_by_role("button", name="Re-run", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    assert faults(page) == []
