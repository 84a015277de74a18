"""Tokens serve the settings that somebody signed in for: whoever changes where they go ends the sign-in."""

from __future__ import annotations

import threading

import pytest
from django.db import connections as databases
from django.db import transaction
from django.test import Client
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.connections import edits
from automate_connectors.models import Connection, OAuthToken, SignInAttempt
from automate_connectors.oauth import exchange, tokens
from automate_connectors.oauth.tokens import get_access_token
from automate_egress import HttpResponse
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.resolver import resolve
from automate_governance.secrets.use import find_forbidden_references
from tests.connections.provider import Provider
from tests.support.connections import (
    CONNECTION_ADD,
    OAUTH_CALLBACK,
    connection_form,
    expire_token,
    form_errors,
    list_of_connections,
    sign_in_address,
    start_sign_in,
)
from tests.support.locks import somebody_waits
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def evil(provider, settings):
    """Another provider, which writes down what it is sent."""
    made = Provider()
    settings.AUTOMATE_EGRESS_ALLOW = [provider.host, made.host]
    yield made
    made.close()


@pytest.fixture
def sign_in_as(oauth, provider, sign_in):
    """A connection of the owner that somebody has signed in to."""

    def make(person):
        connection = oauth()
        for verb in ("view", "change"):
            assign_perm(f"{verb}_connection", person, connection)
        client = sign_in(person)
        assert (
            client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection)))).status_code
            == 303
        )
        return Connection.objects.get(pk=connection.pk)

    return make


def changed(connection, **given):
    """What the browser sends for it, with these changes."""
    data = {
        "name": connection.name, "config_base_url": connection.config["base_url"], "config_auth": "oauth2",
        "allowed_hosts": "127.0.0.1", "oauth_client_secret_choice": "database:client-secret",
        **{f"oauth_{name}": value for name, value in connection.oauth.items() if name != "client_secret"},
    }  # fmt: skip
    for name in ("oauth_client_secret", "config_token", "config_password"):
        data.update({f"{name}_value": "", f"{name}_other": ""})
    return {"config_token_choice": "", "config_password_choice": "", **data, **given}


def save(client, connection, **given):
    url = reverse("admin:automate_connectors_connection_change", args=[connection.pk])
    answer = client.post(url, changed(connection, **given))
    assert answer.status_code == 302, form_errors(answer)
    return Connection.objects.get(pk=connection.pk)


def is_over(connection):
    token = OAuthToken.objects.get(connection=connection)
    assert (token.access, token.refresh, token.expires_at, token.account) == (None, None, None, "")
    assert list(StoredSecret.objects.values_list("name", flat=True)) == ["client-secret"]
    assert connection.health == "reconnect" and "Reconnect the connection" in connection.health_note
    with pytest.raises(ConnectorError) as caught:
        get_access_token(connection)
    return caught.value.code == "needs_reconnect"


# --- whose they are, and where they go --------------------------------------------------------------------------------


def test_tokens_are_secrets_of_whoever_signed_in(sign_in_as, owner, colleague):
    token = sign_in_as(colleague).token
    for secret in (token.access, token.refresh):
        assert secret.owner == colleague
        bound = {"token": [f"database:{secret.name}"]}
        assert list(find_forbidden_references(owner, bound)) and not list(find_forbidden_references(colleague, bound))


def test_a_renewal_leaves_them_theirs(sign_in_as, colleague, provider):
    connection = sign_in_as(colleague)
    expire_token(connection)
    assert get_access_token(connection) in provider.access and provider.count("refresh_token") == 1
    token = OAuthToken.objects.get()
    assert (token.access.owner, token.refresh.owner, token.account) == (colleague, colleague, "colleague")


def test_another_sign_in_leaves_nothing_of_the_one_before(sign_in_as, provider, sign_in, owner, colleague):
    connection = sign_in_as(colleague)
    old = {connection.token.access.pk, connection.token.refresh.pk}
    client = sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    token = OAuthToken.objects.get()
    assert (token.access.owner, token.refresh.owner, token.account) == (owner, owner, "owner")
    assert not StoredSecret.objects.filter(pk__in=old).exists()


@pytest.mark.matrix
@pytest.mark.parametrize(
    "given",
    [
        {"allowed_hosts": "evil.example.net"},
        {"config_base_url": "https://evil.example.net"},
        {"oauth_client_id": "another-client"},
        {"oauth_provider": "github"},
        {"oauth_token_url": "https://evil.example.net/token"},
        {"oauth_authorize_url": "https://evil.example.net/authorize"},
    ],
)
def test_the_owner_of_the_connection_takes_nobodys_token_elsewhere(sign_in_as, sign_in, owner, colleague, given):
    connection = save(sign_in(owner), sign_in_as(colleague), **given)
    assert is_over(connection)
    assert AuditEntry.objects.get(verb="connection.signed_out").actor == "owner"


