"""The reference of the API in a browser: find an operation, send it with a token, read the answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.axe import violations, without_motion
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

GREET = "{name: Greet, slug: greet, triggers: [{kind: manual}], steps: [{kind: stop, key: done}]}"


@pytest.mark.extended
def test_an_operation_is_found_and_sent(signed_in, site, workflow, api, owner, faults, shot):
    made = workflow(GREET)
    plain = api(owner, "workflow:view", "workflow:run").plain
    page = signed_in
    page.goto(f"{site}/admin/automate/api-reference/")
    page.get_by_label("Find operations").fill("post workflows runs")
    expect(page.locator("#list_workflows")).to_be_hidden()
    start = page.locator("#start_run")
    start.locator("summary").click()
    start.get_by_label("slug").fill("greet")
    start.get_by_role("button", name="Show curl command").click()
    expect(start.get_by_role("status")).to_contain_text("workflows/greet/runs")
    expect(start.get_by_role("status")).not_to_contain_text("dat_")
    start.get_by_label("Body (JSON)").fill("{}")
    start.get_by_role("button", name="Send request").click()
    expect(start.get_by_role("status")).to_contain_text("401")
    page.get_by_label("Token for requests of this page").fill(plain)
    start.get_by_role("button", name="Send request").click()
    expect(start.get_by_role("status")).to_contain_text('"status": "queued"')
    wait_for(lambda: made.runs.count() == 1)
    without_motion(page)
    assert violations(page) == []
    shot(page, "api-reference")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    shot(page, "api-reference-phone")
    assert [each for each in faults(page) if "401" not in each] == []
