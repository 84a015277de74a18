"""Signing in to a provider over real HTTP: once, by the one who began; tokens kept, renewed, and never seen."""

from __future__ import annotations

import datetime as dt
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections as database
from django.db.models.functions import Now
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection, OAuthToken, SignInAttempt
from automate_connectors.oauth.tokens import get_access_token
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.resolver import resolve
from tests.support.connections import OAUTH_CALLBACK, expire_token, list_of_connections, sign_in_address, start_sign_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signed_in(oauth, provider, sign_in, owner):
    """A connection that its owner has signed in to."""
    connection = oauth()
    client = sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    assert client.get(OAUTH_CALLBACK, back).status_code == 303
    connection.refresh_from_db()
    return connection


# --- signing in -------------------------------------------------------------------------------------------------------


def test_a_person_signs_in_and_the_tokens_are_kept_as_secrets(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    answer = start_sign_in(client, connection)
    assert answer.status_code == 200
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sign_in_address(answer)).query).items()}
    assert asked["redirect_uri"] == f"https://automate.example.com{OAUTH_CALLBACK}"
    assert (asked["scope"], asked["code_challenge_method"]) == ("read write", "S256")
    back = provider.consent(sign_in_address(answer))
    done = client.get(OAUTH_CALLBACK, back)
    assert done.status_code == 303 and done["Location"].endswith(f"/connection/{connection.pk}/change/")
    assert provider.asked == ["authorization_code"]

    token = OAuthToken.objects.get(connection=connection)
    assert resolve(f"database:{token.access.name}").reveal() in provider.access
    assert provider.refresh[resolve(f"database:{token.refresh.name}").reveal()] is True
    assert token.account == "owner" and token.access.owner == owner
    connection.refresh_from_db()
    assert connection.health == "working"
    assert AuditEntry.objects.filter(verb="connection.signed_in").get().actor == "owner"
    assert "canary" not in str(list(AuditEntry.objects.values())) + done.content.decode()


