"""Empties the database after each test that commits, by what that test left.

Django's flush truncates every table and seeds them all anew, which takes a dozen times as long as most of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
            self.seeded = self._filled(cursor)
            cursor.execute("DROP SCHEMA IF EXISTS seeded CASCADE; CREATE SCHEMA seeded")
            for table in self.seeded:
                cursor.execute(f'CREATE TABLE seeded."{table}" AS TABLE "{table}"')

    def empty(self) -> bool:
        """Whether it did: something large is for the flush."""
        from django.db import connection, transaction

        from automate_core.triggers import model_capture

        with transaction.atomic(), connection.cursor() as cursor:
            filled = self._filled(cursor)
            cursor.execute("SELECT max(pg_relation_size(quote_ident(name))) FROM unnest(%s::text[]) AS name", [filled])
            if cursor.fetchone()[0] > LARGE_BYTES:
                return False
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in filled:
                if table not in self.seeded:
                    cursor.execute(f'DELETE FROM "{table}"')
            for table in self.seeded:
                cursor.execute(_RESTORE.format(table=f'"{table}"'))
        model_capture.install_capture_triggers()
        return True

    def _filled(self, cursor: Any) -> list[str]:
        cursor.execute("SELECT " + ", ".join(f'EXISTS (SELECT FROM "{table}")' for table in self.tables))
        return [table for table, is_filled in zip(self.tables, cursor.fetchone(), strict=True) if is_filled]


_RESTORE = """
DELETE FROM {table} AS own WHERE (own.*)::text NOT IN (SELECT (kept.*)::text FROM seeded.{table} kept);
INSERT INTO {table} SELECT * FROM seeded.{table} kept
WHERE (kept.*)::text NOT IN (SELECT (own.*)::text FROM {table} AS own)
"""
