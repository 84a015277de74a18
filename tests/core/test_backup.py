"""Backup and restore: one archive, an empty place, a report, and runs that go on where they were (F34)."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.management import CommandError, call_command
from django.db import connection, connections

from automate_core import artifacts, older_releases
from automate_core.models import Event, ExecutionRun, OutboxJob, PoolConsumer, Wait, WorkerState
from automate_core.runs.waits import callbacks
from automate_governance import audit
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.keyring import generate_key
from automate_operations.backup import archive as archives
from automate_operations.backup.encryption import MAGIC
from automate_site import environment as site
from tests.conftest import ROOT
from tests.support.processes import process, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

MID_RUN = """
name: Effect
slug: effect
triggers: [{{endpoint: github, event: issues}}]
steps:
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{url}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{url}/second'}}}}
"""
WAITING = """
name: Waiting
slug: waiting
triggers: [{endpoint: github, event: push}]
steps: [{kind: wait, key: answer, callback: true, timeout: 1h}]
"""
PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def _programs(settings, tmp_path):
    """The wheel's programs, and a storage of the test's own."""
    settings.AUTOMATE_PG_BIN = site.postgres_programs()
    settings.AUTOMATE_KEY_FILES = {}
    settings.STORAGES = {
        **settings.STORAGES,
        "automate": {**settings.STORAGES["automate"], "OPTIONS": {"location": tmp_path / "files"}},
    }


@contextlib.contextmanager
def _elsewhere(name):
    """Another database of the same server, empty at first, in place of the tests' own."""
    own = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    connections.close_all()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connections.close_all()
        connection.settings_dict["NAME"] = own
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.extended
def test_a_backup_of_leased_jobs_is_restored_and_its_runs_go_on(
    workflow, deliver, drain, sink, environment, manage, settings, tmp_path, monkeypatch, capsys
):
    """F34: the worker dies with an effect done and not recorded; the archive of that moment is restored elsewhere."""
    workflow(WAITING)
    deliver(event="push")
    drain()
    waiting = Wait.objects.get()
    workflow(MID_RUN.format(url=sink.url))
    assert deliver({"n": 1}, delivery="the-one").status_code == 202
    settled = {
        **environment,
        "AUTOMATE_EGRESS_ALLOW": sink.host,
        "AUTOMATE_LEASE_SECONDS": "4",
        "AUTOMATE_FAULT_MARKS": str(tmp_path),
    }
    doomed = subprocess.run(
        [*manage, "automate_worker"],
        env={**settled, "AUTOMATE_FAULTS": "effect.done(second)=kill"},
        cwd=ROOT,
        timeout=240,
    )
    assert doomed.returncode == -signal.SIGKILL and OutboxJob.objects.filter(status="leased").count() == 1
    artifacts.storage().save(f"{artifacts.FOLDER}/2026/11/27/large.json", ContentFile(b'{"large": true}'))
    PoolConsumer.objects.create(name="celery@old", pool="default")
    assert WorkerState.objects.exists(), "the killed worker is still listed"
    monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", PASSPHRASE)
    archive = tmp_path / "monday.automate"
    call_command("automate_backup", str(archive))
    content = archive.read_bytes()
    assert content.startswith(MAGIC) and settings.SECRET_KEY.encode() not in content
    assert archive.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="already exists"):
        call_command("automate_backup", str(archive))
    with pytest.raises(CommandError, match="Restore into an empty database"):
        call_command("automate_restore", str(archive))
    deliver({"n": 2})  # unknown to the backup
    settings.STORAGES = {
        **settings.STORAGES,
        "automate": {**settings.STORAGES["automate"], "OPTIONS": {"location": tmp_path / "restored"}},
    }
    capsys.readouterr()
    with _elsewhere("restored"):
        call_command("automate_restore", str(archive))
        said = capsys.readouterr().out
        assert (
            "Runs that continue when a worker starts: 1 running, 1 waiting." in said
            and "Jobs held by former workers: 1." in said
        )
        assert "in doubt, in progress at the time of the backup: 1." in said and "effect" in said
        assert not WorkerState.objects.exists() and not PoolConsumer.objects.exists(), "those of the old site"
        assert "Valid callback URLs: 1." in said and "1 stored files" in said
        assert (
            tmp_path / "restored" / artifacts.FOLDER / "2026" / "11" / "27" / "large.json"
        ).read_bytes() == b'{"large": true}'
        assert AuditEntry.objects.filter(verb="site.restored").exists() and list(audit.verify()) == []
        assert deliver({"n": 1}, delivery="the-one").status_code == 202, "known, and nothing new"
        assert callbacks.receive_callback(waiting.run_id, waiting.path, {"answered": True}).status == 202
        restored = environment["DATABASE_URL"].replace(
            f"/{Path(environment['DATABASE_URL'].partition('?')[0]).name}?", "/restored?"
        )
        with process([*manage, "automate_worker"], {**settled, "DATABASE_URL": restored}) as worker:
            wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 2, seconds=120)
            worker.terminate()
            worker.wait(60)
        assert ExecutionRun.objects.count() == Event.objects.count() == 2
    calls = [(path, key) for path, key, _ in sink.calls]
    assert [path for path, _ in calls] == ["/first", "/second", "/second"] and calls[1] == calls[2], "one key"


