"""The plug-ins page in a browser, with one plug-in that does not load."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from tests.support.axe import show_theme
from tests.support.plugins import PLUGIN_FOLDER

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not PLUGIN_FOLDER.exists(), reason="tests/plugins/acme is installed by `make test`"),
]


@pytest.fixture
def environment(environment):
    """The site's, with a stranger's distribution installed."""
    return {**environment, "PYTHONPATH": str(PLUGIN_FOLDER)}


@pytest.mark.extended
def test_what_did_not_load_is_seen_and_found(owner, signed_in, site, faults, shot):
    owner.user_permissions.add(Permission.objects.get(codename="administer_site"))
    page = signed_in
    page.goto(f"{site}/admin/automate/plugins/")
    first = page.locator("#list tbody tr").first
    expect(first.get_by_text("Not loaded")).to_be_visible()
    expect(first.get_by_text("No module named 'acme.nowhere'")).to_be_visible()
    expect(first.get_by_text("acme-automate")).to_be_visible()
    for width, theme in itertools.product((390, 1440), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        show_theme(page, theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shot(page, f"plugins-broken-{theme}-{width}")
    page.keyboard.press("/")
    page.keyboard.type("references such as acmevault")
    page.keyboard.press("Enter")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="Not loaded").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    assert faults(page) == []
