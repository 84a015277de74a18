"""Connections, secrets, webhooks and budgets in a browser: by mouse, by keyboard, and on a phone."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from playwright.sync_api import expect

from automate_connectors import health
from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.tally import tally
from automate_governance.models import StoredSecret
from automate_llm import budgets
from automate_llm.models import LLMBudget, LLMUsage
from tests.support.axe import darken, violations, without_motion
from tests.support.workflows import LONG_NAMES

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = {
    "connections": "/admin/automate_connectors/connection/",
    "webhooks": "/admin/automate_core/webhookendpoint/",
    "secrets": "/admin/automate_governance/storedsecret/",
    "budgets": "/admin/automate_llm/llmbudget/",
}
#: Visible controls in the page's main part whose middle belongs to something else.
COVERED = """
() => [...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary)")].filter((each) => {
  each.scrollIntoView({ block: "center", inline: "center" });
  if (!each.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
  const box = each.getBoundingClientRect();
  if (box.width < 4 || box.height < 4) return false;
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return !(each.contains(hit) || hit?.contains(each) && hit.matches("label, .da-input"));
}).map((each) => each.outerHTML.slice(0, 120))
"""


@pytest.fixture
def things(workflow, deliver, owner, endpoint, sink):
    owner.user_permissions.add(Permission.objects.get(codename="administer_site"))
    made = workflow(LONG_NAMES)
    secret = StoredSecret(name="shop-token-of-a-rather-long-name-that-has-to-fit", owner=owner)
    secret.put("a-value-of-the-shop-that-is-long")
    secret.save()
    config = {"base_url": sink.url, "auth": "bearer", "token": secret.reference}
    connection = Connection.objects.create(name="Shop", slug="shop", connector="http", owner=owner, config=config)
    Connection.objects.create(
        name="Unused and never tested, with a long name", slug="unused", connector="http", owner=owner
    )
    health.record_test(
        connection, "http_401", "The shop rejected the token (401 Unauthorized): it was revoked yesterday."
    )
    made.steps.create(key="shop", kind="action", action="http.request", connection="shop")
    endpoints.save_endpoint("open", scheme="unsigned", config={}, secret=None, actor=owner)
    deliver({"title": "a"})
    deliver(secret="y" * 32)
    tally.flush()
    LLMBudget.objects.create(max_cost=Decimal("10"))
    LLMBudget.objects.create(workflow="long", period="day", max_cost=Decimal("2"), max_tokens=1_000)
    LLMUsage.objects.create(
        workflow="long", at=connection.created_at, day=budgets.today(), provider="p", model="m", status="answered",
        tokens_in=1_200, tokens_out=0, cost=Decimal("1.5"),
    )  # fmt: skip
    return connection


def opened(page, site, path):
    page.goto(site + path)
    page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return page


@pytest.mark.extended
def test_every_page_is_well_and_every_control_can_be_hit(things, signed_in, site, faults, shot):
    page = signed_in
    pages = {
        **LISTS,
        "connection": f"{LISTS['connections']}{things.pk}/change/",
        "connect": f"{LISTS['connections']}add/",
        "connect-http": f"{LISTS['connections']}add/?connector=http",
        "delete-connection": f"{LISTS['connections']}{things.pk}/delete/",
        "webhook": f"{LISTS['webhooks']}{WebhookEndpoint.objects.get(slug='github').pk}/change/",
        "new-webhook": f"{LISTS['webhooks']}add/",
        "secret": f"{LISTS['secrets']}{StoredSecret.objects.get(name__startswith='shop').pk}/change/",
        "new-secret": f"{LISTS['secrets']}add/",
        "budget": f"{LISTS['budgets']}{LLMBudget.objects.get(workflow='long').pk}/change/",
        "new-budget": f"{LISTS['budgets']}add/",
        "no-match": f"{LISTS['connections']}?q=nothing",
    }
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        for name, path in pages.items():
            opened(page, site, path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
            assert page.evaluate(COVERED) == [], f"{name} at {width}"
            page.evaluate("window.scrollTo(0, 0)")
            shot(page, f"{name}-light-{width}")
            without_motion(page)
            page.evaluate("document.fonts.ready.then(() => null)")
            assert violations(page) == [], f"{name} at {width}"
            darken(page)
            shot(page, f"{name}-dark-{width}")
            assert violations(page, ["color-contrast"]) == [], f"{name} at {width}, dark"
            assert faults(page) == [], name


@pytest.mark.extended
def test_a_connection_is_tested_connected_and_not_deleted_while_in_use(things, signed_in, site, faults):
    page = opened(signed_in, site, LISTS["connections"])
    card = page.locator(f"#connection-{things.pk}")
    expect(card.get_by_text("Failing", exact=True)).to_be_visible()
    card.get_by_role("button", name="Test Shop").click()
    expect(card.get_by_text("Healthy", exact=True)).to_be_visible(timeout=30_000)
    expect(card.get_by_text("Test passed")).to_be_visible()
    card.get_by_role("button", name="Actions for Shop").press("Enter")
    page.get_by_role("menuitem", name="Delete").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("in use and cannot be deleted")).to_be_visible(timeout=30_000)
    expect(dialog.get_by_role("link", name="A workflow with a rather long name")).to_be_visible()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(card.get_by_role("button", name="Actions for Shop")).to_be_focused()
    page.get_by_role("searchbox", name="Name, app or owner").press_sequentially("unus")
    expect(card).to_be_hidden(timeout=30_000)
    page.get_by_role("link", name="Connect an app").click()
    page.get_by_role("searchbox", name="Find an app").press_sequentially("htt")
    expect(page.get_by_role("link", name="Slack")).to_be_hidden()
    page.get_by_role("link", name="HTTP").first.click()
    form = page.locator(".da-object-form")
    form.get_by_label("Name", exact=False).first.press_sequentially("Shop Zwei")
    expect(page.locator("#id_slug")).to_have_value("shop-zwei")
    form.get_by_label("Base URL").fill(things.config["base_url"])
    form.get_by_text("Sign-in with OAuth 2", exact=True).click()
    expect(form.get_by_label("Client ID")).to_be_hidden()
    form.get_by_label("OAuth 2 sign-in").select_option(index=1)
    expect(form.get_by_label("Client ID")).to_be_visible()
    form.get_by_label("OAuth 2 sign-in").select_option(index=0)
    expect(form.get_by_label("Client ID")).to_be_hidden()
    form.get_by_label("Authentication").select_option(label="Username and password")
    expect(form.get_by_label("Username")).to_be_visible()
    expect(form.get_by_label("Token: new value")).to_be_hidden()
    form.get_by_label("Authentication").select_option(label="Bearer token")
    expect(form.get_by_label("Username")).to_be_hidden()
    form.get_by_role("button", name="Save").click()
    alert = form.locator("p[role=alert]")  # at the field, beside the list above the form
    expect(alert).to_have_text("Token is required. For bearer token, header and query parameter")
    expect(form.locator("#form-faults")).to_have_text(re.compile(r"Fix these fields:\s+Token is required\.\s*$"))
    form.get_by_label("Token: new value").fill("a-token-of-the-second-shop")
    form.get_by_role("button", name="Test before saving").click()
    expect(page.locator("#tried").get_by_text("Test passed.")).to_be_visible(timeout=30_000)
    expect(alert).to_have_count(0)
    assert not Connection.objects.filter(slug="shop-zwei").exists()
    form.get_by_role("button", name="Save").click()
    expect(page.locator("#list").get_by_role("link", name="Shop Zwei")).to_be_visible(timeout=30_000)
    assert faults(page) == []


@pytest.mark.extended
def test_a_webhook_is_created_and_its_secret_shown_once(things, signed_in, site, faults, shot):
    page = opened(signed_in, site, f"{LISTS['webhooks']}add/")
    form = page.locator(".da-object-form")
    form.get_by_label("Sender").select_option(label="Slack")
    expect(form.get_by_text("In Slack, open the app")).to_be_visible()
    form.get_by_label("Secret: new value").fill("pasted")
    form.get_by_label("Sender").select_option(label="HMAC")
    expect(form.get_by_label("Secret: new value")).to_have_value("pasted")  # what was written keeps its way
    form.get_by_label("Secret: new value").fill("")
    form.get_by_label("Sender").select_option(label="Slack")
    form.get_by_label("Sender").select_option(label="Unsigned")
    expect(form.get_by_text("Anyone who knows the URL")).to_be_visible()
    expect(form.get_by_label("Secret: new value")).to_be_hidden()
    form.get_by_label("Sender").select_option(label="HMAC")
    expect(form.get_by_label("Algorithm")).to_be_visible()
    way = form.get_by_label("Secret: how it is given")
    expect(way).to_have_value("none:")  # Slack gives its own secret; HMAC is back at one that is generated
    form.get_by_role("textbox", name="Name required").fill("orders")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Copy secret")).to_be_visible(timeout=30_000)
    shot(page, "webhook-made-light-1440")
    page.get_by_role("link", name="Open webhook").click()
    expect(page.locator("#url-webhook")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Copy secret")).to_have_count(0)
    assert WebhookEndpoint.objects.get(slug="orders").secret == "database:hook-orders"
    assert faults(page) == []
