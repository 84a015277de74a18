"""The archive: a tar, compressed and perhaps encrypted, of a manifest, keys, a dump of the database, and files."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from automate_core import artifacts
from automate_operations.backup import keys, programs
from automate_operations.backup.encryption import MAGIC, SealedReader, SealedWriter
from automate_operations.backup.errors import BackupError

FORMAT = 1
MANIFEST, DUMP, KEYS, FILES = "manifest.json", "database.dump", "keys/", "files/"


def write_archive(target: Path, *, passphrase: str = "", with_keys: bool = True) -> int:
    """Write an archive that others cannot read, and give the number of stored files. Raises BackupError, OSError.

    Files come after the database, so that all that its rows name are there, but for those that retention deleted in
    between. A target that is there already is refused.
    """
    if target.exists():
        raise BackupError(f"{target} already exists. Choose another file.")
    partial = target.with_name(f"{target.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            writer = SealedWriter(file, passphrase) if passphrase else None
            with tarfile.open(fileobj=cast(IO[bytes], writer or file), mode="w|gz") as tar:
                count = _fill(tar, with_keys=with_keys)
            if writer:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _fill(tar: tarfile.TarFile, *, with_keys: bool) -> int:
    _add(tar, MANIFEST, json.dumps(_manifest()).encode())
    for name, value in keys.current_keys().items() if with_keys else ():
        _add(tar, f"{KEYS}{name}", value.encode())
    with tempfile.TemporaryDirectory() as folder:
        dumped = Path(folder) / DUMP
        programs.dump_database(dumped)
        tar.add(dumped, DUMP)
    count, storage = 0, artifacts.storage()
    for name in stored_files():
        with contextlib.suppress(FileNotFoundError), storage.open(name) as file:  # type: ignore[union-attr]
            _add(tar, f"{FILES}{name}", file.read())
            count += 1
    return count


def _manifest() -> dict[str, Any]:
    at = dt.datetime.now(dt.UTC).isoformat()
    return {"product": "django-automate", "format": FORMAT, "made_at": at, "migrations": applied_migrations()}


def applied_migrations() -> list[list[str]]:
    """The migrations that the database has seen: app and name of each."""
    return sorted([app, name] for app, name in MigrationRecorder(connection).applied_migrations())


def stored_files() -> Iterator[str]:
    """The names of all stored files. Raises BackupError where they cannot be listed: an archive would lack them."""
    try:
        yield from artifacts.list_names()
    except NotImplementedError:
        raise BackupError(
            "The storage of AUTOMATE_DOCUMENTS_STORAGE cannot list its files. Use a storage that can."
        ) from None


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


@contextlib.contextmanager
def open_archive(source: Path, passphrase: str) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """(name, file) of each part, in the order in which it was written. Raises BackupError, OSError."""
    with source.open("rb") as file:
        is_sealed = file.read(len(MAGIC)) == MAGIC
        if not is_sealed:
            file.seek(0)
        stream = SealedReader(file, passphrase) if is_sealed else file
        try:
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|gz") as tar:
                yield _parts(tar)
        except (tarfile.TarError, EOFError) as error:
            raise BackupError(f"{source} is not a complete backup archive: {error}.") from error


def is_sealed(source: Path) -> bool:
    """Whether it takes a passphrase. Raises OSError."""
    with source.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _parts(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for entry in tar:
        if (file := tar.extractfile(entry)) is not None:
            yield entry.name, file
