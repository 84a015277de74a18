"""Credentials that expire warn a week ahead: on the page of the connection, and by a notification, once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth.expiry import expiring_credentials
from automate_connectors.oauth.scopes import granted_scopes, missing_scopes
from automate_connectors.oauth.setup import OAuthSetup
from automate_connectors.oauth.tokens import get_access_token
from automate_core.models import Notification, NotificationRule
from automate_operations.notifications import detectors
from tests.support.connections import OAUTH_CALLBACK, expire_token, sign_in_address, start_sign_in
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400


@pytest.fixture
def signed_in(oauth, provider, sign_in, owner):
    """A connection that its owner has signed in to, where the provider names the end of refresh tokens."""

    def make(days):
        provider.extra = {"refresh_token_expires_in": days * DAY}
        connection, client = oauth(), sign_in(owner)
        client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
        return Connection.objects.get(pk=connection.pk)

    return make


@pytest.fixture
def notes(owner):
    """What the rule about connections reports, looked at anew."""
    NotificationRule.objects.create(kind="connection", channel="email", addresses=["ops@example.com"], author=owner)

    def look():
        NotificationRule.objects.update(look_at="2001-01-01T00:00Z")
        detectors.run_detectors()
        return [fact["text"] for each in Notification.objects.order_by("pk") for fact in each.facts]

    return look


def kinds(connection, days=0):
    found = expiring_credentials(Connection.objects.get(pk=connection.pk), timezone.now() + dt.timedelta(days=days))
    return [each.kind for each in found]


def page_of(client, connection):
    return Page(client.get(reverse("admin:automate_connectors_connection_change", args=[connection.pk]))).text


@pytest.mark.extended
def test_a_client_secret_warns_a_week_before_its_date(oauth, notes, sign_in, owner):
    connection = oauth(grant="client_credentials")
    ends_on = timezone.now().date() + dt.timedelta(days=9)
    connection.oauth = {**connection.oauth, "secret_expires": ends_on.isoformat()}
    connection.full_clean()
    connection.save()
    assert kinds(connection) == [] and notes() == [] and "client secret of" not in page_of(sign_in(owner), connection)
    assert kinds(connection, days=4) == kinds(connection, days=30) == ["secret"]
    connection.oauth["secret_expires"] = (ends_on - dt.timedelta(days=5)).isoformat()
    connection.save()
    [said] = notes()
    assert said.startswith("The client secret of The API expires on") and "replace it in the connection" in said
    assert notes() == [said], "once"
    assert "The client secret of The API expires on" in page_of(sign_in(owner), connection)
    connection.oauth["secret_expires"] = "2020-02-29"
    connection.save()
    assert notes() == [said], "what is over is seen by its failures"
    assert "The client secret of The API expired on Feb. 29, 2020." in page_of(sign_in(owner), connection)


def test_a_date_ends_no_sign_in(signed_in, provider):
    """It says nothing about where tokens go."""
    connection = signed_in(90)
    connection.oauth = {**connection.oauth, "secret_expires": "2030-01-01"}
    connection.save()
    assert get_access_token(connection) in provider.access and provider.asked == ["authorization_code"]


@pytest.mark.extended
def test_a_sign_in_warns_unless_renewals_prolong_it(signed_in, provider, notes, sign_in, owner):
    connection = signed_in(90)
    assert kinds(connection) == [] and kinds(connection, days=84) == ["sign_in"]
    provider.extra = {"refresh_token_expires_in": 6 * DAY}  # what is left of it
    expire_token(connection)
    get_access_token(connection)
    assert OAuthToken.objects.get().refresh_rolls is False and kinds(connection) == ["sign_in"]
    assert [each.split(" expires")[0] for each in notes()] == ["The sign-in of The API"]
    assert "Reconnect the connection before then" in page_of(sign_in(owner), connection)
    provider.extra = {"refresh_token_expires_in": 6 * DAY + 3600}  # each renewal begins it anew
    expire_token(connection)
    get_access_token(connection)
    assert OAuthToken.objects.get().refresh_rolls is True and kinds(connection) == []
    assert kinds(connection, days=4) == ["sign_in"], "unless it is not used"


def test_a_renewal_that_names_no_end_keeps_the_one_that_is_known(signed_in, provider):
    connection = signed_in(5)
    ends_at = OAuthToken.objects.get().refresh_ends_at
    provider.extra = {}
    expire_token(connection)
    get_access_token(connection)
    assert OAuthToken.objects.get().refresh_ends_at == ends_at


@pytest.mark.extended
def test_scopes_that_were_not_granted_are_named(oauth, provider, notes, sign_in, owner):
    connection, client = oauth(), sign_in(owner)

    def reconnect(scope):
        provider.extra = {} if scope is None else {"scope": scope}
        client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
        return OAuthToken.objects.get().missing_scopes

    said = "The API was not granted all scopes that it asks for, so steps that need them fail. Missing: write."
    assert reconnect(None) == [] and notes() == [], "an answer without scopes grants them all"
    assert reconnect("read") == ["write"] and said in page_of(client, connection)
    assert [each.startswith(said) for each in notes()] == [True]
    assert reconnect(["READ"]) == ["write"] and len(notes()) == 1, "once"
    provider.extra = {}
    expire_token(connection)
    get_access_token(connection)
    assert OAuthToken.objects.get().missing_scopes == ["write"], "a renewal grants no more"
    assert reconnect("write,read") == [] and "Missing" not in page_of(client, connection)
    forms = {
        ("openid offline_access Mail.Read", "https://graph.microsoft.com/mail.read"): [],
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com/User.Read"): [],
        ("user:email repo", "user"): ["repo"],
        ("read_products,read_orders", "write_products"): ["read_orders"],
        ("chat:write users:read", "chat:write,users:read"): [],
    }
    found = {
        case: missing_scopes(OAuthSetup(provider="generic", scopes=case[0]), granted_scopes({"scope": case[1]}))
        for case in forms
    }
    assert found == forms


def test_what_is_kept_of_a_provider_is_shown(oauth, sign_in, owner, tmp_path, settings, provider):
    path = tmp_path / "providers.toml"
    path.write_text(
        f'[kept]\nname = "Kept"\npage = "https://docs.example.com"\ntoken_url = "{provider.url}/token"\n'
        'grants = ["client_credentials"]\nkeep = { tenant = { path = "tenant" } }\nhosts = ["127.0.0.1"]\n'
    )
    settings.AUTOMATE_OAUTH_PROVIDERS = str(path)
    provider.extra = {"tenant": "Acme <GmbH>"}
    connection = oauth(grant="client_credentials")
    connection.oauth = {name: connection.oauth[name] for name in ("grant", "client_id", "client_secret")} | {
        "provider": "kept"
    }
    connection.save()
    get_access_token(connection)
    assert "tenant: Acme <GmbH>" in page_of(sign_in(owner), connection)
    call_command("check", tags=["automate"])
