"""Renewing tokens under faults: a hundred at once, providers that are away, processes and database connections that die."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
import threading

import pytest
from django.db import connection as database
from django.db import connections as databases
from django.db.models import F
from django.db.models.functions import Now

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import exchange
from automate_connectors.oauth.error_codes import KNOWN_CODES, TRANSIENT_CODES
from automate_connectors.oauth.tokens import get_access_token
from tests.support.connections import OAUTH_CALLBACK, expire_token, sign_in_address, start_sign_in
from tests.support.processes import process, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

USE = """
import os, pathlib, sys, threading, time
from django.db import connections
from automate_connectors.models import Connection
from automate_connectors.oauth.tokens import get_access_token

def use():
    loaded = Connection.objects.get(slug="api")
    pathlib.Path(f"{os.environ['TALLY']}/{os.getpid()}-{threading.get_ident()}").touch()
    while not os.path.exists(f"{os.environ['TALLY']}/go"):
        time.sleep(0.01)
    sys.stdout.write(get_access_token(loaded) + "\\n")  # as one: threads share the line
    connections.close_all()

threads = [threading.Thread(target=use) for _ in range(int(os.environ["THREADS"]))]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


@pytest.fixture
def signed_in(oauth, provider, sign_in, owner):
    """A connection that its owner has signed in to."""
    connection, client = oauth(), sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    return Connection.objects.get(pk=connection.pk)


@pytest.fixture
def user_process(environment, provider, tmp_path):
    """A process whose threads use the connection, once the file `go` is there."""

    def start(threads):
        variables = {"AUTOMATE_EGRESS_ALLOW": provider.host, "TALLY": str(tmp_path), "THREADS": str(threads)}
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-v", "0", "-c", USE]
        return process(command, {**environment, **variables})

    return start


@pytest.mark.extended
@pytest.mark.process
def test_a_hundred_steps_in_two_processes_renew_once(signed_in, provider, user_process, tmp_path):
    expire_token(signed_in, seconds=-1)
    provider.slow = 0.5
    with user_process(50) as one, user_process(50) as two:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 100)
        (tmp_path / "go").touch()
        got = [line for each in (one, two) for line in each.communicate(timeout=120)[0].split()]
    assert len(got) == 100 and len(set(got)) == 1 and got[0] in provider.access
    assert provider.count("refresh_token") == 1 and provider.replayed == []


@pytest.mark.extended
@pytest.mark.process
def test_a_process_that_dies_with_the_answer_is_known_to_the_next(signed_in, provider, user_process, tmp_path):
    """The next one sends the old refresh token, which some providers accept for a while."""
    expire_token(signed_in, seconds=-1)
    (tmp_path / "go").touch()
    with user_process(1) as child:
        provider.before_answer = lambda: os.kill(child.pid, signal.SIGKILL)
        wait_for(lambda: child.poll() is not None)
    provider.before_answer = None
    assert OAuthToken.objects.get().renewal_begun_at is not None and provider.count("refresh_token") == 1
    OAuthToken.objects.update(renewal_begun_at=F("renewal_begun_at") - dt.timedelta(minutes=1))
    with pytest.raises(ConnectorError, match="An earlier renewal was interrupted") as caught:
        get_access_token(signed_in)
    signed_in.refresh_from_db()
    assert caught.value.code == "needs_reconnect" and signed_in.health == "reconnect"
    assert "was interrupted" in signed_in.health_note and "Reconnect the connection" in signed_in.health_note
    provider.grace = True
    assert get_access_token(signed_in) in provider.access
    assert OAuthToken.objects.get().renewal_begun_at is None


def test_a_lost_database_connection_loses_no_refresh_token(signed_in, provider):
    expire_token(signed_in, seconds=-1)

    def cut():
        with database.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.rowcount == 1
        database.close()

    provider.before_answer = cut
    assert get_access_token(signed_in) in provider.access
    provider.before_answer = None
    expire_token(signed_in, seconds=-1)
    assert get_access_token(signed_in) in provider.access and provider.replayed == []


# --- providers that are away ------------------------------------------------------------------------------------------


