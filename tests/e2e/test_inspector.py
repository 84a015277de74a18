"""A run's panel and dialogs by the keyboard alone: looked through, copied from, skipped, decided, run again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import ExecutionRun, Wait
from tests.support.axe import violations
from tests.support.keyboard import arrow_to
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

BIG = 9_007_199_254_740_993
STEPS = """
name: Orders
slug: orders
triggers: [{{endpoint: github}}]
steps:
  - {{key: order, name: Order, action: data.set, inputs: {{id: '{{{{ event.payload.id }}}}', rows: '{{{{ range(60) | list }}}}', customer: {{name: Anna, e-mail: a@example.com}}}}}}
  - {{key: charge, name: Charge, action: http.request, inputs: {{method: POST, url: '{url}/x'}}, retry: {{attempts: 3, base: 900}}}}
  - {{kind: approval, key: ask, name: Ask, assignees: [owner], timeout: 4h, form: [{{name: note, label: Note, required: true}}], outcomes: [{{key: approved, name: Approve}}, {{key: rejected, name: Reject}}]}}
"""
ROWS = """
name: Rows
slug: rows
triggers: [{endpoint: github}]
steps:
  - {key: read, name: Read, action: data.set, inputs: {rows: no list}}
  - {key: filter, name: Filter, action: data.filter, inputs: {items: '{{ steps.read.output.rows }}', where: {"==": [{var: item}, 1]}}}
"""


def test_the_dialog_of_the_button_starts_at_the_changed_step(workflow, deliver, signed_in, site):
    workflow(ROWS)
    deliver({"id": 1})
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").exists())
    run, page = ExecutionRun.objects.get(), signed_in
    workflow(ROWS.replace("no list", "[1]"))
    page.goto(f"{site}/admin/automate_core/executionrun/{run.pk}/change/")
    page.get_by_role("button", name="Re-run", exact=True).click()
    dialog = page.locator("#rerun")
    expect(dialog.get_by_role("radio", name="Another step")).to_be_checked()
    expect(dialog.get_by_role("combobox", name="Step to start from")).to_have_value("read")
    dialog.get_by_role("button", name="Re-run").click()
    wait_for(lambda: ExecutionRun.objects.filter(retried_from=run, status="succeeded").exists())


@pytest.mark.extended
def test_a_run_is_looked_through_and_run_again_by_keys(workflow, sink, deliver, signed_in, site, faults, shot):
    sink.answer = lambda number, path: (503, {"error": "busy"}, {"X-Request-Id": "req_1"})
    workflow(STEPS.format(url=sink.url))
    deliver({"id": BIG})
    wait_for(lambda: Wait.objects.filter(path="charge", status="open").exists())
    run, page = ExecutionRun.objects.get(), signed_in
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/admin/automate_core/executionrun/{run.pk}/change/?step=order")
    keys, focused = page.keyboard, page.locator(":focus")

    def clipboard():
        return page.evaluate("navigator.clipboard.readText()")

    tree = page.locator("#jt-output")
    expect(tree.get_by_role("treeitem", name="id").first).to_contain_text(str(BIG))
    tree.get_by_role("treeitem").first.focus()
    arrow_to(page, tree.get_by_role("treeitem").filter(has_text='"customer"').first)
    keys.press("ArrowRight")
    if '"e-mail"' not in focused.inner_text():
        keys.press("ArrowDown")
    expect(focused).to_contain_text('"e-mail": "a@example.com"')
    page.locator("#tab-output").get_by_role("button", name="Copy expression").press("Enter")
    wait_for(lambda: clipboard() == '{{ steps.order.output.customer["e-mail"] }}')
    focused_row = tree.locator("[role=treeitem].current")
    focused_row.focus()
    keys.press("Control+c")
    wait_for(lambda: clipboard() == "a@example.com")
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    expect(focused).to_have_attribute("aria-expanded", "false")
    page.locator("#tab-output").get_by_role("searchbox").focus()
    keys.type("ANNA")
    expect(tree).to_contain_text("1 result")
    expect(tree.locator("mark")).to_have_text("Anna")
    page.get_by_role("tab", name="Output").focus()
    keys.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Input")).to_be_focused()
    expect(page).to_have_url(f"{site}/admin/automate_core/executionrun/{run.pk}/change/?step=order&tab=input,tries")
    page.reload()
    expect(page.locator("#jt-input")).to_be_visible()

    page.locator("#card-order").focus()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#inspector-name")).to_be_focused()
    expect(page.get_by_role("tab", name="Input")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Error").click()
    expect(page.locator("#tab-error")).to_contain_text("req_1")
    expect(page.get_by_role("log").locator("p").first).to_be_visible()
    assert violations(page) == []
    shot(page, "run-inspector")
    page.get_by_role("button", name="Skip step").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Output for later steps, as JSON").fill("{")
    dialog.get_by_role("button", name="Skip step").press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("The output is not valid JSON")
    dialog.get_by_label("Output for later steps, as JSON").fill('{"id": 7}')
    dialog.get_by_role("button", name="Skip step").press("Enter")
    expect(page.locator("#card-charge")).to_have_attribute("data-st", "skipped")

    expect(page.get_by_text("Ask is waiting for you")).to_be_visible(timeout=10_000)
    page.get_by_role("link", name="Review").press("Enter")
    page.get_by_label("Note").fill("fine")
    page.get_by_role("button", name="Reject").press("Enter")
    expect(page.locator("#run-state")).to_contain_text("Succeeded")
    expect(page.get_by_text("Ask is waiting for you")).to_be_hidden()

    page.get_by_role("button", name="Re-run").press("Enter")
    dialog.get_by_text("Changed input").click()
    edited = dialog.get_by_role("textbox")
    expect(edited).to_have_value(f'{{\n  "id": {BIG}\n}}')
    edited.fill("{'id': 1}")
    dialog.get_by_role("button", name="Re-run").press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("The payload is not valid JSON: line 1")
    expect(edited).to_have_value("{'id': 1}")
    assert violations(page) == []
    shot(page, "run-again")
    edited.fill('{"id": 1}')
    dialog.get_by_role("button", name="Re-run").press("Enter")
    expect(page.get_by_text("Re-run of", exact=True)).to_be_visible(timeout=10_000)
    again = run.retries.get()
    assert page.url.startswith(f"{site}/admin/automate_core/executionrun/{again.pk}/change/")
    assert [fault for fault in faults(page) if "422" not in fault] == []
