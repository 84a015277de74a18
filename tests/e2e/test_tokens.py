"""API tokens in a browser: created, copied once, rotated and revoked by keyboard, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from automate_api.models import ApiToken
from automate_api.tokens.credentials import parse_token
from tests.support.axe import darken, violations, without_motion
from tests.support.browser import watch
from tests.support.workflows import STARTED_BY_HAND, TRIAGE

pytestmark = pytest.mark.django_db(transaction=True)

READY = "!document.documentElement.hasAttribute('x-cloak')"


def well(page, faults, shot, name):
    """No fault, nobody kept out, in both themes; pictures of both."""
    without_motion(page)
    shot(page, f"tokens-{name}-light")
    found = violations(page)
    darken(page)
    shot(page, f"tokens-{name}-dark")
    found += violations(page, ["color-contrast"])
    page.evaluate("document.documentElement.classList.replace('dark', 'light')")
    assert (found, faults(page)) == ([], []), name


@pytest.mark.extended
def test_token_from_its_form_to_its_revocation(signed_in, site, workflow, faults, shot):
    workflow(TRIAGE)
    leads = workflow(STARTED_BY_HAND)
    page = signed_in
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page.goto(f"{site}/admin/automate/api-tokens/")
    expect(page.get_by_text("No API tokens yet")).to_be_visible()
    well(page, faults, shot, "none")
    page.locator("#main-content").get_by_role("link", name="New token").first.click()

    page.get_by_label("Name required", exact=True).fill("Nightly import")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Choose at least one permission.")).to_be_visible()
    page.faults.clear()  # the browser notes each 422
    page.get_by_label("Run workflows").check()
    page.get_by_label("View workflows and runs").check()
    page.get_by_label("Only these workflows").check()
    page.get_by_label("Triage").check()
    page.get_by_label("Find a workflow").press_sequentially("lead")
    expect(page.get_by_label("Triage")).to_be_checked()
    page.get_by_label(leads.name).check()
    page.get_by_label("Custom").check()
    page.get_by_role("textbox", name="Days").fill("7")
    well(page, faults, shot, "form")
    page.get_by_role("button", name="Create token").click()

    shown = page.locator("#token")
    plain = shown.inner_text()
    token = ApiToken.objects.get()
    assert parse_token(plain).digest == token.digest and len(token.workflows) == 2
    well(page, faults, lambda page, name: None, "once")
    page.get_by_role("button", name="Copy token").click()
    assert page.evaluate("navigator.clipboard.readText()") == plain
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Expires soon")).to_be_visible()
    assert plain not in page.content()
    well(page, faults, shot, "list")
    menu = page.get_by_role("button", name="Actions for Nightly import")
    menu.press("Enter")
    page.get_by_role("menuitem", name="Rotate").press("Enter")
    dialog = page.get_by_role("dialog", name="Rotate Nightly import")
    dialog.get_by_label("Previous token stays valid for").select_option("1 hour")
    well(page, faults, shot, "rotate")
    dialog.get_by_role("button", name="Rotate").press("Enter")
    expect(page.locator("#token")).not_to_have_text(plain)
    page.get_by_role("link", name="Done").click()

    menu.press("Enter")
    page.get_by_role("menuitem", name="Revoke").press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke Nightly import")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    menu.press("Enter")
    page.get_by_role("menuitem", name="Revoke").press("Enter")
    dialog.get_by_role("button", name="Revoke").press("Enter")
    expect(page.get_by_role("status")).to_have_text(re.compile("Token Nightly import revoked."))
    page.get_by_role("link", name=re.compile("Expired or revoked")).click()
    expect(page.get_by_text("Revoked", exact=True)).to_be_visible()
    token.refresh_from_db()
    assert not token.is_valid and faults(page) == []


@pytest.mark.extended
def test_service_account_on_a_phone(page, site, admin, faults, shot):
    watch(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/admin/automate/service-accounts/new/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("password-of-tests")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name required", exact=True).fill("warehouse")
    page.get_by_label("Purpose").fill("Imports the stock at night")
    page.get_by_label("Operators").check()
    well(page, faults, shot, "account-form-390")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name required", exact=True).fill("Import")
    page.get_by_label("Run workflows").check()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("it acts as warehouse")).to_be_visible()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="warehouse")).to_be_visible()
    page.wait_for_function(READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    well(page, faults, shot, "account-390")
    page.get_by_role("link", name="Deactivate").click()
    page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Inactive", exact=True)).to_be_visible()
    page.goto(f"{site}/admin/automate/service-accounts/")
    well(page, faults, shot, "accounts-390")
