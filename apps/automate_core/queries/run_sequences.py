"""The sequences of runs, by which open pages learn of changes, and a snapshot to read a page from."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction

from automate_core import database

_SEQUENCES = "SELECT id, seq FROM automate_core_executionrun WHERE id = ANY(%(runs)s)"


def read_sequences(reader: psycopg.Connection[Any], runs: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """The sequence of each of these runs. Raises psycopg.Error."""
    return {row.id: row.seq for row in database.run(reader, _SEQUENCES, {"runs": list(runs)})}


@contextmanager
def read_only_snapshot() -> Iterator[None]:
    """Queries inside see the database as it is at one moment."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