def test_another_name_is_nothing_to_a_sign_in(sign_in_as, sign_in, owner, colleague, provider):
    connection = save(sign_in(owner), sign_in_as(colleague), name="Renamed")
    assert (
        connection.name == "Renamed"
        and get_access_token(connection) in provider.access
        and connection.health == "working"
    )


def test_ones_own_tokens_follow_to_other_hosts(sign_in_as, sign_in, owner, provider):
    connection = save(sign_in(owner), sign_in_as(owner), allowed_hosts="127.0.0.1\nlocalhost")
    assert connection.hosts() == ["127.0.0.1", "localhost"] and get_access_token(connection) in provider.access
    expire_token(connection)
    assert get_access_token(connection) in provider.access


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["token_url", "authorize_url", "client_id", "scopes"])
def test_ones_own_tokens_go_to_no_other_issuer(sign_in_as, sign_in, owner, evil, what):
    other = {"token_url": f"{evil.url}/token", "authorize_url": f"{evil.url}/authorize"}.get(what, "another")
    connection = save(sign_in(owner), sign_in_as(owner), **{f"oauth_{what}": other})
    assert is_over(connection) and evil.asked == []


def test_a_change_past_the_form_ends_it_as_well(sign_in_as, owner, evil):
    connection = sign_in_as(owner)
    connection.oauth = {**connection.oauth, "token_url": f"{evil.url}/token"}
    connection.save()
    with pytest.raises(ConnectorError, match="is not signed in"):
        get_access_token(connection)
    assert evil.asked == [] and OAuthToken.objects.get().refresh is None


def test_who_read_it_before_the_change_gets_no_token_of_after(sign_in_as, sign_in, owner, provider):
    """A worker that still goes to the old hosts."""
    connection = sign_in_as(owner)
    client = sign_in(owner)
    after = save(client, connection, allowed_hosts="127.0.0.1\nlocalhost")
    assert get_access_token(after)
    with pytest.raises(ConnectorError, match="changed in the meantime") as caught:
        get_access_token(connection)
    assert caught.value.retryable and get_access_token(after) in provider.access


def test_a_client_that_changes_asks_anew(oauth, sign_in, owner, provider):
    connection = oauth(grant="client_credentials")
    get_access_token(connection)
    after = save(sign_in(owner), connection, oauth_scopes="read")
    assert after.health == "unknown" and get_access_token(after) in provider.access
    assert provider.asked == ["client_credentials"] * 2


# --- signing in -------------------------------------------------------------------------------------------------------


def test_a_code_goes_to_no_address_that_came_later(oauth, provider, evil, sign_in, owner, colleague):
    connection, client = oauth(), sign_in(colleague)
    for verb in ("view", "change"):
        assign_perm(f"{verb}_connection", colleague, connection)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    save(sign_in(owner), connection, oauth_token_url=f"{evil.url}/token")
    assert client.get(OAUTH_CALLBACK, back).status_code == 303
    assert "was changed while you signed in" in list_of_connections(client)
    assert evil.asked == provider.asked == [] and not SignInAttempt.objects.exists()


def test_a_change_while_the_code_is_redeemed_counts(oauth, provider, sign_in, owner, monkeypatch):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    redeem = exchange.exchange_code

    def slowly(*args, **options):
        given = redeem(*args, **options)
        save(sign_in(owner), connection, allowed_hosts="elsewhere.example")
        return given

    monkeypatch.setattr(exchange, "exchange_code", slowly)
    client.get(OAUTH_CALLBACK, back)
    assert "was changed while you signed in" in list_of_connections(client)
    assert not OAuthToken.objects.filter(access__isnull=False).exists()


def test_only_a_post_of_this_site_begins(oauth, owner):
    connection = oauth()
    url = reverse("studio:oauth_start", args=[connection.pk])
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.get(url).status_code == 405 and client.post(url).status_code == 403
    assert not SignInAttempt.objects.exists()


# --- what a token endpoint may answer ---------------------------------------------------------------------------------

GIVEN = '{"access_token": "access-of-the-hostile", "refresh_token": "refresh-of-the-hostile", "expires_in": %s}'
YEARS = 10 * 365 * 86_400


def answering(monkeypatch, body):
    answer = HttpResponse(status=200, headers={}, body=body.encode())
    monkeypatch.setattr(exchange.HttpSession, "request", lambda *args, **options: answer)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("said", "lifetime"),
    [
        ("1e400", YEARS), ("-1e400", None), ("NaN", None), ("1" + "0" * 18, YEARS), ("9" * 400, None), ("-5", None),
        ('"3600"', 3600), ('"soon"', None), ("[[]]", None), ("{}", None), ("null", None), ("3600.5", 3600),
        ('"12345678901234"', YEARS),
    ],
)  # fmt: skip
def test_a_refresh_token_survives_any_lifetime(sign_in_as, owner, monkeypatch, said, lifetime):
    connection = sign_in_as(owner)
    expire_token(connection, seconds=-1)
    answering(monkeypatch, GIVEN % said)
    assert get_access_token(connection) == "access-of-the-hostile"
    token = OAuthToken.objects.get()
    assert resolve(f"database:{token.refresh.name}").reveal() == "refresh-of-the-hostile"
    if lifetime is None:
        assert token.expires_at is None
    else:
        assert abs((token.expires_at - token.renewed_at).total_seconds() - lifetime) < 60


