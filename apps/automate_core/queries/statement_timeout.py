"""A limit on how long a query of a screen may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

SECONDS = 3.0  #: after which the database stops looking


@contextmanager
def bounded_queries() -> Iterator[None]:
    """Limit each query in the block to SECONDS. Raises OperationalError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        [before] = cursor.fetchone()
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS * 1000:.0f}"])
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
