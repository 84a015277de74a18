"""A database connection that is kept from statement to statement, in an event loop and for one user at a time.

A pool would retry ever more seldom while the database is away, and would hand out connections that have ended.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from automate_core import database

PATIENCE_SECONDS = 5.0  #: that a user waits for a database that is away
RETRY_SECONDS = 0.2


class KeptConnection:
    """Opened when it is first asked for."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def open(self) -> psycopg.AsyncConnection[Any]:
        """The connection; a new one if it ended since the last statement, which its next user must not pay for.

        Raises psycopg.OperationalError.
        """
        if self._connection is not None and _has_ended(self._connection):
            await self.close()
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def close(self) -> None:
        """Close it. It can be opened again."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await psycopg.AsyncConnection.connect(  # noqa: TID251 - the site's own database
                    **database.parameters(self._options)
                )
            except psycopg.OperationalError as error:
                if not database.is_away(error) or time.monotonic() + RETRY_SECONDS > until:
                    raise
            await asyncio.sleep(RETRY_SECONDS)


def _has_ended(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether a statement could no longer succeed on it. Costs no round trip.

    Nothing arrives on an idle connection but its end, and what PostgreSQL says before it.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        return True
    arrived = select.poll()
    arrived.register(connection.fileno(), select.POLLIN)
    return bool(arrived.poll(0))