@pytest.mark.matrix
@pytest.mark.parametrize("fault", ["500", "503", "429", "slow", "error", "html"])
def test_a_failure_that_passes_drops_no_grant(signed_in, provider, monkeypatch, fault):
    """The present token serves while it is valid; then the error may be retried, and nobody asks again at once."""
    present = get_access_token(signed_in)
    monkeypatch.setattr(exchange, "REPEAT_AFTER", 0.05)
    if fault == "slow":
        monkeypatch.setattr(exchange, "CALL_SECONDS", 0.3)
        provider.slow = 1.0
    elif fault == "error":
        provider.refusal = {"error": "temporarily_unavailable"}
    elif fault == "html":
        provider.refusal = ["no object"]
    else:
        provider.status = int(fault)
    expire_token(signed_in)
    assert get_access_token(Connection.objects.get(pk=signed_in.pk)) == present
    asked = provider.count("refresh_token")
    assert get_access_token(signed_in) == present and provider.count("refresh_token") == asked
    expire_token(signed_in, seconds=-1)
    with pytest.raises(ConnectorError, match="a moment ago") as caught:
        get_access_token(signed_in)
    assert caught.value.retryable and provider.count("refresh_token") == asked
    OAuthToken.objects.update(retry_at=None)
    with pytest.raises(ConnectorError) as caught:
        get_access_token(signed_in)
    assert (caught.value.code, caught.value.retryable) == ("oauth_unavailable", True)
    signed_in.refresh_from_db()
    assert signed_in.health == "working" and OAuthToken.objects.get().refresh is not None
    provider.status, provider.refusal, provider.slow, provider.grace = None, None, 0.0, True
    monkeypatch.undo()
    OAuthToken.objects.update(retry_at=None)
    assert get_access_token(signed_in) in provider.access


def test_a_request_that_was_not_processed_is_repeated_at_once(signed_in, provider, monkeypatch):
    monkeypatch.setattr(exchange, "REPEAT_AFTER", 0.05)
    for status in (429, 503):
        provider.statuses = [status]
        expire_token(signed_in, seconds=-1)
        assert get_access_token(signed_in) in provider.access
    assert provider.count("refresh_token") == 4 and provider.replayed == []


def test_a_provider_says_how_long_to_wait(signed_in, provider):
    expire_token(signed_in, seconds=-1)
    provider.status, provider.retry_after = 429, "60"
    with pytest.raises(ConnectorError) as caught:
        get_access_token(signed_in)
    assert caught.value.retry_after == 60 and provider.count("refresh_token") == 1
    paused = OAuthToken.objects.filter(retry_at__gt=Now() + dt.timedelta(seconds=45))
    assert paused.filter(retry_at__lt=Now() + dt.timedelta(seconds=61)).exists()


def test_a_short_lifetime_is_no_reason_to_renew_each_time(oauth, provider):
    provider.lifetime = 90
    connection = oauth(grant="client_credentials")
    assert len({get_access_token(connection) for _ in range(5)}) == 1 and len(provider.asked) == 1
    provider.extra = {"expires_in": 0}  # by which some providers mean: for ever
    OAuthToken.objects.update(expires_at=Now())
    assert get_access_token(connection) in provider.access and OAuthToken.objects.get().expires_at is None


def test_a_renewal_that_is_rejected_is_asked_for_once_by_many(signed_in, provider):
    expire_token(signed_in, seconds=-1)
    provider.refusing.add("refresh_token")
    provider.slow = 0.3
    codes = []

    def use(loaded):
        try:
            get_access_token(loaded)
        except ConnectorError as error:
            codes.append(error.code)
        finally:
            databases.close_all()

    threads = [threading.Thread(target=use, args=[Connection.objects.get(pk=signed_in.pk)]) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert codes == ["needs_reconnect"] * 6 and provider.count("refresh_token") == 1


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_every_code_says_what_happened_and_what_to_do(oauth, provider):
    """No text of a provider is shown where the code is known; for an unknown one, it is."""
    connection, raw, missed = oauth(grant="client_credentials"), "RFC 6749 says so", []
    for code in sorted(KNOWN_CODES | {"err_4711"}):
        provider.refusal = {"error": code, "error_description": raw, "error_uri": "https://docs.example.com/4711"}
        OAuthToken.objects.update(retry_at=None)
        with pytest.raises(ConnectorError) as caught:
            get_access_token(Connection.objects.get(pk=connection.pk))
        Connection.objects.update(health="unknown")
        error = caught.value
        passes = code in TRANSIENT_CODES
        if not (
            f"({code})" in error.message
            and error.message.count(". ") >= (2 if passes or code == "err_4711" else 1)
            and (raw in error.message) is (code == "err_4711")
            and error.code == ("oauth_unavailable" if passes else "needs_reconnect")
            and error.details["error"] == code
        ):
            missed.append((code, error.message))
    assert missed == []
