"""Watched runs: one reader per process polls the sequences of all runs that streams follow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from automate_core import database
from automate_core.queries.run_sequences import read_sequences

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
MOST_OF_ONE = 24  #: streams of one token


@dataclass(eq=False)
class Watch:
    """One stream. `seq` is the latest sequence of its run, -1 before it is known."""

    run_id: uuid.UUID
    token_id: int
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
        self._watches: set[Watch] = set()
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_closing = False

    @contextlib.contextmanager
    def watch(self, run_id: uuid.UUID, token_id: int) -> Iterator[Watch]:
        """Watch a run in this block, in a coroutine."""
        self._loop = asyncio.get_running_loop()
        watch = Watch(run_id, token_id)
        self._watches.add(watch)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def has_enough(self, token_id: int) -> bool:
        """Whether a token has reached the limit of streams."""
        return sum(watch.token_id == token_id for watch in self._watches) >= MOST_OF_ONE

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
        """Poll while there are streams; retry while the database is away."""
        reader: psycopg.Connection[Any] | None = None
        try:
            while self._watches and not self.is_closing:
                try:
                    if reader is None or reader.closed:
                        reader = await asyncio.to_thread(database.connect, {})
                    runs = {watch.run_id for watch in self._watches}
                    self._hand_out(await asyncio.to_thread(read_sequences, reader, runs))
                except psycopg.Error as error:
                    log.warning("the runs of streams are read again: %s", str(error).strip())
                    if reader is not None:
                        reader.close()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            if reader is not None:
                reader.close()

    def _hand_out(self, sequences: dict[uuid.UUID, int]) -> None:
        for watch in self._watches:
            if sequences.get(watch.run_id, -1) > watch.seq:
                watch.seq = sequences[watch.run_id]
                watch.woken.set()


hub = RunWatchHub()
