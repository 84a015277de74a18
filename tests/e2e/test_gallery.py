"""From an empty site to a draft by the keyboard, with the template gallery as people see it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_core.models import Workflow
from tests.support.axe import show_theme

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.extended
def test_from_the_first_page_to_a_draft_by_the_keyboard(owner, signed_in, site, faults, shot):
    Connection.objects.create(name="Team chat", slug="team-chat", connector="slack", owner=owner, config={})
    page = signed_in
    expect(page.get_by_role("heading", name="Build your first workflow")).to_be_visible()
    expect(page.locator(".da-todo .is-next")).to_be_visible()
    shot(page, "first-run")
    page.keyboard.press("/")
    page.keyboard.type("pushes")
    page.keyboard.press("Enter")
    card = page.get_by_role("link", name="Release notes from pushes")
    expect(card).to_be_visible()
    expect(page.locator(".da-template")).to_have_count(1)
    card.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Slack: Posts to the team channel")).to_have_value("team-chat")
    field = page.get_by_label("Slack channel required", exact=True)
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("#ship-it")
    page.keyboard.press("Enter")
    page.wait_for_url("**/builder/")
    expect(page.get_by_text("Before you publish it, set up: HTTP, Webhook: GitHub.")).to_be_visible()
    expect(page.locator("#card-tell")).to_be_visible()
    made = Workflow.objects.get()
    assert (made.slug, made.vars) == ("release-notes-from-pushes", {"channel": "#ship-it"})
    shot(page, "template-used")
    assert faults(page) == []


@pytest.mark.extended
def test_a_file_with_faults_shows_them_and_can_be_mended(signed_in, site, faults, shot, tmp_path):
    file = tmp_path / "flow.yaml"
    file.write_text("name: Flow\nslug: flow\nsteps:\n  - {key: note, action: data.lag, inputs: {message: hi}}\n")
    page = signed_in
    page.goto(f"{site}/admin/automate/workflows/new/")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("Not imported: fix 1 error.")
    expect(page.locator("li.faulty")).to_contain_text("Line 4: steps[0].action")
    shot(page, "import-faults")
    text = page.get_by_label("Or paste YAML")
    text.fill(text.input_value().replace("lag", "log"))
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/builder/")
    expect(page.get_by_text("Imported flow as a draft.")).to_be_visible()
    assert [fault for fault in faults(page) if "422" not in fault] == []


@pytest.mark.extended
def test_the_pages_fit_every_width_in_both_themes(signed_in, site, faults, shot):
    page = signed_in
    for name, path in (
        ("first", "/admin/automate_core/workflow/"),
        ("gallery", "/admin/automate/templates/"),
        ("template", "/admin/automate/templates/expense-approval/"),
        ("new", "/admin/automate/workflows/new/"),
    ):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(f"{site}{path}")
            expect(page.locator(".da-root")).to_be_visible()
            for theme in ("light", "dark"):
                show_theme(page, theme)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
                shot(page, f"gallery-{name}-{theme}-{width}")
    assert faults(page) == []