def test_a_state_is_good_once(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    client.get(OAUTH_CALLBACK, back)
    assert client.get(OAUTH_CALLBACK, back).status_code == 303
    assert "was already used" in list_of_connections(client)
    assert provider.asked == ["authorization_code"]


def test_a_refused_code_uses_the_state_up_as_well(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    client.get(OAUTH_CALLBACK, {**back, "code": "guessed"})
    assert "rejected the sign-in (invalid_grant" in list_of_connections(client)
    client.get(OAUTH_CALLBACK, back)
    assert "was already used" in list_of_connections(client)
    assert not OAuthToken.objects.filter(access__isnull=False).exists() and not SignInAttempt.objects.exists()


def test_a_state_belongs_to_one_person_and_one_session(oauth, provider, sign_in, owner, colleague):
    connection = oauth()
    for verb in ("view", "change"):
        assign_perm(f"{verb}_connection", colleague, connection)
    back = provider.consent(sign_in_address(start_sign_in(sign_in(owner), connection)))
    for other in (sign_in(colleague), sign_in(owner)):
        assert other.get(OAUTH_CALLBACK, back).status_code == 303
    assert provider.asked == []


def test_a_state_lasts_ten_minutes(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    SignInAttempt.objects.update(begun_at=Now() - dt.timedelta(minutes=11))
    client.get(OAUTH_CALLBACK, back)
    assert provider.asked == [] and "has expired" in list_of_connections(client)


def test_two_callbacks_at_once_redeem_the_code_once(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    barrier = threading.Barrier(2)

    def arrive():
        barrier.wait()
        other = sign_in()
        other.cookies = client.cookies
        other.get(OAUTH_CALLBACK, back)
        database.close_all()

    threads = [threading.Thread(target=arrive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert provider.asked == ["authorization_code"]


def test_what_the_provider_refuses_is_said(oauth, provider, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    client.get(OAUTH_CALLBACK, {"state": back["state"], "error": "access_denied"})
    said = "rejected the sign-in (access_denied). Access was declined"
    assert said in list_of_connections(client) and provider.asked == []


@pytest.mark.parametrize(
    "query", [{}, {"state": "x" * 9000, "code": "\0"}, {"code": "a"}, {"state": "\udcff", "code": "b"}]
)
def test_made_up_callbacks_come_to_nothing(query, sign_in, owner, provider):
    given = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    assert sign_in(owner).get(OAUTH_CALLBACK, given).status_code == 303
    assert provider.asked == []


def test_signing_in_takes_the_right_to_change(oauth, provider, sign_in, colleague, stranger):
    connection = oauth()
    for verb in ("view", "use"):
        assign_perm(f"{verb}_connection", colleague, connection)
    assert start_sign_in(sign_in(colleague), connection).status_code == 403
    assert start_sign_in(sign_in(stranger), connection).status_code == 404
    assert not SignInAttempt.objects.exists()


def test_a_right_that_was_lost_on_the_way_counts(oauth, provider, sign_in, owner, colleague):
    from guardian.shortcuts import remove_perm

    connection, client = oauth(), sign_in(colleague)
    for verb in ("view", "change"):
        assign_perm(f"{verb}_connection", colleague, connection)
    back = provider.consent(sign_in_address(start_sign_in(client, connection)))
    remove_perm("change_connection", colleague, connection)
    assert client.get(OAUTH_CALLBACK, back).status_code == 403
    assert provider.asked == []


# --- renewing ---------------------------------------------------------------------------------------------------------


def test_a_token_is_renewed_before_it_runs_out(signed_in, provider):
    first = get_access_token(signed_in)
    assert provider.count("refresh_token") == 0
    expire_token(signed_in)
    second = get_access_token(signed_in)
    assert second != first and second in provider.access
    assert get_access_token(signed_in) == second and provider.count("refresh_token") == 1
    expire_token(signed_in)
    assert get_access_token(signed_in) in provider.access, (
        "the refresh token that the provider put in its place was kept"
    )
    assert provider.replayed == []


def test_many_at_once_renew_once(signed_in, provider):
    expire_token(signed_in, seconds=-1)
    provider.slow = 0.4
    barrier, got, failed = threading.Barrier(8), [], []

    def use():
        barrier.wait()
        try:
            got.append(get_access_token(Connection.objects.get(pk=signed_in.pk)))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)
        finally:
            database.close_all()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed and len(got) == 8
    assert provider.count("refresh_token") == 1 and len(set(got)) == 1 and provider.replayed == []


def test_who_need_not_wait_does_not(signed_in, provider):
    """While one renews a token that still holds, others go on with it."""
    present = get_access_token(signed_in)
    expire_token(signed_in, seconds=60)
    provider.slow = 1.0
    renewing = threading.Thread(target=lambda: (get_access_token(signed_in), database.close_all()))
    renewing.start()
    while not provider.count("refresh_token"):
        pass
    assert get_access_token(Connection.objects.get(pk=signed_in.pk)) == present
    renewing.join(20)
    assert provider.count("refresh_token") == 1


def test_client_credentials_need_nobody(oauth, provider):
    connection = oauth(grant="client_credentials")
    assert get_access_token(connection) in provider.access
    assert get_access_token(connection) in provider.access
    assert provider.asked == ["client_credentials"]
    expire_token(connection, seconds=-5)
    assert get_access_token(connection) in provider.access
    assert provider.asked == ["client_credentials"] * 2


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("status", "code", "retryable"), [(503, "oauth_unavailable", True), (429, "oauth_unavailable", True)]
)
def test_a_provider_that_is_away_is_asked_again_later(signed_in, provider, status, code, retryable):
    expire_token(signed_in, seconds=-1)
    provider.status = status
    with pytest.raises(ConnectorError) as caught:
        get_access_token(signed_in)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    signed_in.refresh_from_db()
    assert signed_in.health == "working"


def test_a_refused_renewal_needs_a_person(signed_in, provider):
    expire_token(signed_in, seconds=-1)
    provider.refusing.add("refresh_token")
    with pytest.raises(ConnectorError, match="rejected the sign-in") as caught:
        get_access_token(signed_in)
    assert caught.value.code == "needs_reconnect"
    signed_in.refresh_from_db()
    assert signed_in.health == "reconnect" and signed_in.health_since is not None
    assert "canary" not in signed_in.health_note


def test_nobody_has_signed_in_yet(oauth, provider):
    with pytest.raises(ConnectorError, match="is not signed in") as caught:
        get_access_token(oauth())
    assert caught.value.code == "needs_reconnect" and provider.asked == []


def test_tokens_go_with_their_connection(signed_in):
    signed_in.delete()
    assert not OAuthToken.objects.exists()
    assert list(StoredSecret.objects.values_list("name", flat=True)) == ["client-secret"]


def test_a_token_is_not_put_into_a_secret_that_somebody_prepared(oauth, provider, sign_in, owner, stranger):
    trap = StoredSecret(name="oauth-api-access", owner=stranger)
    trap.put("whatever it holds now")
    trap.save()
    connection, client = oauth(), sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    trap.refresh_from_db()
    assert trap.reveal() == "whatever it holds now"
    assert OAuthToken.objects.get().access.owner == owner


def test_who_may_change_it_may_not_send_its_token_elsewhere(signed_in, sign_in, colleague):
    for verb in ("view", "change"):
        assign_perm(f"{verb}_connection", colleague, signed_in)
    url = reverse("admin:automate_connectors_connection_change", args=[signed_in.pk])
    sent = {"name": "Mine", "connector": "http", "allowed_hosts": "evil.example", "config_auth": "bearer"}
    answer = sign_in(colleague).post(url, sent)
    assert answer.status_code == 200 and answer.context["adminform"].form.errors
    signed_in.refresh_from_db()
    assert signed_in.allowed_hosts == ["127.0.0.1"]
