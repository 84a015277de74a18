"""Testing and sharing a connection in the browser: in the page, by keyboard, without a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from automate_connectors.models import Connection
from automate_governance.models import StoredSecret
from automate_governance.permissions import can

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(owner):
    secret = StoredSecret(name="client", owner=owner)
    secret.put("a-client-secret-of-tests")
    secret.save()
    return Connection.objects.create(
        name="Nowhere", slug="nowhere", connector="http", owner=owner,
        config={"base_url": "https://127.0.0.1:9/", "auth": "bearer"},
        oauth={
            "provider": "generic", "grant": "client_credentials", "client_id": "c", "client_secret": "database:client",
            "token_url": "https://127.0.0.1:9/token",
        },
    )  # fmt: skip


@pytest.mark.extended
def test_the_result_of_a_test_comes_into_the_page(signed_in, site, connection, faults):
    page = signed_in
    page.goto(f"{site}/admin/automate_connectors/connection/{connection.pk}/change/")
    page.locator("#id_name").fill("Typed and not saved")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("#connection-health .da-trial")).to_contain_text("Test failed.")
    expect(page.locator("#connection-health")).to_contain_text("Failing")
    expect(page.locator("#id_name")).to_have_value("Typed and not saved")
    assert faults(page) == []


@pytest.mark.extended
def test_a_sign_in_begins_with_a_button_and_goes_on_by_a_link(signed_in, site, connection, faults):
    connection.oauth |= {"grant": "authorization_code", "authorize_url": "https://127.0.0.1:9/authorize"}
    connection.save()
    page = signed_in
    page.goto(f"{site}/admin/automate_connectors/connection/{connection.pk}/change/")
    page.get_by_role("button", name="Sign in to 127.0.0.1").click()
    link = page.get_by_role("link", name="Continue to 127.0.0.1")
    expect(link).to_be_visible()
    assert link.get_attribute("href").startswith("https://127.0.0.1:9/authorize?response_type=code&client_id=c&")
    assert faults(page) == []


@pytest.mark.extended
def test_sharing_by_keyboard(signed_in, site, connection, colleague, faults):
    page = signed_in
    page.goto(f"{site}/admin/automate_connectors/connection/{connection.pk}/change/")
    page.get_by_role("link", name="Share").click()
    page.get_by_label("Person or group").fill("colleague")
    page.get_by_role("radio", name="Viewer").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="User")).to_be_checked()
    page.get_by_role("button", name="Share", exact=True).focus()
    page.keyboard.press("Enter")
    chip = page.get_by_role("button", name="Revoke use from colleague")
    expect(chip).to_be_visible()
    assert can(colleague, "use", connection)
    chip.focus()
    page.keyboard.press("Enter")
    expect(chip).to_have_count(0)
    assert not can(colleague, "use", connection) and can(colleague, "view", connection)
    page.get_by_label("Person or group").fill("nobody-at-all")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("No active person or group")
    assert [fault for fault in faults(page) if "422" not in fault] == []


@pytest.mark.extended
def test_the_sign_in_fields_come_with_the_provider(signed_in, site, faults):
    page = signed_in
    page.goto(f"{site}/admin/automate_connectors/connection/add/")
    page.get_by_role("link", name="HTTP").click()
    page.get_by_text("Sign-in with OAuth 2", exact=True).click()
    expect(page.get_by_label("Client ID")).to_be_hidden()
    page.get_by_label("OAuth 2 sign-in").select_option("github")
    expect(page.get_by_label("Client ID")).to_be_visible()
    expect(page.get_by_label("Token URL")).to_be_hidden()
    page.get_by_label("OAuth 2 sign-in").select_option("generic")
    expect(page.get_by_label("Token URL")).to_be_visible()
    assert faults(page) == []
