"""Rotation of keys: all secrets come under the newest key, values untouched, whatever interrupts it."""

from __future__ import annotations

import io
import signal
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.keyring import generate_key, keyring
from tests.conftest import ROOT
from tests.support.processes import process, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def many(owner):
    """So many secrets, in one insert."""

    def make(count):
        secrets = [StoredSecret(name=f"s{number}", owner=owner) for number in range(count)]
        for secret in secrets:
            secret.put(f"the-value-of-{secret.name}")
        StoredSecret.objects.bulk_create(secrets)
        return secrets

    return make


@pytest.fixture
def new_key(settings):
    """Put a new key first; gives its id."""

    def put_first():
        settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *settings.AUTOMATE_SECRETS_KEYS]
        return keyring().active

    return put_first


def rotate(**options):
    out = io.StringIO()
    try:
        call_command("automate_rotate_keys", stdout=out, stderr=out, **options)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def state():
    return {row.name: (row.key_id, bytes(row.box), row.version, row.replaced_at) for row in StoredSecret.objects.all()}


@pytest.mark.extended
def test_all_come_under_the_newest_key_and_nothing_else_changes(many, new_key):
    many(250)
    before, [old] = state(), {secret.key_id for secret in StoredSecret.objects.all()}
    new = new_key()
    code, said = rotate()
    assert code == 0
    assert [line for line in said.splitlines() if line.startswith("re-encrypted")] == [
        "re-encrypted 100 of 250", "re-encrypted 200 of 250", "re-encrypted 250 of 250",
    ]  # fmt: skip
    assert f"key {new} (the newest): 250 secret(s)" in said and f"key {old} is only needed for older backups" in said
    after = state()
    assert {key_id for key_id, *_ in after.values()} == {new}
    assert {name: rest for name, (_, *rest) in after.items()} == {name: rest for name, (_, *rest) in before.items()}
    assert all(secret.reveal() == f"the-value-of-{secret.name}" for secret in StoredSecret.objects.all())
    entries = AuditEntry.objects.filter(verb="secrets.rewrapped").order_by("id")
    assert [entry.changes for entry in entries] == [{"key": new, "secrets": n} for n in (100, 100, 50)]


def test_the_old_key_may_go_afterwards(many, new_key, settings):
    many(3)
    new_key()
    rotate()
    settings.AUTOMATE_SECRETS_KEYS = settings.AUTOMATE_SECRETS_KEYS[:1]
    assert all(secret.reveal() == f"the-value-of-{secret.name}" for secret in StoredSecret.objects.all())


def test_twice_is_once(many, new_key):
    many(3)
    new = new_key()
    rotate()
    before = [bytes(secret.wrapped_key) for secret in StoredSecret.objects.order_by("pk")]
    code, said = rotate()
    assert (code, "re-encrypted" in said) == (0, False) and f"key {new} (the newest): 3" in said
    assert [bytes(secret.wrapped_key) for secret in StoredSecret.objects.order_by("pk")] == before
    assert AuditEntry.objects.filter(verb="secrets.rewrapped").count() == 1


def test_a_dry_run_says_and_changes_nothing(many, new_key):
    many(2)
    before = state()
    new_key()
    code, said = rotate(dry_run=True)
    assert code == 0 and "(old): 2 secret(s)" in said and state() == before


def test_one_that_cannot_be_opened_holds_no_other_up(many, new_key, settings):
    many(3)
    StoredSecret.objects.filter(name="s1").update(wrapped_key=b"x" * 60)
    new = new_key()
    code, said = rotate()
    assert (
        code == 1
        and "s1: The stored secret cannot be decrypted" in said
        and "1 secret(s) could not be re-encrypted" in said
    )
    assert {name: key_id == new for name, (key_id, *_) in state().items()} == {"s0": True, "s1": False, "s2": True}
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    code, said = rotate()
    assert code == 1 and f"was stored with key {new}" in said


@pytest.mark.parametrize(
    ("keys", "reason"), [([], "No key for secrets is configured"), (["short"], "must be 32 bytes")]
)
def test_without_a_good_key_nothing_is_tried(many, settings, keys, reason):
    many(1)
    settings.AUTOMATE_SECRETS_KEYS = keys
    code, said = rotate()
    assert code == 2 and reason in said.replace("is not 32", "not 32")


def test_a_value_that_is_replaced_meanwhile_stays_replaced(many, new_key, monkeypatch):
    from automate_governance.secrets import rotation

    many(3)
    new = new_key()
    monkeypatch.setattr(rotation, "BATCH", 1)
    steps = rotation.rewrap_all()
    next(steps)
    replaced = StoredSecret.objects.get(name="s2")
    replaced.put("replaced-meanwhile")
    replaced.save()
    list(steps)
    assert StoredSecret.objects.get(name="s2").reveal() == "replaced-meanwhile"
    assert {key_id for key_id, *_ in state().values()} == {new}


@pytest.mark.extended
@pytest.mark.process
def test_a_rotation_that_was_killed_goes_on(many, settings, environment, manage):
    many(900)
    old, new = settings.AUTOMATE_SECRETS_KEYS[0], generate_key()
    keys = {**environment, "AUTOMATE_SECRETS_KEYS": f"{new},{old}"}
    with transaction.atomic():
        StoredSecret.objects.select_for_update().get(name="s550")  # the rotation comes no further than to this one
        with process([*manage, "automate_rotate_keys"], keys) as killed:
            assert killed.stdout.readline().startswith("re-encrypted 100 of 900")
            killed.send_signal(signal.SIGKILL)
            killed.wait(180)
    settings.AUTOMATE_SECRETS_KEYS = [new, old]
    wait_for(lambda: _under(keyring().active) >= 100)
    done = _under(keyring().active)
    assert done % 100 == 0 and done < 900, "whole batches, and not all of them"
    assert all(secret.reveal() == f"the-value-of-{secret.name}" for secret in StoredSecret.objects.all()), (
        "both keys read"
    )
    ended = subprocess.run([*manage, "automate_rotate_keys"], env=keys, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0 and f"re-encrypted 100 of {900 - done}" in ended.stdout, ended.stdout + ended.stderr
    assert _under(keyring().active) == 900
    assert sum(entry.changes["secrets"] for entry in AuditEntry.objects.filter(verb="secrets.rewrapped")) == 900


def _under(key_id):
    return StoredSecret.objects.filter(key_id=key_id).count()


def test_a_new_key_comes_with_what_to_do(capsys):
    call_command("automate_generate_key")
    said = capsys.readouterr()
    key = said.out.strip()
    from automate_governance.secrets.keyring import Keyring

    assert Keyring((key,)).active in said.err and "automate_rotate_keys" in said.err


def test_the_keys_may_lie_in_a_file(tmp_path, monkeypatch):
    from automate_site import environment

    monkeypatch.delenv("AUTOMATE_SECRETS_KEYS", raising=False)
    path = Path(tmp_path / "keys")
    path.write_text("first-key\nsecond-key,third-key\n")
    monkeypatch.setenv("AUTOMATE_SECRETS_KEYS_FILE", str(path))
    assert environment.secrets_keys() == ["first-key", "second-key", "third-key"]
