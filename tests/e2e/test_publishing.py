"""From an edit in the builder to a version that is live, and back to the one before, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import Workflow
from tests.support.axe import show_theme
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)


def test_edit_review_publish_and_go_back(workflow, deliver, signed_in, site, faults, shot):
    made = workflow(TRIAGE)
    deliver({"title": "bug", "labels": []})
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=look")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_role("textbox", name="Name", exact=True).fill("Look well")
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#card-look")).to_contain_text("Look well")
    page.get_by_role("link", name="Review and publish").click()
    expect(page.get_by_role("heading", name="Publish version 2 of Triage")).to_be_visible()
    expect(page.get_by_role("region", name="Changes")).to_contain_text("Look well changed: name by owner")
    expect(page.get_by_role("region", name="Preview with recent events")).to_contain_text("1 of 1 recent event")
    page.get_by_text("Side by side").click()
    expect(page.get_by_role("region", name="v1 and Draft side by side")).to_contain_text("name: Look well")
    for theme in ("light", "dark"):
        show_theme(page, theme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            shot(page, f"review-{theme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("textbox", name="Message").fill("Looks better")
    page.get_by_role("button", name="Publish v2").click()
    expect(page.get_by_text("Version 2 is live.")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.get_by_text("Looks better")).to_be_visible()
    shot(page, "versions")
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    shot(page, "versions-390")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Publish v1 again").click()
    shot(page, "compare")
    page.get_by_role("button", name="Publish v1 again").click()
    expect(page.get_by_text("Version 3 is live.")).to_be_visible()
    assert Workflow.objects.get().published.message == "Published v1 again"
    assert faults(page) == []
