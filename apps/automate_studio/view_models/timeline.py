"""Timeline of a run: rows of bars in milliseconds from its start, so that a longer axis moves no bar."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_operations.queries.loop_items import Item, Items
from automate_studio.view_models.run_data import LIVE_STATES, Attempt, RunData, StepHistory
from automate_studio.view_models.step_tree import RouteView, StepCard, StepTree
from automate_ui.formatting import (
    format_count,
    format_duration,
    format_elapsed,
    format_round_duration,
    state_word,
)

_STEPS = (
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21_600,
    86_400,
)
_MOST_TICKS = 6


@dataclass(frozen=True, kw_only=True)
class TimelineBar:
    """A part of a row in milliseconds from the start; `width` is None while it is open.

    `kind` is `succeeded` (work), `container-bar`, `waiting`, `backoff` (until the next attempt), or empty for an
    attempt that is drawn by its `state`.
    """

    start: int
    width: int | None
    kind: str
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """Row of a step. `branch` is the parallel branch that begins with it; `bar_text` describes its bars.

    `which` tells steps of one name apart: the number, and the route that it stands in.
    """

    template: ClassVar[str] = "automate_studio/runs/page/row_step.html"
    card: StepCard
    depth: int
    bars: tuple[TimelineBar, ...]
    text: str
    bar_text: str = ""
    branch: str = ""
    which: str = ""

    @property
    def dom_id(self) -> str:
        """Element id."""
        return f"row-{self.card.dom_id}"

    @property
    def panel_key(self) -> str:
        """Key that changes whenever the step's panel changes."""
        return f"{self.card.path} {self.card.state} {len(self.bars)} {self.card.more}"


@dataclass(frozen=True, kw_only=True)
class ItemsRow:
    """Row above the items of a loop: filters, pages, and a jump to an item; else a link that lists them."""

    template: ClassVar[str] = "automate_studio/runs/page/row_items.html"
    items: Items
    card: StepCard
    depth: int
    listed: bool

    @property
    def dom_id(self) -> str:
        """Element id."""
        return f"items-{self.card.dom_id}"

    @property
    def query(self) -> str:
        """Prefix of the URLs of other pages of items."""
        asked = {"item": self.items.item(self.items.shown or 0), "loop": self.items.path}
        return f"?{urlencode(asked)}"

    @property
    def before(self) -> int:
        """Previous page."""
        return self.items.at - 1

    @property
    def after(self) -> int:
        """Next page."""
        return self.items.at + 1


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """A loop item; `shown` marks the one whose steps follow."""

    template: ClassVar[str] = "automate_studio/runs/page/row_item.html"
    item: Item
    loop: str
    name: str
    depth: int
    bar: TimelineBar
    text: str
    shown: bool

    @property
    def dom_id(self) -> str:
        """Element id."""
        return f"item-{self.loop}-{self.item.index}"

    @property
    def bars(self) -> tuple[TimelineBar, ...]:
        """Its single bar."""
        return (self.bar,)


@dataclass(frozen=True, kw_only=True)
class PassedRow:
    """Steps of routes not taken, in one row. `routes` are their names."""

    template: ClassVar[str] = "automate_studio/runs/page/row_passed.html"
    first: StepCard
    count: int
    routes: str
    depth: int

    @property
    def dom_id(self) -> str:
        """Element id."""
        return f"passed-{self.first.dom_id}"


