"""The run list in a browser: chips, the histogram, choosing and re-running, saved views, by pointer and by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from automate_core.models import ExecutionRun, StepRun, WorkflowVersion
from automate_operations import bulk
from tests.support.audit import without_append_only
from tests.support.axe import violations
from tests.support.runs import ended_runs, published_workflows, run_of_age
from tests.support.workflows import SEARCHED_ORDERS

pytestmark = pytest.mark.django_db(transaction=True)

SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.extended
def test_filters_the_histogram_and_many_at_once(workflow, signed_in, site, faults, shot):
    found = workflow(SEARCHED_ORDERS)
    error = {"step": "check", "message": "The other side <b>answered</b> 503"}
    for n in range(40):
        run_of_age(found, 3_000 + 60 * n, n, status="failed" if n % 2 else "succeeded", error=error if n % 2 else None)
    late = run_of_age(found, 60, status="waiting", finished_at=None)
    page = signed_in
    page.goto(f"{site}/admin/automate_core/executionrun/")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(25)

    page.locator("[popovertarget=filter-status]").focus()  # by keyboard: open, choose, apply
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name="Failed").focus()
    shot(page, "runs-filter")
    page.keyboard.press("Escape")
    expect(page.locator("[popovertarget=filter-status]")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name="Failed").press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Remove filter Status is Failed")).to_be_visible()
    expect(rows).to_have_count(20)
    assert page.url.endswith("?status=failed")
    expect(rows.first.get_by_role("cell", name="Check The other side <b>answered</b> 503", exact=True)).to_be_visible()

    brush = page.locator("[data-brush]")  # the histogram by keyboard, then by pointer
    brush.focus()
    page.keyboard.press("End")
    page.keyboard.press("Shift+Home")
    said = page.locator("[data-brush-said]")
    expect(said).to_contain_text("bars selected")
    page.keyboard.press("Escape")
    expect(said).to_have_text("Selection cleared")
    middle = page.locator("g:has(rect.bar)").first.bounding_box()
    last = page.locator("g:has(rect.bar)").last.bounding_box()
    page.mouse.move(middle["x"] + 3, middle["y"] + 20)
    page.mouse.down()
    page.mouse.move(last["x"] + 3, last["y"] + 20, steps=4)
    shot(page, "runs-brushing")
    page.mouse.up()
    expect(page.get_by_role("link", name="Remove filter Started")).to_be_visible()
    assert "from=" in page.url and "to=" in page.url
    expect(rows).to_have_count(20)

    page.locator("[popovertarget=view-save]").click()  # a view, deleted and had back
    page.get_by_label("Name of the view").fill("Failed then")
    page.locator("#view-save").get_by_role("button", name="Save view").click()
    view = page.get_by_role("link", name="Failed then")
    expect(view).to_have_attribute("aria-current", "page")
    page.locator("[popovertarget=view-change]").click()
    page.get_by_role("button", name="Delete").click()
    expect(view).to_have_count(0)
    page.locator("#said").get_by_role("button", name="Undo").click()
    expect(view).to_be_visible()

    bar = page.get_by_role("toolbar", name="Selected runs")
    boxes = page.locator("input[name=id]")
    boxes.nth(0).press("Space")
    boxes.nth(2).click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    with page.expect_response(lambda response: "executionrun" in response.url):
        pass  # the list tells of itself anew, and keeps what is chosen
    expect(bar).to_contain_text("3 selected")
    expect(page.locator("tbody tr.current")).to_have_count(3)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.className = theme }", theme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            shot(page, f"runs-chosen-{theme}-{width}")
            assert page.evaluate(SIDEWAYS) <= 0
    page.set_viewport_size({"width": 1440, "height": 900})
    bar.get_by_label("All matching runs").check()
    bar.get_by_role("button", name="Re-run from failed step").click()
    dialog = page.get_by_role("dialog", name="Re-run 20 runs from the failed step")
    shot(page, "runs-dialog")
    dialog.get_by_label("Latest published version").check()
    dialog.get_by_role("button", name="Re-run 20 runs").click()
    expect(page.get_by_text("Re-running 0 of 20 runs.")).to_be_visible()
    assert violations(page) == []
    while bulk.run_next_batch() is not None:
        pass
    expect(page.get_by_text("Re-ran 20 of 20 runs.")).to_be_visible()
    shot(page, "runs-done")
    page.get_by_role("link", name="Show new runs").click()
    expect(page.get_by_role("link", name="Remove filter Created by a bulk action")).to_be_visible()
    expect(rows).to_have_count(20)
    assert ExecutionRun.objects.filter(cause="retry").count() == 20

    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("link", name="Clear")).to_have_count(0)
    page.get_by_role("button", name="Actions for run").nth(1).click()  # one run, by its own menu
    shot(page, "runs-menu")
    expect(page.get_by_role("menuitem").and_(page.locator(":focus"))).to_have_count(1)  # entered at its first item
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Copy trace ID")).to_be_focused()
    page.keyboard.press("Escape")
    more = page.get_by_role("button", name="Actions for run").nth(1)
    expect(more).to_be_focused()
    more.press("Enter")
    page.get_by_role("menuitem", name="Re-run from start").click()
    one = page.get_by_role("dialog", name="Re-run 1 run from the start")
    one.get_by_role("button", name="Cancel").click()
    expect(one).to_have_count(0)
    expect(more).to_be_focused()
    page.locator("[popovertarget=export]").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON Lines").click()
    lines = saved.value.path().read_text().splitlines()
    assert len(lines) == 61 and str(late.pk) in "".join(lines)
    histogram = page.locator("#histogram")  # counts again when a bulk action has ended
    expect(histogram).to_contain_text("Waiting 1")
    page.locator(f"input[name=id][value='{late.pk}']").check()
    bar.get_by_role("button", name="Cancel runs").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel 1 run").click()
    expect(page.get_by_text("Cancelling 0 of 1 run.")).to_be_visible()
    while bulk.run_next_batch() is not None:
        pass
    expect(histogram).to_contain_text("Cancelled 1")
    expect(histogram).not_to_contain_text("Waiting 1")
    assert faults(page) == []


@pytest.mark.parametrize("is_filtered", [True, False])
def test_the_numbers_of_a_bulk_rerun_follow_its_boxes(is_filtered, signed_in, site, owner, faults, shot):
    flow, _ = published_workflows(owner, "Vendor", "Leads")
    order = {"method": "POST", "url": "https://shop.example/orders"}
    send = {"kind": "action", "key": "send", "name": "Send", "action": "http.request", "inputs": order}
    with without_append_only():
        definition = {"name": "Vendor", "slug": "vendor", "steps": [send]}
        WorkflowVersion.objects.filter(workflow=flow).update(definition=definition)
    ended_runs(flow, 5, status="failed", message="No answer in time", code="timeout")
    for number, run in enumerate(ExecutionRun.objects.all()):
        code = "timeout" if number < 3 else "http_422"
        StepRun.objects.create(
            run=run, path="send", status="failed", input=order, error={"code": code}, started_at=run.started_at
        )
    page = signed_in
    page.goto(f"{site}/admin/automate_core/executionrun/?show=attention")
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    page.get_by_label("Select all on this page").check()
    bar = page.get_by_role("toolbar", name="Selected runs")
    bar.get_by_label("All matching runs").set_checked(is_filtered)
    bar.get_by_role("button", name="Re-run from failed step").click()
    dialog = page.locator("#bulk-ask")
    box, title = dialog.get_by_role("checkbox"), dialog.get_by_role("heading")
    expect(title).to_have_text("Re-run 2 runs from the failed step")
    held: list[Route] = []
    page.route("**/runs/bulk/**", lambda route: held.append(route))
    box.check()
    expect(dialog.get_by_role("button", name="Re-run 2 runs")).to_be_disabled()  # until it says what it will do
    held[0].continue_()
    page.unroute("**/runs/bulk/**")
    expect(title).to_have_text("Re-run 5 runs from the failed step", timeout=15000)
    expect(dialog.get_by_role("button", name="Re-run 5 runs")).to_be_enabled()
    expect(dialog.locator("#bulk-counts")).to_contain_text(
        "5 runs match the filters." if is_filtered else "5 runs selected."
    )
    expect(dialog.locator("#bulk-counts")).not_to_contain_text("will be re-run")
    shot(page, "runs-unknown")
    box.uncheck()
    expect(title).to_have_text("Re-run 2 runs from the failed step", timeout=15000)
    dialog.get_by_role("button", name="Re-run 2 runs").click()
    expect(page.get_by_text("Re-running 0 of 2 runs.")).to_be_visible()
    assert faults(page) == []


def test_the_reason_of_a_failure_is_readable_in_full(workflow, signed_in, site):
    said = "The service api.warehouse.example answered 422: SKU 'A-10008' is not known in the catalogue of the shop"
    run_of_age(workflow(SEARCHED_ORDERS), 60, status="failed", error={"step": "check", "message": said})
    page = signed_in
    page.goto(f"{site}/admin/automate_core/executionrun/")
    for width, place in ((1440, ".da-reason"), (1100, ".da-reason"), (390, ".da-phone-reason")):
        page.set_viewport_size({"width": width, "height": 900})
        reason = page.locator(f"tbody {place}")
        expect(reason).to_contain_text(said)
        assert reason.evaluate("e => [e.scrollHeight - e.clientHeight, e.scrollWidth - e.clientWidth]") == [0, 0], width
