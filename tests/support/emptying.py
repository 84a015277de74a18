"""Empties the database after each test that commits, by what that test left.

Django's flush truncates every table and seeds them all anew, which takes a dozen times as long as most of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pgtrigger
import pytest

LARGE_BYTES = 1_000_000  # such a table is truncated by Django's flush, so that its pages and its statistics go


@pytest.fixture(autouse=True, scope="session")
def _only_what_is_left_is_emptied(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    from django.test import TransactionTestCase

    with django_db_blocker.unblock():
        emptier = _Emptier()
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def empty(case: TransactionTestCase) -> None:
        if not emptier.empty():
            flush(case)
            emptier.remember()

    with pytest.MonkeyPatch.context() as patch:
        if emptier.is_allowed:
            patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
            patch.setattr(TransactionTestCase, "_should_reload_connections", lambda case: False)
        yield


class _Emptier:
    """Knows what `migrate` seeded: copies in a schema of their own."""

    def __init__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            self.is_allowed: bool = cursor.fetchone()[0]  # to delete without triggers and foreign keys
            self.tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self.remember()

    def remember(self) -> None:
        """The database is as `migrate` leaves it: this is what it is to be again."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f'EXISTS (SELECT FROM "{table}")' for table in self.tables))
            seeded = dict(zip(self.tables, cursor.fetchone(), strict=True))
            cursor.execute("DROP SCHEMA IF EXISTS seeded CASCADE; CREATE SCHEMA seeded")
            steps = ""
            for table, is_seeded in seeded.items():
                if is_seeded:
                    cursor.execute(f'CREATE TABLE seeded."{table}" AS TABLE "{table}"')
                steps += (_RESTORE if is_seeded else _DELETE).format(table=f'"{table}"', large=LARGE_BYTES)
            cursor.execute(_FUNCTION.format(steps=steps))

    def empty(self) -> bool:
        """Whether it did: something large is for the flush."""
        from django.db import OperationalError, connection

        from automate_core.triggers import model_capture
        from automate_core.triggers.model_registry import watched_models

        if connection.connection is not None and connection.connection.info.transaction_status != _IDLE:
            connection.close()
        try:
            is_empty, is_watched = self._call()
        except OperationalError:  # the test ended its session
            connection.close()
            is_empty, is_watched = self._call()
        if is_empty and (is_watched or watched_models("database")):
            model_capture.install_capture_triggers()
        return is_empty

    def _call(self) -> tuple[bool, bool]:
        from django.db import connection

        with pgtrigger.ignore(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM seeded.empty()")
            is_empty, is_watched = cursor.fetchone()
        return is_empty, is_watched


_IDLE = 0  # libpq's PQTRANS_IDLE

# What a session learnt of the tables costs more than most tests: the next test goes on with it.
_FUNCTION = """
CREATE FUNCTION seeded.empty(OUT is_empty boolean, OUT is_watched boolean) LANGUAGE plpgsql AS $$
BEGIN
    is_empty := true;
{steps}
    PERFORM pg_advisory_unlock_all();
    SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'automate_capture') INTO is_watched;
END
$$
"""

_DELETE = """
    IF EXISTS (SELECT FROM {table}) THEN
        is_empty := is_empty AND pg_relation_size('{table}') <= {large};
        DELETE FROM {table};
    END IF;
"""

_RESTORE = """
    DELETE FROM {table} AS own WHERE (own.*)::text NOT IN (SELECT (kept.*)::text FROM seeded.{table} kept);
    INSERT INTO {table} SELECT * FROM seeded.{table} kept
    WHERE (kept.*)::text NOT IN (SELECT (own.*)::text FROM {table} AS own);
"""
