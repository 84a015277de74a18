"""Watched runs: one reader per process polls the sequences of all runs that pages and streams follow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from automate_core import database

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2  #: so that a page gets at most five patches a second
HEARTBEAT_SECONDS = 12.0
STREAM_SECONDS = 600.0
MOST_OF_ONE = 24  #: streams of one person or token; a browser opens four at the most

_SEQUENCES = "SELECT id, seq FROM automate_core_executionrun WHERE id = ANY(%(runs)s)"


@dataclass(eq=False)
class RunWatch:
    """One stream. `seq` is the latest sequence of its run, -1 before it is known; `woken` is set when it changes."""

    run_id: uuid.UUID
    holder: Hashable
    seq: int = -1
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, after: int, seconds: float) -> None:
        """Return when the sequence is above `after`, when the server stops, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.seq <= after and not hub.is_closing:
                    self.woken.clear()
                    await self.woken.wait()


class RunWatchHub:
    """All streams of a process: one query per poll, on one connection, whatever their number."""

    def __init__(self) -> None:
        self._watches: set[RunWatch] = set()
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_closing = False

    @contextlib.contextmanager
    def watch(self, run_id: uuid.UUID, holder: Hashable) -> Iterator[RunWatch]:
        """Watch a run in this block, in a coroutine. The streams of one `holder`, a person or a token, are limited."""
        self._loop = asyncio.get_running_loop()
        watch = RunWatch(run_id, holder)
        self._watches.add(watch)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def has_enough(self, holder: Hashable) -> bool:
        """Whether a person or a token has reached the limit of streams."""
        return sum(watch.holder == holder for watch in self._watches) >= MOST_OF_ONE

    def close(self) -> None:
        """End every stream now. Callable from a signal handler or another thread."""
        self.is_closing = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for watch in self._watches:
            watch.woken.set()

    async def _poll(self) -> None:
        """Poll while there are streams; retry while the database is unavailable."""
        reader: psycopg.Connection[Any] | None = None
        loop = asyncio.get_running_loop()
        try:
            while self._watches and not self.is_closing:
                began = loop.time()
                try:
                    if reader is None or reader.closed:
                        reader = await asyncio.to_thread(database.connect, {})
                    runs = {watch.run_id for watch in self._watches}
                    self._hand_out(await asyncio.to_thread(_read_sequences, reader, runs))
                except Exception as error:  # noqa: BLE001 - whatever it is, the streams go on
                    log.warning("the sequences of runs are read again: %s", str(error).strip())
                    if reader is not None:
                        reader.close()
                await asyncio.sleep(max(POLL_SECONDS, loop.time() - began))  # at most half of the time is for reading
        finally:
            if reader is not None:
                reader.close()

    def _hand_out(self, sequences: dict[uuid.UUID, int]) -> None:
        for watch in self._watches:
            if sequences.get(watch.run_id, -1) > watch.seq:
                watch.seq = sequences[watch.run_id]
                watch.woken.set()


def _read_sequences(reader: psycopg.Connection[Any], runs: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Raises psycopg.Error."""
    return {row.id: row.seq for row in database.run(reader, _SEQUENCES, {"runs": list(runs)})}


hub = RunWatchHub()
