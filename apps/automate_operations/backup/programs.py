"""pg_dump and pg_restore: found where the settings or PATH have them, and run on Django's default database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # noqa: TID251 - PostgreSQL's own programs, on the site's own database
from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from automate_core.conf import setting
from automate_operations.backup.errors import BackupError

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "HOME", "SYSTEMROOT")


def dump_database(to: Path) -> None:
    """Write the whole database, as it is at one moment, in PostgreSQL's own compressed format. Raises BackupError."""
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={to}", database=("-d",))


def restore_database(dumped: Path) -> None:
    """Put a dump into the database, all or nothing. Raises BackupError."""
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run("pg_restore", *options, str(dumped), database=("-d",))


def _run(program: str, *arguments: str, database: tuple[str, ...]) -> None:
    [_, *where], secrets = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    *where, name = where
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    done = subprocess.run(  # noqa: S603 - a program that we found, with our own arguments
        [_find(program), *where, *database, name, *arguments],
        env={**environment, **(secrets or {}), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {(done.stderr.strip().splitlines() or ['unknown reason'])[0]}")


def _find(program: str) -> str:
    """The path of a program that is not older than the server. Raises BackupError."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        [[needed]] = cursor.fetchall()
    for path in _candidates(program):
        output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        version = re.search(r"(\d+)(\.\d+)?", output)
        if version and int(version[1]) >= needed:
            return path
    raise BackupError(
        f"{program} of PostgreSQL {needed} or newer was not found. Install the client programs of PostgreSQL, or set "
        "AUTOMATE_PG_BIN to their folder."
    )


def _candidates(program: str) -> Iterator[str]:
    folder = setting("AUTOMATE_PG_BIN")
    for found in (shutil.which(program, path=folder) if folder else None, shutil.which(program)):
        if found:
            yield found
