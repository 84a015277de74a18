"""A limit on how long a query of a screen may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from automate_plugins import text
from automate_plugins.errors import AutomateError

SECONDS = 3.0  #: after which the database stops looking


class QueryTimeoutError(AutomateError, code="query_timeout"):
    """A query took longer than SECONDS; the message is for people."""


@contextmanager
def bounded_queries() -> Iterator[None]:
    """Limit each query in the block to SECONDS. Raises QueryTimeoutError."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            [before] = cursor.fetchone()
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS * 1000:.0f}"])
            yield
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
    except (OperationalError, QueryCanceled) as error:
        if not isinstance(error, QueryCanceled) and not isinstance(error.__cause__, QueryCanceled):
            raise
        raise QueryTimeoutError(text("The search took too long. Add a filter, for example a period.")) from error
