"""System checks that ask the database: Django runs them at `migrate` and with `check --database`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, register
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, OperationalError, ProgrammingError, connections, transaction

type DatabaseCheck = Callable[..., list[CheckMessage]]


def asks_database(check: Callable[[], list[CheckMessage]]) -> DatabaseCheck:
    """A check that runs when the default database is asked for, and finds nothing where it cannot read its rows.

    `migrate` runs the checks before its migrations: the tables and columns of the installed version may be missing.
    A server that cannot be reached or is too old is reported by the command or by the check of its version.
    """

    # Not functools.wraps: Django would look for **kwargs in the signature of the wrapped function.
    def run(app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
        connection = connections[DEFAULT_DB_ALIAS]
        if DEFAULT_DB_ALIAS not in (databases or ()) or connection.vendor != "postgresql":
            return []
        try:
            # A statement that fails must not end the transaction of the caller, if there is one.
            with transaction.atomic(DEFAULT_DB_ALIAS) if connection.in_atomic_block else contextlib.nullcontext():
                return check()
        except (NotSupportedError, OperationalError, ProgrammingError):
            return []

    return run


def register_database_checks(*checks: Callable[[], list[CheckMessage]]) -> None:
    """Register checks that ask the database, each as `asks_database` runs it."""
    for check in checks:
        register(asks_database(check), Tags.database)