type AnyRow = StepRow | ItemsRow | ItemRow | PassedRow


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Rows, ticks of the axis as (per cent, text), and the position of now in per cent (None for an ended run)."""

    rows: tuple[AnyRow, ...]
    ticks: tuple[tuple[float, str], ...]
    now: float | None
    total_ms: int
    elapsed: str


def build_timeline(
    tree: StepTree, run: RunData, start: dt.datetime | None, end: dt.datetime | None, now: dt.datetime
) -> Timeline:
    """Timeline from `start` to `end`, or to `now` while the run is active."""
    until = end or now
    begun = start or until
    seconds = max(0.001, (until - begun).total_seconds())
    span = seconds if end else max(seconds * 1.3, 2)  # room for the bars to grow before the next redraw
    days = 86_400 * math.ceil(span / 86_400 / _MOST_TICKS)
    step = next((step for step in _STEPS if span / step <= _MOST_TICKS), days)
    total = span if end else step * (int(span / step) + 1)
    ticks = tuple(
        (index * step / total * 100, format_round_duration(index * step) if index else "0")
        for index in range(int(total / step) + 1)
    )
    return Timeline(
        rows=tuple(_RowBuilder(run, begun, end, Counter(_names(tree.cards))).build_rows(tree.cards, 0)),
        ticks=tuple(tick for tick in ticks if tick[0] < 97),
        now=None if end else seconds / total * 100,
        total_ms=max(1, round(total * 1000)),
        elapsed=format_duration(seconds),
    )


@dataclass(frozen=True)
class _RowBuilder:
    run: RunData
    begun: dt.datetime
    end: dt.datetime | None
    names: Counter[str]

    def build_rows(self, cards: Iterable[StepCard], depth: int, branch: str = "", route: str = "") -> Iterator[AnyRow]:
        for card in cards:
            which = " · ".join(filter(None, (card.number, route))) if self.names[card.name] > 1 else ""
            yield self._row(card, depth, branch, which)
            branch = ""
            items = self.run.items.get(card.path)
            if items is not None and items.begun:
                yield from self._loop(card, items, depth + 1)
                continue
            yield from self._inside(card, depth + 1)

    def _inside(self, card: StepCard, depth: int) -> Iterator[AnyRow]:
        passed = [route for route in card.routes if route.state == "off" and route.cards]
        for route in card.routes:
            if route not in passed:
                yield from self.build_rows(route.cards, depth, route.name if card.parallel else "", route.name)
        if passed and card.state == "skipped":
            yield from (row for route in passed for row in self.build_rows(route.cards, depth, route=route.name))
        elif passed:
            yield PassedRow(
                first=passed[0].cards[0],
                count=sum(_card_count(route) for route in passed),
                routes=", ".join(route.name for route in passed),
                depth=depth,
            )

    def _loop(self, card: StepCard, items: Items, depth: int) -> Iterator[AnyRow]:
        """Items on the page with the steps of the shown one, which stand alone when it is on another page."""
        inside = [inner for route in card.routes for inner in route.cards]
        listed = self.run.lists(items)
        yield ItemsRow(items=items, card=card, depth=depth, listed=listed)
        if not listed:
            return
        if items.shown not in {item.index for item in items.page}:
            yield from self.build_rows(inside, depth + 1)
        for item in items.page:
            shown = item.index == items.shown
            over = item.state not in LIVE_STATES or self.end is not None
            finished = item.finished_at if over else None
            seconds = (finished - item.started_at).total_seconds() if finished else None
            yield ItemRow(
                item=item,
                loop=card.dom_id,
                name=(_("Repetition %(number)s") if items.total is None else _("Item %(number)s"))
                % {"number": format_count(item.index + 1)},
                depth=depth,
                bar=self._bar(item.started_at, finished, "" if item.state == "failed" else "succeeded", item.state),
                text=format_duration(seconds) if seconds is not None else state_word(item.state),
                shown=shown,
            )
            if shown:
                yield from self.build_rows(inside, depth + 1)

    def _row(self, card: StepCard, depth: int, branch: str, which: str) -> StepRow:
        recorded = self.run.at(card.path)
        text = format_duration(recorded.seconds) if recorded.seconds is not None else state_word(card.state)
        return StepRow(
            card=card,
            depth=depth,
            bars=tuple(self._bars(card, recorded)),
            text=text,
            bar_text=_bar_summary(recorded),
            branch=branch,
            which=which,
        )

    def _bars(self, card: StepCard, recorded: StepHistory) -> Iterator[TimelineBar]:
        waits = [wait for wait in recorded.waits if wait.kind != "retry"]
        parked = any(wait.kind in {"timer", "callback", "form", "approval", "child"} for wait in waits)
        for attempt, following in zip(recorded.attempts, [*recorded.attempts[1:], None], strict=False):
            if not parked:
                yield self._bar(attempt.started_at, attempt.finished_at, _bar_kind(card, attempt), attempt.status)
            if attempt.finished_at and attempt.status == "failed" and (following or recorded.retry_due):
                yield self._bar(attempt.finished_at, following.started_at if following else None, "backoff")
        for wait in waits:
            yield self._bar(wait.since, wait.resolved_at, "waiting", "waiting")

    def _bar(self, start: dt.datetime, end: dt.datetime | None, kind: str, state: str = "") -> TimelineBar:
        last = end or self.end
        width = round((last - start).total_seconds() * 1000) if last else None
        return TimelineBar(
            start=max(0, round((start - self.begun).total_seconds() * 1000)),
            width=None if width is None else max(0, width),
            kind=kind,
            state=state,
        )


def _names(cards: Iterable[StepCard]) -> Iterator[str]:
    for card in cards:
        yield card.name
        yield from (name for route in card.routes for name in _names(route.cards))


def _card_count(route: RouteView) -> int:
    return sum(1 + sum(_card_count(inner) for inner in card.routes) for card in route.cards)


def _bar_kind(card: StepCard, attempt: Attempt) -> str:
    if card.holds:
        return "container-bar"
    return "succeeded" if attempt.status == "succeeded" else ""


def _bar_summary(recorded: StepHistory) -> str:
    """The bars in words."""
    attempts, failed = len(recorded.attempts), sum(attempt.status == "failed" for attempt in recorded.attempts)
    waits = [wait for wait in recorded.waits if wait.kind != "retry" and wait.resolved_at]
    words = ngettext("%(count)s attempt, %(failed)s failed", "%(count)s attempts, %(failed)s failed", attempts)
    parts = [words % {"count": format_count(attempts), "failed": format_count(failed)}] if attempts > 1 else []
    waited = (format_elapsed(wait.since, wait.resolved_at) for wait in waits)
    return ", ".join([*parts, *(_("waited %(duration)s") % {"duration": each} for each in waited)])
