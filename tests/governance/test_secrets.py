"""Secrets: sealed in envelopes, bound to their row, never printed; references and where values come from."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
import pickle

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automate_governance.models import StoredSecret
from automate_governance.redaction.redactor import MASK
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.keyring import Keyring, KeyUnavailableError, SecretLocation, generate_key
from automate_governance.secrets.resolver import backends, is_reference, resolve

VALUE = 's3cret-value/with+odd "characters" & <ümläuts>'
PLACE = SecretLocation("table", 1, "name", 1)


@pytest.fixture
def stored(owner):
    def make(name="token", value=VALUE):
        made = StoredSecret(name=name, owner=owner)
        made.put(value)
        made.save()
        return made

    return make


@pytest.mark.django_db
def test_a_stored_secret_is_not_in_the_database(stored):
    stored()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(box, 'escape') || encode(box, 'hex') || encode(wrapped_key, 'hex') || name"
            " FROM automate_governance_storedsecret"
        )
        [[row]] = cursor.fetchall()
    assert "s3cret" not in row and VALUE.encode().hex() not in row
    assert StoredSecret.objects.get().reveal() == VALUE
    assert resolve("database:token").reveal() == VALUE


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [("box",), ("wrapped_key",), ("wrapped_key", "box")])
def test_a_secret_opens_in_its_own_row_alone(stored, columns):
    mine, other = stored(), stored("other", "another")
    for column in columns:
        setattr(other, column, getattr(mine, column))
    with pytest.raises(ValueError, match="altered or moved"):
        other.reveal()


@pytest.mark.django_db
def test_neither_name_nor_row_nor_version_can_be_exchanged(stored):
    stored()
    for column, value in (("name", "payroll"), ("pk", 999), ("version", 2)):
        secret = StoredSecret.objects.get()
        setattr(secret, column, value)
        with pytest.raises(ValueError, match="altered or moved"):
            secret.reveal()


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["box", "wrapped_key"])
@pytest.mark.parametrize("cut", [0, 5, 20])
def test_what_was_altered_or_cut_does_not_open(stored, column, cut):
    secret = stored()
    whole = bytes(getattr(secret, column))
    for altered in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:cut]):
        setattr(secret, column, altered)
        with pytest.raises(ValueError, match="altered or moved"):
            secret.reveal()


@pytest.mark.django_db
def test_each_value_has_a_data_key_of_its_own(stored):
    secret = stored()
    first = (bytes(secret.wrapped_key), bytes(secret.box))
    secret.put(VALUE)
    assert (secret.version, secret.reveal()) == (2, VALUE)
    assert bytes(secret.wrapped_key) != first[0] and bytes(secret.box) != first[1]


@pytest.mark.django_db
def test_old_keys_read_and_the_newest_writes(stored, settings):
    secret = stored()
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *settings.AUTOMATE_SECRETS_KEYS]
    assert secret.reveal() == VALUE
    first = secret.key_id
    secret.put("new")
    assert secret.key_id != first and secret.reveal() == "new" and secret.version == 2


@pytest.mark.django_db
def test_a_lost_key_is_named(stored, settings):
    secret = stored()
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    with pytest.raises(KeyUnavailableError, match=secret.key_id):
        secret.reveal()
    [error] = [check for check in run_checks(databases=["default"]) if check.id == "automate_governance.E001"]
    assert secret.key_id in error.msg and "1 stored secret(s)" in error.msg


@pytest.mark.parametrize("bad", ["", "short", "!!!!", base64.urlsafe_b64encode(b"x" * 16).decode()])
def test_a_malformed_key_is_refused(bad):
    with pytest.raises(ImproperlyConfigured, match=r"number 2 .* 32 bytes"):
        Keyring((generate_key(), bad))


def test_a_nonce_is_never_used_twice():
    ring = Keyring((generate_key(),))
    sealed = [ring.seal("same", PLACE) for _ in range(100)]
    assert len({each.box[:12] for each in sealed}) == len({each.wrapped_key[:12] for each in sealed}) == 100


def test_rewrapping_leaves_the_value_box_alone():
    old = generate_key()
    sealed = Keyring((old,)).seal("value", PLACE)
    both = Keyring((generate_key(), old))
    moved = both.rewrap(sealed, PLACE)
    assert moved.box == sealed.box and moved.wrapped_key != sealed.wrapped_key and moved.key_id == both.active
    assert both.open(moved, PLACE) == both.open(sealed, PLACE) == "value"


@pytest.mark.django_db
def test_the_last_use_is_known_and_costs_one_write_in_five_minutes(stored):
    stored()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for _ in range(20):
            resolve("database:token")
    writes = [query for query in asked if query["sql"].startswith("UPDATE")]
    assert (len(asked), len(writes)) == (21, 1)
    secret = StoredSecret.objects.get()
    assert timezone.now() - secret.last_used_at < dt.timedelta(minutes=1)
    replaced_at = secret.replaced_at
    StoredSecret.objects.update(last_used_at=timezone.now() - dt.timedelta(minutes=6))
    resolve("database:token")
    secret.refresh_from_db()
    assert timezone.now() - secret.last_used_at < dt.timedelta(minutes=1) and secret.replaced_at == replaced_at


def test_the_environment_gives_only_what_is_meant(monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_SLACK_TOKEN", "from-the-environment")
    monkeypatch.setenv("HOME_SECRET", "not ours")
    monkeypatch.setenv("AUTOMATE_SECRET_KEY", "the key that signs sessions")
    assert resolve("env:slack-token").reveal() == "from-the-environment"
    with pytest.raises(SecretNotFoundError, match="AUTOMATE_SECRET_HOME_SECRET"):
        resolve("env:HOME_SECRET")
    with pytest.raises(SecretNotFoundError, match="the site's own key"):
        resolve("env:key")


@pytest.mark.django_db
def test_references():
    assert is_reference("env:x") and is_reference("database:x") and is_reference("vault:x#y")
    assert not is_reference("https://example.com") and not is_reference("env:") and not is_reference("x")
    with pytest.raises(SecretNotFoundError, match="no stored secret named 'nope'"):
        resolve("database:nope")
    with pytest.raises(SecretNotFoundError, match="Installed: database, env, vault"):
        resolve("nowhere:x")
    assert {"env", "database", "vault"} <= set(backends.names())


def test_a_backend_that_breaks_says_nothing_of_what_it_knows(monkeypatch):
    class Broken:
        def get_secret(self, key):
            raise RuntimeError("connected as root with hunter2hunter2")

    monkeypatch.setitem(backends._usable, "broken", Broken())
    with pytest.raises(SecretUnavailableError) as caught:
        resolve("broken:x")
    assert str(caught.value) == "'broken:x' cannot be read now: RuntimeError"


def test_a_value_does_not_print_itself(monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_X", "do-not-print-me")
    value = resolve("env:x")
    for text in (
        repr(value),
        str(value),
        f"{value}",
        f"{value:>3}",
        str(copy.copy(value)),
        str(copy.deepcopy(value)),
    ):
        assert text == MASK
    for dump in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError):
            dump(value)
