"""Watched runs: one reader per process polls the sequences of all runs that pages and streams follow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Hashable, Iterator
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


@dataclass(frozen=True)
class WatchedStream:
    """The parts of a stream as the content of a response, which gives the watch back even if no part was sent."""

    watch: RunWatch
    parts: AsyncIterator[str]

    def __aiter__(self) -> AsyncIterator[str]:
        return self.parts

    def close(self) -> None:
        """Called by Django with the response."""
        hub.forget(self.watch)


class RunWatchHub:
    """All streams of a process: one query per poll, on one connection, whatever their number."""

    def __init__(self) -> None:
        self._watches: set[RunWatch] = set()
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_closing = False

    def reserve(self, run_id: uuid.UUID, holder: Hashable) -> RunWatch | None:
        """A watch for one stream of `holder`, a person or a token; None if it has as many as it may.

        It counts until `forget`, so that streams which begin at the same time do not pass the limit together.
        """
        if sum(watch.holder == holder for watch in tuple(self._watches)) >= MOST_OF_ONE:
            return None
        watch = RunWatch(run_id, holder)
        self._watches.add(watch)
        return watch

    def forget(self, watch: RunWatch) -> None:
        """Give a watch back; also from another thread, and more than once."""
        self._watches.discard(watch)

    @contextlib.contextmanager
    def following(self, watch: RunWatch) -> Iterator[None]:
        """Keep the sequence of a watch up to date in this block, in a coroutine, and give the watch back."""
        self._loop = asyncio.get_running_loop()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self.forget(watch)

    def close(self) -> None:
        """End every stream now. Callable from a signal handler or another thread."""
        self.is_closing = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for watch in tuple(self._watches):
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
                    runs = {watch.run_id for watch in tuple(self._watches)}
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
        for watch in tuple(self._watches):
            if sequences.get(watch.run_id, -1) > watch.seq:
                watch.seq = sequences[watch.run_id]
                watch.woken.set()


def _read_sequences(reader: psycopg.Connection[Any], runs: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Raises psycopg.Error."""
    return {row.id: row.seq for row in database.run(reader, _SEQUENCES, {"runs": list(runs)})}


hub = RunWatchHub()
