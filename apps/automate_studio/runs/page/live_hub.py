"""Live hub: one renderer per process makes the patches of watched runs, for all open pages."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone, translation

from automate_core.database import read_only_snapshot
from automate_core.models import ExecutionRun
from automate_governance.permissions import User, permitted
from automate_operations.queries.run_watch import HEARTBEAT_SECONDS, POLL_SECONDS, STREAM_SECONDS, RunWatch
from automate_operations.queries.run_watch import hub as run_hub
from automate_studio.runs.page.page import RunPage, load_page
from automate_studio.runs.page.patches import changed_patch, whole_patch
from automate_studio.view_models.run_data import RunView

log = logging.getLogger(__name__)


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

    user: User
    watch: RunWatch
    beats: int = 0
    may: bool = True

    @property
    def key(self) -> tuple[Any, uuid.UUID]:
        """The person and the run, of which a permission is asked."""
        return self.user.pk, self.watch.run_id


@dataclass(eq=False)
class _WatchedView:
    """Viewers of a run with the same view, language and time zone, and the page that their latest patch shows."""

    viewers: set[_Viewer] = field(default_factory=set)
    page: RunPage | None = None
    patch: PagePatch | None = None
    has_failed: bool = False

    @property
    def is_behind(self) -> bool:
        """Whether the run has changed since the latest patch."""
        seq = self.patch.seq if self.patch else -1
        return any(viewer.watch.seq > seq for viewer in self.viewers)


class LiveHub:
    """Pages of runs: one rendering per change, view, language and time zone.

    Each heartbeat checks the permissions of all viewers at once.
    """

    def __init__(self) -> None:
        self._places: dict[Watched, _WatchedView] = {}
        self._renderer: asyncio.Task[None] | None = None
        self._behind: asyncio.Event  # one of the renderer's loop

    async def watch(
        self,
        watch: RunWatch,
        after: int,
        *,
        user: User,
        view: RunView,
        locale: ViewerLocale,
    ) -> AsyncIterator[tuple[int, str, bool] | None]:
        """(sequence, HTML, whether the run has ended) for each change after `after`, and None as a heartbeat.

        The HTML is in the language and time zone of `locale`. It ends with the run, with the permission, or after ten
        minutes.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + STREAM_SECONDS
        beats = 0
        with run_hub.following(watch), self._viewing(Watched(watch.run_id, view, locale), user, watch) as seen:
            place, viewer = seen
            while viewer.may and not run_hub.is_closing and loop.time() < until:
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
                    if place.is_behind:
                        self._behind.set()
                    await watch.woken.wait()
                    watch.woken.clear()

    @contextlib.contextmanager
    def _viewing(self, key: Watched, user: User, watch: RunWatch) -> Iterator[tuple[_WatchedView, _Viewer]]:
        """A viewer of the page in this block."""
        place, viewer = self._places.setdefault(key, _WatchedView()), _Viewer(user, watch)
        place.viewers.add(viewer)
        if self._renderer is None or self._renderer.done():
            self._behind = asyncio.Event()
            self._renderer = asyncio.create_task(self._render())
        try:
            yield place, viewer
        finally:
            place.viewers.discard(viewer)
            if not place.viewers and self._places.get(key) is place:
                del self._places[key]

    async def _render(self) -> None:
        """Render what is behind while there are viewers; retry while the database is unavailable."""
        loop = asyncio.get_running_loop()
        beat = loop.time() + HEARTBEAT_SECONDS
        while self._places and not run_hub.is_closing:
            began = loop.time()
            self._behind.clear()
            behind = {key: place for key, place in self._places.items() if place.is_behind}
            try:
                if behind:
                    await asyncio.to_thread(_render_patches, behind)
                    self._wake(viewer for place in behind.values() for viewer in place.viewers)
                if loop.time() >= beat:
                    await self._beat()
                    beat = loop.time() + HEARTBEAT_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever it is, the viewers' streams go on
                log.warning("live pages are rendered again: %s", str(error).strip())
            await asyncio.sleep(max(POLL_SECONDS, loop.time() - began))  # at most half of the time is for rendering
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beat):
                    if not any(place.is_behind for place in self._places.values()):
                        await self._behind.wait()

    async def _beat(self) -> None:
        viewers = [viewer for place in self._places.values() for viewer in place.viewers]
        may = await asyncio.to_thread(_permitted_viewers, {viewer.key for viewer in viewers})
        for viewer in viewers:
            viewer.may = viewer.key in may
            viewer.beats += 1
        self._wake(viewers)

    @staticmethod
    def _wake(viewers: Iterable[_Viewer]) -> None:
        for viewer in viewers:
            viewer.watch.woken.set()


def _permitted_viewers(asked: Iterable[tuple[Any, uuid.UUID]]) -> set[tuple[Any, uuid.UUID]]:
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


def _render_patches(behind: dict[Watched, _WatchedView]) -> None:
    """Render the patches of these places, in turn. A page that cannot be rendered does not stop the others."""
    try:
        for key, place in behind.items():
            try:
                _render_patch(key, place)
            except (OperationalError, InterfaceError):
                raise  # the database is away: so it is for the next
            except Exception:
                if not place.has_failed:
                    log.exception("the live page of run %s cannot be rendered; retrying", key.run_id)
                place.has_failed = True
    finally:
        connections.close_all()


def _render_patch(key: Watched, place: _WatchedView) -> None:
    """Render a patch from one snapshot, so that changes after its sequence are in a later patch.

    The page is loaded in the viewers' language too, since its cards and rows hold texts.
    """
    with key.locale.activated():
        with read_only_snapshot():
            page = load_page(key.run_id, ExecutionRun.objects.all(), key.view)
        old, place.page = place.page, page
        seq, html = page.run.seq, whole_patch(page)
        place.patch = (
            PagePatch(seq, html, page.ended)
            if old is None
            else PagePatch(seq, html, page.ended, old.run.seq, changed_patch(old, page))
        )


hub = LiveHub()
