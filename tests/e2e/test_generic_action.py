"""A connector as the first page for its authors prints it, without any description of its actions, in the builder."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_core.models import Step, StepRun
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PRINTED = """
from automate_connectors.adapters.base import ConnectorAdapter


class MyERPAdapter(ConnectorAdapter):
    code = "my_erp"
    name = "My ERP"

    def execute(self, action: str, params: dict, context: dict):
        return {"action": action, "params": params}
"""
ORDERS = "name: Orders\nslug: orders\ntriggers: [{endpoint: github}]\nsteps: []\n"


@pytest.fixture
def environment(environment, tmp_path):
    """The site's, with the printed class installed under the printed entry point."""
    package, info = tmp_path / "my_app", tmp_path / "my_app-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").touch()
    (package / "adapters.py").write_text(PRINTED)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_app\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[django_automate.connectors]\nmy_erp = my_app.adapters:MyERPAdapter\n")
    return {**environment, "PYTHONPATH": str(tmp_path)}


@pytest.mark.extended
def test_any_action_is_called_with_json_inputs(signed_in, site, workflow, deliver, faults, shot):
    made = workflow(ORDERS, publish=False)
    deliver({"number": 7})
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/")
    page.locator("#card-trigger").focus()
    page.keyboard.press("+")
    expect(page.get_by_role("combobox", name="Search steps")).to_be_focused()
    page.keyboard.type("my erp")
    expect(page.locator("#palette-found .da-offer")).to_have_count(1)
    expect(page.locator("#palette-found .da-offer")).to_contain_text("My ERP: Any action")
    page.keyboard.press("Enter")
    card = page.locator("#card-call_my_erp")
    expect(card).to_be_visible()
    card.click()
    action = page.locator("#field-action")
    expect(action).to_have_value("execute")
    expect(page.get_by_role("button", name="Add value")).to_have_count(0)

    # its name stays until there is another one
    action.fill("")
    expect(page.get_by_text("Not saved: enter the name of an action.")).to_be_visible()
    action.fill("create_invoice")
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#inspector-about")).to_have_text("My ERP: Create invoice")

    # what is not JSON is told, and data goes in from the picker
    editor = page.locator("[data-field=inputs] .cm-content")
    editor.click()
    page.keyboard.type('{"order": ')
    expect(page.locator("#field-inputs-why")).to_contain_text("Not saved: line 1")
    page.keyboard.type('"')
    page.locator("[data-field=inputs]").get_by_role("button", name="Insert data").click()
    expect(page.locator("#picker-search")).to_be_focused()
    page.keyboard.type("number")
    expect(page.locator("#picker-said")).to_contain_text("found")
    page.keyboard.press("Enter")
    expect(editor).to_contain_text("event.payload.number")
    page.keyboard.type('", "lines": [1, 2]}')
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.locator("#preview-field-inputs")).to_contain_text("7")
    expect(card).to_have_accessible_name("Call My ERP, 1 · My ERP: Create invoice")
    shot(page, "generic-action")
    step = Step.objects.get(key="call_my_erp")
    assert step.action == "my_erp.create_invoice"
    assert step.inputs == {"order": "{{ event.payload.number }}", "lines": [1, 2]}

    # and runs
    page.get_by_role("link", name="Review and publish").click()
    page.get_by_role("button", name="Publish v1").click()
    expect(page.get_by_text("Version 1 is live.")).to_be_visible()
    deliver({"number": 8})
    ended = wait_for(lambda: StepRun.objects.filter(path="call_my_erp", status="succeeded").first())
    assert ended.output == {
        "action": "create_invoice",
        "params": {"order": 8, "lines": [1, 2]},
    }
    assert [fault for fault in faults(page) if "422" not in fault] == [], "what is not saved is told by 422"