@pytest.mark.extended
def test_wrong_passphrases_keys_and_archives_change_nothing(owner, settings, tmp_path, monkeypatch, capsys):
    secret = StoredSecret(name="crm", owner=owner)
    secret.put("a-secret-of-the-archive")
    secret.save()
    archive, cut = tmp_path / "sealed", tmp_path / "cut"
    monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", "short")
    with pytest.raises(CommandError, match="must have at least"):
        call_command("automate_backup", str(archive))
    monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", PASSPHRASE)
    call_command("automate_backup", str(archive))
    cut.write_bytes(archive.read_bytes()[:-20])
    (tmp_path / "none").write_bytes(b"no archive at all")
    keys = settings.AUTOMATE_SECRETS_KEYS
    with _elsewhere("refused"):
        for name, why in (("cut", "incomplete or was changed|wrong"), ("none", "not a complete backup archive")):
            with pytest.raises(CommandError, match=why):
                call_command("automate_restore", str(tmp_path / name))
        monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", "another passphrase")
        with pytest.raises(CommandError, match="passphrase is wrong, or the archive is damaged"):
            call_command("automate_restore", str(archive))
        monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", PASSPHRASE)
        settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
        with pytest.raises(CommandError, match="--keys-to FOLDER"):
            call_command("automate_restore", str(archive))
        assert not connection.introspection.table_names()
        call_command("automate_restore", str(archive), keys_to=tmp_path / "keys")
        assert (tmp_path / "keys" / "AUTOMATE_SECRETS_KEYS").read_text().split() == list(keys)
        settings.AUTOMATE_KEY_FILES = {"AUTOMATE_SECRETS_KEYS": tmp_path / "secrets-key"}
        call_command("automate_restore", str(archive))
        said = capsys.readouterr().out
        assert "automate_recover_keys" not in said, "the key that was written is one of its own"
        assert f"Key written: AUTOMATE_SECRETS_KEYS: {tmp_path / 'secrets-key'}.\n" in said and ".replaced" not in said
        assert (tmp_path / "secrets-key").read_text().split() == list(keys)
        settings.AUTOMATE_SECRETS_KEYS = keys
        assert StoredSecret.objects.get(name="crm").reveal() == "a-secret-of-the-archive"
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    (tmp_path / "secrets-key").write_text("the-key-before")
    with _elsewhere("replaced"):
        call_command("automate_restore", str(archive))
        said = capsys.readouterr().out
        assert f"The key that was there is in {tmp_path / 'secrets-key.replaced'}; delete it if the folder was" in said
    assert (tmp_path / "secrets-key.replaced").read_text() == "the-key-before"
    settings.AUTOMATE_SECRETS_KEYS = keys


@pytest.mark.extended
def test_archives_of_other_versions(db, tmp_path, monkeypatch):
    """By the migrations that the site of then had recorded."""
    monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", PASSPHRASE)
    today = archives.applied_migrations()
    of_0_2_0 = [
        *today,
        ["automate_core", "0001_squashed_0030_announced_changes"],
        *map(list, older_releases.LAST.items()),
    ]
    of_0_1_0 = [["automate_core", "0001_initial"], ["automate_core", "0002_clock_and_storage"]]
    newer = [*today, ["automate_core", "0999_things_to_come"]]
    for name, recorded in (("of_0_2_0", of_0_2_0), ("of_0_1_0", of_0_1_0), ("newer", newer)):
        monkeypatch.setattr(archives, "applied_migrations", lambda recorded=recorded: recorded)
        call_command("automate_backup", str(tmp_path / name))
    with _elsewhere("of_other_versions"):
        for name, why in (("of_0_1_0", "Restore it with 0.2.0"), ("newer", "migration 0999_things_to_come")):
            with pytest.raises(CommandError, match=why):
                call_command("automate_restore", str(tmp_path / name))
        assert not connection.introspection.table_names()
        call_command("automate_restore", str(tmp_path / "of_0_2_0"))
        assert AuditEntry.objects.filter(verb="site.restored").exists()


def test_files_that_cannot_be_listed_are_not_left_out_in_silence(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOMATE_BACKUP_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.listdir", Storage.listdir)
    with pytest.raises(CommandError, match="cannot list its files"):
        call_command("automate_backup", str(tmp_path / "sealed"))
    assert not list(tmp_path.iterdir())


def test_a_folder_keeps_the_newest_archives(settings, tmp_path, monkeypatch, capsys):
    for day in ("01", "02", "03"):
        (tmp_path / f"automate-2026-11-{day}T021500Z.automate").touch()
    (tmp_path / "automate-monday.automate").touch()
    monkeypatch.setattr(
        "automate_operations.backup.archive.write_archive", lambda target, **_options: target.touch() or 0
    )
    call_command("automate_backup", str(tmp_path), "--without-keys", "--keep", "2")
    names = sorted(path.name for path in tmp_path.glob("*.automate"))
    assert len(names) == 3 and "automate-monday.automate" in names, "what has another name is not ours"
    assert names[0] == "automate-2026-11-03T021500Z.automate" and "Deleted 2 older archives." in capsys.readouterr().out
    for wrong in ((str(tmp_path), "--keep", "0"), (str(tmp_path / "one.automate"), "--keep", "2")):
        with pytest.raises(CommandError, match="--keep takes a number from 1") as refused:
            call_command("automate_backup", *wrong)
        assert refused.value.returncode == 2
