"""Live hub: one reader per process polls the sequences of watched runs and fans changes out to open pages."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone, translation

from automate_core import database
from automate_core.models import ExecutionRun
from automate_core.queries.run_sequences import read_only_snapshot, read_sequences
from automate_governance.permissions import permitted
from automate_studio.runs.page.page import RunPage, load_page
from automate_studio.runs.page.patches import changed_patch, whole_patch
from automate_studio.view_models.run_data import RunView

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2  #: so that a page gets at most five patches a second
HEARTBEAT_SECONDS = 12.0
STREAM_SECONDS = 600.0
MOST_OF_ONE = 24  #: streams of one person; a browser opens four at the most


@dataclass(frozen=True)
class ViewerLocale:
    """Language and time zone of a viewer."""

    language: str | None
    zone: dt.tzinfo

    @classmethod
    def current(cls) -> ViewerLocale:
        """The active language and time zone."""
        return cls(translation.get_language(), timezone.get_current_timezone())

    @contextlib.contextmanager
    def activated(self) -> Iterator[None]:
        """Make them active in the block."""
        with translation.override(self.language), timezone.override(self.zone):
            yield


class Watched(NamedTuple):
    """What viewers share: a run in one view, in one language and time zone."""

    run_id: uuid.UUID
    view: RunView
    locale: ViewerLocale


@dataclass(frozen=True)
class PagePatch:
    """Live parts of a run's page at a sequence: all, and those changed since the sequence `since`."""

    seq: int
    whole: str
    ended: bool
    since: int | None = None
    changes: str = ""

    def html(self, after: int) -> str:
        """Parts that a page at the sequence `after` needs."""
        return self.changes if after == self.since else self.whole


@dataclass(eq=False)
class _Viewer:
    """One stream. `may` turns false when its reader loses the permission."""

    user_id: Any
    run_id: uuid.UUID
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    beats: int = 0
    may: bool = True


@dataclass(eq=False)
class _WatchedView:
    """Viewers of a run with the same view, language and time zone."""

    viewers: set[_Viewer] = field(default_factory=set)
    patch: PagePatch | None = None


class LiveHub:
    """Streams of runs: one query per poll, and one rendering per change, view, language and time zone.

    Each heartbeat checks the permissions of all viewers at once.
    """

    def __init__(self) -> None:
        self._places: dict[Watched, _WatchedView] = {}
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    async def watch(
        self,
        run_id: uuid.UUID,
        after: int,
        *,
        user_id: Any,
        view: RunView | None = None,
        locale: ViewerLocale | None = None,
    ) -> AsyncIterator[tuple[int, str, bool] | None]:
        """(sequence, HTML, whether the run has ended) for each change after `after`, and None as a heartbeat.

        The HTML is in the language and time zone of `locale`, by default in those that are active at the first step.
        It ends with the run, with the permission, or after ten minutes; at once for a person who `has_enough`.
        """
        if self.has_enough(user_id):
            return
        self._loop = asyncio.get_running_loop()
        key = Watched(run_id, view or RunView(), locale or ViewerLocale.current())
        place = self._places.setdefault(key, _WatchedView())
        viewer = _Viewer(user_id, run_id)
        place.viewers.add(viewer)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        until = self._loop.time() + STREAM_SECONDS
        beats = 0
        try:
            while viewer.may and not self._closing and self._loop.time() < until:
                patch = place.patch
                if patch is not None and (patch.seq > after or patch.ended):
                    yield patch.seq, patch.html(after), patch.ended
                    if patch.ended:
                        return
                    after = patch.seq
                elif viewer.beats > beats:
                    beats = viewer.beats
                    yield None
                else:
                    await viewer.woken.wait()
                    viewer.woken.clear()
        finally:
            place.viewers.discard(viewer)
            if not place.viewers and self._places.get(key) is place:
                del self._places[key]

    def has_enough(self, user_id: Any) -> bool:
        """Whether a person has reached the limit of streams."""
        return sum(1 for viewer in self._viewers() if viewer.user_id == user_id) >= MOST_OF_ONE

    def close(self) -> None:
        """End every stream now. Callable from a signal handler or another thread."""
        self._closing = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for viewer in self._viewers():
            viewer.woken.set()

    def _viewers(self) -> list[_Viewer]:
        return [viewer for place in self._places.values() for viewer in place.viewers]

    async def _poll(self) -> None:
        """Poll the sequences while there are viewers; retry while the database is unavailable."""
        reader = _Reader()
        loop = asyncio.get_running_loop()
        beat = loop.time() + HEARTBEAT_SECONDS
        try:
            while self._places and not self._closing:
                began = loop.time()
                known = {key: place.patch.seq if place.patch else -1 for key, place in self._places.items()}
                try:
                    found = await asyncio.to_thread(reader.read, known)
                    self._hand_out(found)
                    if loop.time() >= beat:
                        await self._beat(reader)
                        beat = loop.time() + HEARTBEAT_SECONDS
                except Exception as error:  # noqa: BLE001 - whatever it is, the viewers' streams go on
                    log.warning("the live reader will try again: %s", str(error).strip())
                await asyncio.sleep(
                    max(POLL_SECONDS, loop.time() - began)
                )  # at most half of the time goes into reading
        finally:
            await asyncio.to_thread(reader.close)

    def _hand_out(self, found: Mapping[Watched, PagePatch]) -> None:
        for key, patch in found.items():
            if key in self._places:
                self._places[key].patch = patch
                for viewer in self._places[key].viewers:
                    viewer.woken.set()

    async def _beat(self, reader: _Reader) -> None:
        viewers = self._viewers()
        may = await asyncio.to_thread(reader.who_may, {(viewer.user_id, viewer.run_id) for viewer in viewers})
        for viewer in viewers:
            viewer.may = (viewer.user_id, viewer.run_id) in may
            viewer.beats += 1
            viewer.woken.set()


