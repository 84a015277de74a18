"""Secrets: encrypted at rest, bound to their row, never printed, masked wherever they turn up."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import urllib.parse

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from automate_governance.models import StoredSecret
from automate_governance.redaction import MASK, RedactingFilter, Redactor, redact, redact_json, redactor
from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_governance.secrets.keyring import Keyring, KeyUnavailableError, Sealed, generate_key
from automate_governance.secrets.resolver import backends, is_reference, resolve

VALUE = 's3cret-value/with+odd "characters" & <ümläuts>'


@pytest.fixture
def secret(owner):
    made = StoredSecret(name="token", owner=owner)
    made.put(VALUE)
    made.save()
    return made


@pytest.mark.django_db
def test_a_stored_secret_is_not_in_the_database(secret):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(box, 'escape') || encode(box, 'hex') || name FROM automate_governance_storedsecret"
        )
        [[row]] = cursor.fetchall()
    assert "s3cret" not in row and VALUE.encode().hex() not in row
    assert StoredSecret.objects.get().reveal() == VALUE
    assert resolve("database:token").reveal() == VALUE


@pytest.mark.django_db
def test_a_secret_opens_in_its_own_row_alone(secret, owner):
    other = StoredSecret(name="other", owner=owner)
    other.put("another")
    other.box = secret.box
    with pytest.raises(ValueError, match="altered or moved"):
        other.reveal()
    secret.box = secret.box[:-1] + bytes([secret.box[-1] ^ 1])
    with pytest.raises(ValueError, match="altered or moved"):
        secret.reveal()


@pytest.mark.django_db
def test_old_keys_read_and_the_newest_writes(secret, settings):
    old = settings.AUTOMATE_SECRETS_KEYS
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *old]
    assert secret.reveal() == VALUE
    first = secret.key_id
    secret.put("new")
    assert secret.key_id != first and secret.reveal() == "new" and secret.version == 2


@pytest.mark.django_db
def test_a_lost_key_is_named(secret, settings):
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    with pytest.raises(KeyUnavailableError, match=secret.key_id):
        secret.reveal()
    [error] = [check for check in run_checks(databases=["default"]) if check.id == "automate_governance.E001"]
    assert secret.key_id in error.msg and "1 of the stored secrets" in error.msg


@pytest.mark.parametrize("bad", ["", "short", "!!!!", base64.urlsafe_b64encode(b"x" * 16).decode()])
def test_a_malformed_key_is_refused(bad):
    with pytest.raises(ImproperlyConfigured, match="32 bytes"):
        Keyring((bad,))


def test_a_nonce_is_never_used_twice():
    ring = Keyring((generate_key(),))
    boxes = {ring.seal("same", bound_to="row").box for _ in range(100)}
    assert len({box[:12] for box in boxes}) == 100
    with pytest.raises(ValueError, match="altered or moved"):
        ring.open(Sealed(ring.active, next(iter(boxes))), bound_to="another row")


def test_the_environment_gives_only_what_is_meant(monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_SLACK_TOKEN", "from-the-environment")
    monkeypatch.setenv("HOME_SECRET", "not ours")
    assert resolve("env:slack-token").reveal() == "from-the-environment"
    with pytest.raises(SecretNotFoundError, match="AUTOMATE_SECRET_HOME_SECRET"):
        resolve("env:HOME_SECRET")


@pytest.mark.django_db
def test_references():
    assert is_reference("env:x") and is_reference("database:x")
    assert not is_reference("https://example.com") and not is_reference("env:") and not is_reference("x")
    with pytest.raises(SecretNotFoundError, match="no stored secret named 'nope'"):
        resolve("database:nope")
    with pytest.raises(SecretNotFoundError, match="installed: database, env"):
        resolve("vault:x")
    assert {"env", "database"} <= set(backends.names())


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


def _forms(value):
    raw = value.encode()
    yield value
    yield urllib.parse.quote(value)
    yield urllib.parse.quote(value, safe="")
    yield urllib.parse.quote_plus(value)
    yield json.dumps(value)
    yield json.dumps(value, ensure_ascii=False)
    yield raw.hex()
    for before in ("", "a", "ab"):
        for after in ("", "z"):
            encoded = base64.b64encode(f"{before}{value}{after}".encode()).decode()
            yield encoded
            yield encoded.replace("+", "-").replace("/", "_")


def test_every_spelling_is_masked():
    known = Redactor()
    known.learn(VALUE)
    for form in _forms(VALUE):
        masked = known.text(f"before {form} after")
        assert MASK in masked, form
        assert masked.startswith("before ") and masked.endswith(" after")
        longest = max((form[i : i + 12] for i in range(len(form) - 11)), key=lambda part: part in masked)
        assert longest not in masked or len(form) < 14, (form, masked)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2hunter2@example.com/x",
        "key sk-abcdefghijklmnopqrstuvwx",
        "ghp_abcdefghijklmnopqrstuvwxyz012345",
        "xoxb-123456789012-abcdef",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
)
def test_what_looks_like_a_secret_is_masked_unseen(text):
    masked = Redactor().text(text)
    assert MASK in masked and not any(part in masked for part in ("hunter2", "abcdefghij", "MfKQ9r8G"))


def test_json_stays_json_even_when_a_secret_is_a_number():
    redactor.learn("73519428")
    assert json.loads(redact_json('{"a": 7351942861, "b": "73519428", "c": 1}')) == {"a": MASK, "b": MASK, "c": 1}
    assert redact({"x": [73519428, None, True]}) == {"x": [MASK, None, True]}


def test_short_values_do_not_blank_out_ordinary_text():
    known = Redactor()
    known.learn("abc")
    assert known.text("abcdef") == "abcdef"


def test_log_lines_and_tracebacks_are_masked(caplog):
    redactor.learn("a-token-that-was-logged")
    try:
        raise ValueError("it was a-token-that-was-logged")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "token %s", ("a-token-that-was-logged",), __import__("sys").exc_info()
        )
    RedactingFilter().filter(record)
    text = logging.Formatter().format(record)
    assert "a-token" not in text and text.count(MASK) >= 2
