"""The workflow list in a browser: choosing rows, the bar, the dialogs, Undo, filters that keep the address."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import Trigger, Workflow
from tests.support.axe import show_theme
from tests.support.runs import published_workflows, timed_runs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.extended
def test_many_are_chosen_and_managed(signed_in, site, owner, faults, shot):
    alpha, beta, gamma = published_workflows(owner, "Alpha", "Beta", "Gamma")
    Workflow.objects.filter(pk=alpha.pk).update(tags=["billing", "eu", "night"], description="Counts what came in")
    published_workflows(owner, "Draft", status="draft")
    Trigger.objects.create(workflow=gamma, key="t", kind="schedule", config={"cron": "0 8 * * *"})
    timed_runs(alpha, *[1] * 12, 95)
    timed_runs(alpha, 3, status="failed")
    timed_runs(beta, *[1] * 20)
    page = signed_in
    page.goto(f"{site}/admin/automate_core/workflow/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    bar, said = page.get_by_role("toolbar", name="Selected workflows"), page.locator("#said")
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="Select Alpha").focus()
    page.keyboard.press("Space")
    page.get_by_role("checkbox", name="Select Draft").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    for theme in ("light", "dark"):
        show_theme(page, theme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            shot(page, f"list-chosen-{theme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.set_viewport_size({"width": 1440, "height": 900})
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(bar).to_contain_text("4 selected")
    page.get_by_role("checkbox", name="Select Beta").uncheck()
    page.get_by_role("checkbox", name="Select Draft").uncheck()
    bar.get_by_role("button", name="Pause").click()
    expect(said).to_contain_text("Paused 2 workflows.")
    expect(said.get_by_role("button", name="Undo")).to_be_focused()
    shot(page, "list-undo")
    assert Workflow.objects.filter(status="paused").count() == 2
    page.keyboard.press("Enter")
    expect(said).to_contain_text("Resumed 2 workflows.")
    page.get_by_role("checkbox", name="Select Alpha").check()
    bar.get_by_role("button", name="Archive").click()
    dialog = page.get_by_role("dialog", name="Archive selected workflows (1)")
    shot(page, "list-archive")
    dialog.get_by_role("button", name="Cancel").click()
    assert not Workflow.objects.filter(status="archived").exists()
    bar.get_by_role("button", name="Archive").click()
    dialog.get_by_role("button", name="Archive").click()
    expect(said).to_contain_text("Archived Alpha.")
    expect(page.get_by_role("link", name="Alpha")).to_have_count(0)
    page.get_by_label("Trigger", exact=True).select_option("Schedule")
    expect(page.get_by_role("link", name="Beta")).to_have_count(0)
    expect(page.get_by_role("link", name="Gamma")).to_be_visible()
    assert page.url.endswith("?trigger=schedule")
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="Archived").click()
    page.get_by_role("checkbox", name="Select Alpha").check()
    bar.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("No workflows match these filters")).to_be_visible()
    assert Workflow.objects.get(pk=alpha.pk).status == "paused" and beta.status == "active"
    with page.expect_event("load"):  # the page is asked for anew, which the browser's own way back would not wait for
        page.evaluate("history.back()")
    expect(page.get_by_role("navigation", name="Filter")).to_be_visible()
    assert faults(page) == []
