"""Test databases that Automate lives in: emptied between tests, and dropped in the end.

With Django's runner: `TEST_RUNNER = "automate_testing.databases.Runner"`. With pytest-django nothing is needed:
`automate_testing.pytest_plugin` is found by its entry point.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pgtrigger
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test.runner import DiscoverRunner

_APPEND_ONLY = ("automate_governance.AuditEntry:no_truncate", "automate_governance.AuditLink:no_truncate")


@contextlib.contextmanager
def flushable_audit_trail() -> Iterator[None]:
    """Let the flush between tests empty the append-only tables."""
    flush = DatabaseOperations.execute_sql_flush

    def bypassing(self: DatabaseOperations, sql_list: Any) -> None:
        with pgtrigger.ignore(*_APPEND_ONLY):
            flush(self, sql_list)

    DatabaseOperations.execute_sql_flush = bypassing  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        DatabaseOperations.execute_sql_flush = flush  # type: ignore[method-assign]


def end_other_sessions() -> None:
    """End the sessions of worker threads, so that the test database can be dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@contextlib.contextmanager
def prepared_databases(unblock: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Test databases between their creation and their end. `unblock` lets the end use the database."""
    with flushable_audit_trail():
        yield
    if connection.vendor == "postgresql":
        with unblock():
            end_other_sessions()


class Runner(DiscoverRunner):
    """Django's test runner, for databases with an audit trail and worker threads."""

    def run_suite(self, suite: Any, **kwargs: Any) -> Any:
        with flushable_audit_trail():
            return super().run_suite(suite, **kwargs)

    def teardown_databases(self, old_config: Any, **kwargs: Any) -> None:
        end_other_sessions()
        super().teardown_databases(old_config, **kwargs)
