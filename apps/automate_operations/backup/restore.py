"""Restore of an archive into an empty place: keys, database, files, and the migrations of this version."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader

from automate_core import artifacts, older_releases
from automate_core.models import PoolConsumer, WorkerState
from automate_governance import audit
from automate_governance.models import SitePermission
from automate_operations.backup import archive, keys, programs
from automate_operations.backup.errors import BackupError

_TABLES = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
"""


@dataclass
class RestoreResult:
    """The result of a restore: when the archive was made, the keys that were written, and the number of files."""

    made_at: dt.datetime
    keys: list[str] = field(default_factory=list)
    key_ids: set[str] = field(default_factory=set)
    files: int = 0
    callbacks_died: bool = False


def restore_archive(source: Path, *, passphrase: str = "") -> RestoreResult:
    """Restore an archive into an empty database and an empty storage. Raises BackupError, OSError."""
    _check_empty()
    with archive.open_archive(source, passphrase) as parts:
        name, file = next(parts, ("", None))
        manifest = _manifest(file if name == archive.MANIFEST else None)
        stored, after = _keys(parts)
        keys.check_can_be_used(stored)
        result = RestoreResult(dt.datetime.fromisoformat(manifest["made_at"]))
        _database(after)
        result.key_ids = keys.key_ids(stored.get(keys.SECRETS, "")) | keys.key_ids(keys.current_keys()[keys.SECRETS])
        result.keys, result.callbacks_died = (
            keys.restore_keys(stored),
            bool(stored) and keys.differs_from_settings(stored),
        )
        result.files = sum(_file(name, file) for name, file in parts)
    call_command("migrate", verbosity=0, interactive=False)
    with transaction.atomic():
        for reports in (WorkerState, PoolConsumer):  # of processes of the site that the archive is from
            reports.objects.all().delete()
        changes = {"made_at": manifest["made_at"], "files": result.files}
        audit.record(None, "site.restored", SitePermission(pk=1), changes=changes)
    return result


def read_keys(source: Path, *, passphrase: str = "") -> dict[str, str]:
    """The keys in an archive; empty when it holds none. Raises BackupError, OSError."""
    with archive.open_archive(source, passphrase) as parts:
        name, file = next(parts, ("", None))
        _manifest(file if name == archive.MANIFEST else None, of_any_version=True)
        return _keys(parts)[0]


def _check_empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        [[tables]] = cursor.fetchall()
    if tables:
        raise BackupError(
            f"The database {connection.settings_dict['NAME']} has {tables} tables. Restore into an empty database: "
            "create one and set DATABASE_URL to it, or set AUTOMATE_DATA to a new folder."
        )
    if next(archive.stored_files(), None):
        raise BackupError("The storage contains files. Restore into an empty storage.")


def _manifest(file: IO[bytes] | None, *, of_any_version: bool = False) -> dict[str, Any]:
    manifest = json.load(file) if file else {}
    if manifest.get("product") != "django-automate" or manifest.get("format") != archive.FORMAT:
        raise BackupError("This version cannot read the file as an archive of automate_backup.")
    if not of_any_version:
        _check_version([(app, name) for app, name in manifest["migrations"]])
    return manifest


def _check_version(recorded: list[tuple[str, str]]) -> None:
    known = MigrationLoader(None).disk_migrations
    ours = {app for app, _ in known if app.startswith("automate_")}
    unknown = [key for key in recorded if key[0] in ours and key not in known]
    newer = [name for app, name in unknown if not older_releases.is_part_of_initial((app, name))]
    if newer:
        raise BackupError(f"A newer version created this archive (migration {newer[0]}). Install that version.")
    if older_releases.were_recorded_before(recorded):
        raise BackupError("A release before 0.2.0 created this archive. Restore it with 0.2.0, then upgrade.")


def _keys(parts: Iterator[tuple[str, IO[bytes]]]) -> tuple[dict[str, str], tuple[str, IO[bytes]]]:
    """The keys, and the part behind them."""
    found: dict[str, str] = {}
    for name, file in parts:
        if not name.startswith(archive.KEYS):
            return found, (name, file)
        found[name.removeprefix(archive.KEYS)] = file.read().decode()
    raise BackupError("The archive is incomplete: it ends before the database.")


def _database(part: tuple[str, IO[bytes]]) -> None:
    name, file = part
    if name != archive.DUMP:
        raise BackupError("The archive contains no database.")
    with tempfile.TemporaryDirectory() as folder:
        dumped = Path(folder) / archive.DUMP
        with dumped.open("wb") as target:
            shutil.copyfileobj(file, target)
        connections.close_all()
        programs.restore_database(dumped)


def _file(name: str, file: IO[bytes]) -> int:
    storage = artifacts.storage()
    if storage is None or not name.startswith(archive.FILES):
        return 0
    storage.save(name.removeprefix(archive.FILES), File(file))
    return 1