@pytest.mark.matrix
@pytest.mark.parametrize(
    "body",
    [
        "[]", "3", "null", "[" * 100_000, '{"a":' * 100_000, '{"error": null}', "{}", '{"error": "\\u0000\\ud800"}',
        '{"error": {"a": []}, "error_description": [1]}', '{"access_token": ["x"]}', '{"access_token": "\\ud800abc"}',
        '{"access_token": "abcdefgh", "refresh_token": "\\u0000\\ud800abcdef"}', '{"access_token": "%s"}' % ("x" * 99_999),
        '{"access_token": "abcdefgh", "expires_at": "never", "expires_in": "soon"}', "9" * 9_999,
        '{"access_token": "abcdefgh", "expires_at": 1e400}',
    ],
)  # fmt: skip
def test_no_answer_is_a_fault_of_ours(oauth, sign_in, owner, monkeypatch, body):
    connection = oauth(grant="client_credentials")
    answering(monkeypatch, body)
    answer = sign_in(owner).post(reverse("studio:connection_test", args=[connection.pk]))
    assert answer.status_code == 303
    assert AuditEntry.objects.filter(verb="connection.tested").exists()


# --- locks ------------------------------------------------------------------------------------------------------------


def test_saving_and_coming_back_lock_in_one_order(oauth, sign_in, owner):
    """The one who comes back holds the token's row and then writes health; the form waits for it, holding nothing."""
    connection, client, results = oauth(), sign_in(owner), []
    with transaction.atomic():
        tokens.lock_token(connection)

        def post():
            results.append(save(client, connection, allowed_hosts="127.0.0.1\nlocalhost").hosts())
            databases.close_all()

        saving = threading.Thread(target=post)
        saving.start()
        wait_for(somebody_waits)
        health.record_sign_in(connection)
    saving.join(60)
    assert results == [["127.0.0.1", "localhost"]]


def test_a_renewal_that_takes_too_long_is_said_in_the_form(oauth, sign_in, owner, monkeypatch):
    connection, client, answers = oauth(), sign_in(owner), []
    monkeypatch.setattr(tokens, "LOCK_TIMEOUT", "100ms")
    url = reverse("admin:automate_connectors_connection_change", args=[connection.pk])

    def post():
        answers.append(client.post(url, changed(connection)))
        databases.close_all()

    with transaction.atomic():
        tokens.lock_token(connection)
        saving = threading.Thread(target=post)
        saving.start()
        saving.join(60)
    assert answers[0].status_code == 200 and "Save again in a moment" in str(form_errors(answers[0]))


def test_locking_leaves_no_blank_token_on_the_connection(sign_in_as, owner):
    connection = sign_in_as(owner)
    with transaction.atomic():
        tokens.lock_token(connection)
    assert connection.token.account == "owner"


# --- secrets that come with the form ----------------------------------------------------------------------------------


def test_two_new_secrets_of_one_name_are_two(sign_in, owner, probe, monkeypatch):
    from automate_plugins.fields import FieldKind, FieldSpec

    more = (*type(probe).config_fields, FieldSpec(name="client_secret", label="Secret", kind=FieldKind.SECRET))
    monkeypatch.setattr(type(probe), "config_fields", more)
    given = connection_form(
        config_token_value="", config_client_secret_value="of-the-connector", oauth_client_secret_value="of-the-client",
        oauth_provider="github", oauth_grant="authorization_code", oauth_client_id="abc",
    )  # fmt: skip
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), given)
    assert answer.status_code == 302, form_errors(answer)
    made = Connection.objects.get()
    kept = [resolve(each).reveal() for each in (made.config["client_secret"], made.oauth["client_secret"])]
    assert kept == ["of-the-connector", "of-the-client"]


def test_a_name_that_is_taken_meanwhile_is_left_alone(probe, sign_in, owner, stranger, monkeypatch):
    store = edits._store_secrets

    def late(*args):
        taken = StoredSecret(name="mine-token", owner=stranger)
        taken.put("of-somebody-else")
        taken.save()
        return store(*args)

    monkeypatch.setattr(edits, "_store_secrets", late)
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), connection_form())
    assert answer.status_code == 302, form_errors(answer)
    reference = Connection.objects.get().config["token"]
    assert reference.startswith("database:mine-token-") and resolve(reference).reveal() == "brand-new-canary"
    assert resolve("database:mine-token").reveal() == "of-somebody-else"
