"""The live hub: one reader a process asks for the watched runs' sequence and fans changes out to the open pages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connections

from automate_core import database
from automate_core.models import ExecutionRun
from automate_studio import run_page

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
HEARTBEAT_SECONDS = 12.0
STREAM_SECONDS = 600.0
SEQUENCES = "SELECT id, seq FROM automate_core_executionrun WHERE id = ANY(%(runs)s)"


@dataclass(frozen=True)
class Patch:
    """The live parts of a run's page at a sequence."""

    seq: int
    html: str
    ended: bool


@dataclass
class _Watched:
    patch: Patch | None = None
    viewers: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class LiveHub:
    """Viewers of runs. However many there are, there is one query a poll, and one rendering a change."""

    def __init__(self) -> None:
        self._watched: dict[uuid.UUID, _Watched] = {}
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    async def watch(self, run_id: uuid.UUID, after: int) -> AsyncIterator[Patch | None]:
        """Each patch newer than `after`, and None now and then as a sign of life, until the run or ten minutes end."""
        self._loop = asyncio.get_running_loop()
        watched = self._watched.setdefault(run_id, _Watched())
        watched.viewers += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        until = self._loop.time() + STREAM_SECONDS
        try:
            while not self._closing and self._loop.time() < until:
                patch = watched.patch
                if patch is not None and patch.seq > after:
                    after = patch.seq
                    yield patch
                    if patch.ended:
                        return
                    continue
                if patch is not None and patch.ended:
                    yield patch
                    return
                if not await self._change(watched):
                    yield None
        finally:
            watched.viewers -= 1
            if not watched.viewers:
                self._watched.pop(run_id, None)

    def close(self) -> None:
        """End every stream now. Callable from a signal handler or another thread."""
        self._closing = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for watched in self._watched.values():
            watched.changed.set()

    async def _change(self, watched: _Watched) -> bool:
        """Wait for a change; False when none came for a while."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await watched.changed.wait()
        except TimeoutError:
            return False
        watched.changed.clear()
        return True

    async def _poll(self) -> None:
        """Read the sequences while somebody watches. A database that is away is tried again."""
        reader = _Reader()
        try:
            while self._watched and not self._closing:
                known = {run: watched.patch.seq if watched.patch else -1 for run, watched in self._watched.items()}
                try:
                    patches = await asyncio.to_thread(reader.read, known)
                except Exception as error:  # noqa: BLE001 - whatever it is, the viewers' streams go on
                    log.warning("the live reader will try again: %s", str(error).strip())
                    patches = {}
                for run_id, patch in patches.items():
                    if run_id in self._watched:
                        self._watched[run_id].patch = patch
                        self._watched[run_id].changed.set()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            reader.close()


class _Reader:
    """The database side of the hub, on one connection of its own."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._failed: set[uuid.UUID] = set()  # logged once

    def read(self, known: dict[uuid.UUID, int]) -> dict[uuid.UUID, Patch]:
        """Patches of the runs whose sequence moved."""
        if self._connection is None or self._connection.closed:
            self._connection = database.connect({})
        try:
            rows = database.run(self._connection, SEQUENCES, {"runs": list(known)})
        except psycopg.Error:
            self.close()
            raise
        moved = [row.id for row in rows if row.seq > known[row.id]]
        try:
            patches = {run_id: self._try(run_id) for run_id in moved}
        finally:
            connections.close_all()
        return {run_id: patch for run_id, patch in patches.items() if patch is not None}

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()

    def _try(self, run_id: uuid.UUID) -> Patch | None:
        """None for a run whose page cannot be rendered: the viewers of the others see theirs."""
        try:
            return self._patch(run_id)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                raise  # the database is away: so it is for the next
            if run_id not in self._failed:
                log.exception("the live page of run %s cannot be rendered; it is tried again", run_id)
            self._failed.add(run_id)
            return None

    def _patch(self, run_id: uuid.UUID) -> Patch:
        page = run_page.load(run_id, ExecutionRun.objects.all())
        return Patch(page.run.seq, run_page.patch(run_id, page), page.ended)


hub = LiveHub()
