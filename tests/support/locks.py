"""Waiting for locks, seen from beside."""

from __future__ import annotations

from django.db import connection


def somebody_waits() -> bool:
    """Whether a session waits for a lock that another holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])
