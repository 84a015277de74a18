"""Details of pages: names for screen readers, messages that are closed, previews that follow a test."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files

pytestmark = pytest.mark.django_db(transaction=True)

TWO = """
name: Two
slug: two
triggers: [{kind: manual}]
steps:
  - {key: look, name: Look, action: data.set, inputs: {title: A bug}}
  - {key: tell, name: Tell, action: data.log, inputs: {message: '{{ steps.look.output.title }}'}}
"""
CALLING = (
    "{name: Calling, slug: calling, steps: [{key: tell, action: http.request, inputs: {url: 'https://a.example'}}]}"
)
DRAWN = "!document.documentElement.hasAttribute('x-cloak')"


def test_sidebar_links_are_named_by_their_titles_alone(signed_in, site):
    page = signed_in
    page.goto(f"{site}/admin/")
    page.wait_for_function(DRAWN)
    links = page.locator("#nav-sidebar-apps a")
    drawn = links.evaluate_all(
        "all => all.map(each => [each.querySelector('.material-symbols-outlined').textContent.trim(),"
        " [...each.children].slice(1).map(part => part.innerText.trim()).join(' ')])"
    )
    assert len(drawn) > 5
    for index, (icon, title) in enumerate(drawn):
        assert icon and links.nth(index).aria_snapshot().startswith(f'- link "{title}"')


def test_a_message_of_the_builder_is_closed(signed_in, site):
    page = signed_in
    page.goto(f"{site}{reverse('studio:template', args=['release-notes-from-pushes'])}")
    page.wait_for_function(DRAWN)
    page.get_by_label("Slack channel required", exact=True).press("Enter")
    page.wait_for_url("**/builder/")
    message = page.locator("#toast").get_by_text("Draft created from the template")
    expect(message).to_be_visible()
    page.locator("#toast").get_by_role("button", name="Dismiss").click()
    expect(message).to_have_count(0)


def test_a_preview_follows_the_test_of_the_whole_workflow(owner, signed_in, site):
    made = workflows.save_definition(yaml_files.read_workflow(TWO), owner=owner)
    page = signed_in
    page.goto(f"{site}{reverse('studio:builder', args=[made.pk])}?step=tell")
    page.wait_for_function(DRAWN)
    preview = page.locator("#preview-field-inputs-message")
    expect(preview).to_contain_text("No sample yet")
    page.get_by_label("Test scope").select_option("Up to this step")
    page.locator("#inspector-name").press("Control+Enter")
    expect(preview).to_contain_text("A bug")


def test_the_folds_of_a_new_connection_keep_the_edge_of_the_dialog(owner, signed_in, site):
    made = workflows.save_definition(yaml_files.read_workflow(CALLING), owner=owner)
    page = signed_in
    page.goto(f"{site}{reverse('studio:builder', args=[made.pk])}?step=tell")
    page.wait_for_function(DRAWN)
    page.locator("[data-connection-new]").first.click()
    folds = page.get_by_role("dialog", name="New connection").locator("summary")
    expect(folds.filter(has_text="Sign-in with OAuth 2")).to_be_visible()
    left = "all => all.map(each => [parseFloat(getComputedStyle(each).paddingLeft), getComputedStyle(each).listStylePosition])"
    assert {tuple(each) for each in folds.evaluate_all(left)} == {(16, "inside")}
