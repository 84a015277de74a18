"""The edges of secrets: what is a reference, who may use one, and which key opens what."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automate_governance.models import AuditEntry, SitePermission, StoredSecret
from automate_governance.redaction.redactor import MASK, redactor_context
from automate_governance.redaction.site_secrets import site_secrets
from automate_governance.secrets import keyring as keys
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.keyring import (
    Envelope,
    Keyring,
    KeyUnavailableError,
    SecretLocation,
    generate_key,
    keyring,
)
from automate_governance.secrets.masking import learn_for_masking
from automate_governance.secrets.resolver import NOT_A_REFERENCE, backends, is_reference, resolve
from automate_governance.secrets.rotation import keys_in_use, rewrap_all
from automate_governance.secrets.stored import _mark_used as mark_used
from automate_governance.secrets.use import find_forbidden_references

PLACE = SecretLocation("table", 1, "name", 1)


@pytest.fixture
def stored(owner):
    def make(name="token", value="a-stored-value-9x"):
        made = StoredSecret(name=name, owner=owner)
        made.put(value)
        made.save()
        return made

    return make


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_has_32_bytes_and_is_known_by_the_start_of_its_hash():
    ring = Keyring((generate_key(), generate_key()))
    assert len(ring.by_id) == 2 and ring.active == next(iter(ring.by_id))
    assert all(len(key) == 32 and keys.key_id(key) == name and len(name) == 8 for name, key in ring.by_id.items())


def test_a_ring_without_keys_seals_nothing_and_says_so():
    assert Keyring(()).active is None
    with pytest.raises(KeyUnavailableError, match="No key for secrets is configured"):
        Keyring(()).seal("x", PLACE)
    with pytest.raises(KeyUnavailableError, match="Configured keys: none"):
        Keyring(()).open(Envelope("0" * 8, b"", b""), PLACE)


def test_a_value_is_sealed_with_a_nonce_of_12_bytes_and_a_tag():
    sealed = Keyring((generate_key(),)).seal("value", PLACE)
    assert (len(sealed.box), len(sealed.wrapped_key)) == (12 + 5 + 16, 12 + 32 + 16)


@pytest.mark.parametrize("given", [7, [7], {"a": "b"}, [b"bytes"]])
def test_keys_are_texts(given, settings):
    settings.AUTOMATE_SECRETS_KEYS = given
    with pytest.raises(ImproperlyConfigured, match="must be a list of keys"):
        keyring()


@pytest.mark.parametrize(("bad", "reason"), [("no base64!", "base64$"), ("QUJD", "not 3 bytes$")])
def test_a_key_that_is_none_is_named_by_its_place(settings, bad, reason):
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), bad]
    with pytest.raises(
        ImproperlyConfigured, match=f"^Key number 2 in AUTOMATE_SECRETS_KEYS must be 32 bytes.*{reason}"
    ):
        keyring()


def test_one_key_may_stand_alone(settings):
    settings.AUTOMATE_SECRETS_KEYS = one = generate_key()
    assert keyring().by_id == Keyring((one,)).by_id
    settings.AUTOMATE_SECRETS_KEYS = (f" {one} ",)
    assert keyring().by_id == Keyring((one,)).by_id


# --- references -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["env", "env:", ":x", "", "nowhere:x", "https://x"])
def test_what_is_no_reference(given):
    assert not is_reference(given)


def test_a_pasted_secret_is_not_repeated():
    with pytest.raises(SecretNotFoundError) as caught:
        resolve("hunter2hunter2")
    assert str(caught.value) == NOT_A_REFERENCE


@pytest.mark.parametrize("raised", [SecretNotFoundError("not there"), SecretUnavailableError("away")])
def test_what_a_backend_says_is_passed_on(monkeypatch, raised):
    class Backend:
        def get_secret(self, key):
            raise raised

    monkeypatch.setitem(backends._usable, "own", Backend())
    with pytest.raises(type(raised)) as caught:
        resolve("own:x")
    assert caught.value is raised


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(ValueError("bad key"), SecretNotFoundError), (KeyUnavailableError("no key"), SecretUnavailableError)],
)
def test_other_faults_of_a_backend_are_told_with_the_reference(monkeypatch, raised, kind):
    class Backend:
        def get_secret(self, key):
            raise raised

    monkeypatch.setitem(backends._usable, "own", Backend())
    with pytest.raises(kind) as caught:
        resolve("own:x")
    assert type(caught.value) is kind and str(caught.value) == f"'own:x': {raised}"


def test_what_is_resolved_is_masked(monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_X", "status")
    with redactor_context() as known:
        assert resolve("env:x").reveal() == "status"
        assert known.text("status") == MASK, "an ordinary word, too: whoever sets the environment runs the site"


def test_the_environment_is_read_by_its_prefix_alone(monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_A_1", "one")
    monkeypatch.setenv("XAUTOMATE_SECRET_B", "two")
    values = list(site_secrets())
    assert "one" in values and "two" not in values
    assert resolve("env:a.1").reveal() == resolve("env:A-1").reveal() == "one"


# --- stored secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "writes"), [(None, 1), (290, 0), (310, 1)])
def test_the_last_use_is_written_every_five_minutes(stored, seconds, writes):
    secret = stored()
    used = None if seconds is None else timezone.now() - dt.timedelta(seconds=seconds)
    StoredSecret.objects.filter(pk=secret.pk).update(last_used_at=used)
    with CaptureQueriesContext(connection) as asked:
        resolve("database:token")
    assert sum(query["sql"].startswith("UPDATE") for query in asked) == writes


@pytest.mark.django_db
def test_a_use_that_another_process_has_written_is_not_written_again(stored):
    secret = stored()
    before = timezone.now() - dt.timedelta(seconds=5)
    StoredSecret.objects.filter(pk=secret.pk).update(last_used_at=before)
    mark_used(secret)  # it was read when it had never been used
    secret.refresh_from_db()
    assert secret.last_used_at == before


@pytest.mark.django_db
def test_a_value_that_was_lost_with_its_key_is_to_be_entered_again(stored, settings):
    secret = stored()
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    with pytest.raises(SecretUnavailableError):
        resolve("database:token")
    StoredSecret.objects.filter(pk=secret.pk).update(lost_at=timezone.now())
    with pytest.raises(SecretNotFoundError, match="lost with its key"):
        resolve("database:token")


@pytest.mark.django_db
def test_a_secret_of_no_owner_takes_the_right_to_use_any(stored, owner, stranger, admin):
    stored()
    asked = {"token": ["database:token", "env:x"], "other": ["database:token"], "none": []}
    assert list(find_forbidden_references(admin, asked)) == []
    assert [field for field, _ in find_forbidden_references(stranger, asked)] == ["token", "token", "other"]
    [(field, reason)] = find_forbidden_references(owner, asked)
    assert (field, reason) == ("token", "Secret env:x does not exist, or you may not use it.")


@pytest.mark.django_db
def test_secrets_are_learned_for_masking_without_a_use(stored, monkeypatch, settings, caplog):
    stored("other", "another-value-8y")
    stored()
    monkeypatch.setenv("AUTOMATE_SECRET_X", "from-the-environment")
    with redactor_context() as known:
        learn_for_masking(["database:token", "env:x", "env:missing", "nowhere:x"])
        assert known.text("a-stored-value-9x from-the-environment") == f"{MASK} {MASK}"
        assert known.text("another-value-8y") == "another-value-8y"
    assert set(StoredSecret.objects.values_list("last_used_at", flat=True)) == {None}
    assert [record.getMessage().split(" cannot")[0] for record in caplog.records] == ["env:missing", "nowhere:x"]
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    caplog.clear()
    learn_for_masking(["database:token"])
    assert ["cannot be masked" in record.getMessage() for record in caplog.records] == [True]


# --- rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_secret_is_wrapped_again_in_batches_and_a_fault_holds_up_none(stored, settings, monkeypatch):
    monkeypatch.setattr("automate_governance.secrets.rotation.BATCH", 2)
    made = [stored(f"s{number}") for number in range(5)]
    old = made[0].key_id
    StoredSecret.objects.filter(pk=made[1].pk).update(wrapped_key=b"altered" * 9)
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *settings.AUTOMATE_SECRETS_KEYS]
    new = keyring().active
    seen = [(each.total, each.done, len(each.faults)) for each in rewrap_all()]
    assert seen == [(5, 1, 1), (5, 3, 1), (5, 4, 1)]
    assert keys_in_use() == {old: 1, new: 4}
    assert [
        entry.changes["secrets"] for entry in AuditEntry.objects.filter(verb="secrets.rewrapped").order_by("pk")
    ] == [1, 2, 1]
    assert {each.reveal() for each in StoredSecret.objects.exclude(pk=made[1].pk)} == {"a-stored-value-9x"}
    assert [(each.total, each.done) for each in rewrap_all()] == [(1, 0)]


@pytest.mark.django_db
def test_the_first_secret_of_a_site_is_wrapped_too_and_the_entry_is_the_sites(owner, settings):
    """The lock lets a grant on the secret, whose row refers to it, be written meanwhile."""
    first = StoredSecret(pk=1, name="first", owner=owner)
    first.put("a-stored-value-9x")
    first.save()
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *settings.AUTOMATE_SECRETS_KEYS]
    with CaptureQueriesContext(connection) as asked:
        assert [each.done for each in rewrap_all()] == [1]
    assert any("FOR NO KEY UPDATE" in query["sql"] for query in asked)
    entry = AuditEntry.objects.get(verb="secrets.rewrapped")
    assert (entry.object_type, entry.object_id) == (SitePermission._meta.label_lower, "1")


@pytest.mark.django_db
def test_without_a_key_nothing_is_wrapped(settings):
    settings.AUTOMATE_SECRETS_KEYS = []
    with pytest.raises(KeyUnavailableError, match="No key for secrets"):
        list(rewrap_all())