class _Reader:
    """Database side of the hub: sequences on its own connection, pages and permissions on Django's."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._pages: dict[Watched, RunPage] = {}  # what the latest patches show
        self._failed: set[uuid.UUID] = set()  # logged once

    def read(self, known: Mapping[Watched, int]) -> dict[Watched, PagePatch]:
        """Patches of the runs whose sequence changed."""
        if self._connection is None or self._connection.closed:
            self._connection = database.connect({})
        try:
            sequences = read_sequences(self._connection, {key.run_id for key in known})
        except psycopg.Error:
            self.close()
            raise
        moved = [key for key, seq in known.items() if sequences.get(key.run_id, -1) > seq]
        self._pages = {key: page for key, page in self._pages.items() if key in known}
        if not moved:
            return {}
        try:
            found = {key: self._try(key) for key in moved}
        finally:
            connections.close_all()
        return {key: patch for key, patch in found.items() if patch is not None}

    def who_may(self, asked: Iterable[tuple[Any, uuid.UUID]]) -> set[tuple[Any, uuid.UUID]]:
        """Viewers that still may see their run: one query for all people, and one for each of them."""
        watched: dict[Any, list[uuid.UUID]] = {}
        for user_id, run_id in asked:
            watched.setdefault(user_id, []).append(run_id)
        try:
            people = get_user_model()._default_manager.filter(pk__in=watched, is_active=True)
            return {
                (user.pk, run_id)
                for user in people
                if user.is_staff  # which need not be a column
                for run_id in permitted(user, "view", ExecutionRun.objects.filter(pk__in=watched[user.pk])).values_list(
                    "pk", flat=True
                )
            }
        finally:
            connections.close_all()

    def close(self) -> None:
        """Return the connection."""
        if self._connection is not None:
            self._connection.close()

    def _try(self, key: Watched) -> PagePatch | None:
        """A patch, or None when the page cannot be rendered, so that other viewers still get theirs."""
        try:
            return self._patch(key)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                raise  # the database is away: so it is for the next
            if key.run_id not in self._failed:
                log.exception("the live page of run %s cannot be rendered; it is tried again", key.run_id)
            self._failed.add(key.run_id)
            return None

    def _patch(self, key: Watched) -> PagePatch:
        """A patch from one snapshot, so that changes after its sequence are in a later patch.

        The page is loaded in the viewers' language too, since its cards and rows hold texts.
        """
        with key.locale.activated():
            with read_only_snapshot():
                page = load_page(key.run_id, ExecutionRun.objects.all(), key.view)
            old, self._pages[key] = self._pages.get(key), page
            html = whole_patch(page)
            if old is None:
                return PagePatch(page.run.seq, html, page.ended)
            return PagePatch(page.run.seq, html, page.ended, old.run.seq, changed_patch(old, page))


hub = LiveHub()
