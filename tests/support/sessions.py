"""Keeps sessions of PostgreSQL from test to test: what one has learnt of tables and plans costs more than most tests.

Workers, requests of a live server and threads of their own connect anew each time. In the process of the tests, a
session that is closed in good order waits here, as if it were new, for the next one who connects in the same way.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

_AS_NEW = "RESET ALL; RESET ROLE; UNLISTEN *; CLOSE ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all()"


class _Kept:
    """Sessions by the arguments that they were made with."""

    def __init__(self, connect: Any) -> None:
        self.connect_anew = connect
        self._idle: dict[str, list[psycopg.Connection[Any]]] = defaultdict(list)  # idle, and outside a transaction
        self._lock = threading.Lock()

    def connect(self, conninfo: str = "", **arguments: Any) -> psycopg.Connection[Any]:
        key = repr((conninfo, sorted((name, repr(value)) for name, value in arguments.items())))
        while (session := self._take(key)) is not None:
            if _is_alive(session):
                session.autocommit = arguments.get("autocommit", False)
                return session
        session = self.connect_anew(conninfo, **arguments)
        close = session.close

        def keep() -> None:
            if session.closed or not _is_as_new(session):
                close()
                return
            with self._lock:
                if session not in self._idle[key]:
                    self._idle[key].append(session)

        session.close = keep
        return session

    def _take(self, key: str) -> psycopg.Connection[Any] | None:
        with self._lock:
            return self._idle[key].pop() if self._idle[key] else None

    def close(self) -> None:
        """End the sessions that wait here."""
        for sessions in self._idle.values():
            for session in sessions:
                type(session).close(session)
        self._idle.clear()


def _is_alive(session: psycopg.Connection[Any]) -> bool:
    """Whether the server has not ended it meanwhile."""
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        type(session).close(session)
        return False
    return True


def _is_as_new(session: psycopg.Connection[Any]) -> bool:
    """Whether it was idle, and nothing is left of who had it."""
    try:
        if session.info.transaction_status != TransactionStatus.IDLE:
            return False
        session.autocommit = True
        session.pgconn.exec_(_AS_NEW.encode())
        list(session.notifies(timeout=0))
    except psycopg.Error:
        return False
    return True


@pytest.fixture(autouse=True, scope="session")
def _kept_sessions(django_db_setup: None) -> Iterator[_Kept]:
    kept = _Kept(psycopg.connect)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg, "connect", kept.connect)
        yield kept
    kept.close()


@pytest.fixture
def sessions_end(_kept_sessions: _Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects during this test gets a new session that ends when it is closed.

    For tests that count sessions, and for those that change what new ones begin with.
    """
    _kept_sessions.close()
    monkeypatch.setattr(psycopg, "connect", _kept_sessions.connect_anew)
