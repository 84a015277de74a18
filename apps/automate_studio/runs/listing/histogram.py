"""Histogram above the run list: runs by state over the list's period.

It counts by index, newest first, up to a limit: older runs are drawn as not counted.
"""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from automate_core.ids import first_uuid7, uuid7_time
from automate_core.states import RunStatus
from automate_operations.queries.run_histogram import count_by_bar
from automate_operations.queries.run_search import RunSearch, key_before
from automate_ui.formatting import format_count, format_day, format_local, state_word
from automate_ui.runs.run_filters import Filters

WIDTH, HEIGHT, FOOT = 1100, 46, 52
MOST_BARS = 60
MOST_LABELS = 9
STEPS = tuple(
    dt.timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
)
STATES = (  # from the ground up
    RunStatus.SUCCEEDED,
    RunStatus.RUNNING,
    RunStatus.QUEUED,
    RunStatus.WAITING,
    RunStatus.CANCELLED,
    RunStatus.FAILED,
)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class BarPiece:
    """One state of a bar."""

    state: str
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class HistogramBar:
    """Runs created from `start` to `end`. `x` and `width` are its slot; `description` is its accessible text."""

    start: dt.datetime
    end: dt.datetime
    x: float
    width: float
    pieces: list[BarPiece]
    counted: bool
    label: str
    description: str

    @property
    def left(self) -> float:
        """Left edge of the drawn bar."""
        return self.x + 2

    @property
    def percent(self) -> float:
        """Position of its label in per cent of the width."""
        return 100 * self.left / WIDTH

    @property
    def inner(self) -> float:
        """Width of the drawn bar."""
        return max(1.0, self.width - 4)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """`legend` holds (state, count); `summary` is a sentence; `since` is the start of the counted time."""

    bars: list[HistogramBar]
    legend: list[tuple[str, int]]
    summary: str
    since: dt.datetime | None
    clear: str


def build_histogram(search: RunSearch, filters: Filters, now: dt.datetime, newest: uuid.UUID | None) -> Histogram:
    """Histogram of the filters' period; without one, of the last day or back to the newest run."""
    start, end = filters.period(now)
    end = min(end or now, now)
    start = start or end - _default_span(end, newest)
    step = _bar_step(end - start)
    starts = list(_bar_starts(start, max(end, start + step), step))
    counts, since = _count_by_bar(search, starts, key_before(start), first_uuid7(end + dt.timedelta(milliseconds=1)))
    bars = _build_bars(starts, step, counts, since, (start, end))
    total = {str(state): sum(each.get(str(state), 0) for each in counts) for state in STATES}
    legend = [(state, count) for state, count in reversed(total.items()) if count]
    counts_text = _counts_text(legend) or _("no runs")
    return Histogram(
        bars=bars,
        legend=legend,
        summary=_("Runs from %(start)s to %(end)s: %(counts)s.")
        % {"start": format_local(start), "end": format_local(end), "counts": counts_text},
        since=since,
        clear=filters.address(since="", **{"from": "", "to": ""}) if _has_period(filters) else "",
    )


def _has_period(filters: Filters) -> bool:
    return bool({"since", "from", "to"} & set(filters.params))


def _default_span(end: dt.datetime, newest: uuid.UUID | None) -> dt.timedelta:
    age = end - uuid7_time(newest) if newest else _DAY
    return next((days * _DAY for days in (1, 7, 30) if age < days * _DAY), max(age + _DAY, _DAY))


def _bar_step(span: dt.timedelta) -> dt.timedelta:
    return next((step for step in STEPS if span / step <= MOST_BARS), -(-span // (MOST_BARS * _DAY)) * _DAY)


def _bar_starts(start: dt.datetime, end: dt.datetime, step: dt.timedelta) -> Iterator[dt.datetime]:
    """Round times of the active zone: calendar days, or fixed steps below a day."""
    local = timezone.localtime(start)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + (local - midnight) // step * step
    at = at if step >= _DAY else at.astimezone(dt.UTC)
    while at < end:
        yield timezone.localtime(at)
        at += step


# --- counting ---------------------------------------------------------------------------------------------------------


def _count_by_bar(
    search: RunSearch, starts: list[dt.datetime], above: uuid.UUID, below: uuid.UUID
) -> tuple[list[dict[str, int]], dt.datetime | None]:
    """(counts by state for each bar, start of complete counts: None if all are complete)."""
    counts: list[dict[str, int]] = [{} for _ in starts]
    above, below = max(above, search.above), min(below, search.below)
    bounds = [first_uuid7(start) for start in starts]
    rows, edges = count_by_bar(search.scans, above=above, below=below, bounds=bounds)
    for row in rows:
        states = counts[min(max(row.bar, 1), len(starts)) - 1]
        states[row.status] = states.get(row.status, 0) + int(row.n)
    return counts, uuid7_time(max(edges)) if edges else None


# --- drawing ----------------------------------------------------------------------------------------------------------


def _build_bars(
    starts: list[dt.datetime],
    step: dt.timedelta,
    counts: list[dict[str, int]],
    since: dt.datetime | None,
    period: tuple[dt.datetime, dt.datetime],
) -> list[HistogramBar]:
    width = WIDTH / len(starts)
    most = max((sum(each.values()) for each in counts), default=0) or 1
    labelled = _labelled_bars(starts, step)
    bars = []
    ends_at = [*starts[1:], timezone.localtime(starts[-1].astimezone(dt.UTC) + step)]
    for number, (start, end, states) in enumerate(zip(starts, ends_at, counts, strict=True)):
        counted = since is None or start >= since
        begins, ends = max(start, period[0]), min(end, max(period[1], start))
        counts_text = _counts_text(states.items()) or (_("no runs") if counted else _("not counted"))
        bars.append(
            HistogramBar(
                start=begins,
                end=ends,
                x=round(number * width, 2),
                width=round(width, 2),
                pieces=list(_bar_pieces(states, most)),
                counted=counted,
                label=_bar_label(start, step) if number in labelled else "",
                description=_("%(start)s to %(end)s: %(counts)s")
                % {"start": format_local(begins), "end": format_local(ends), "counts": counts_text},
            )
        )
    return bars


def _counts_text(counts: Iterable[tuple[str, int]]) -> str:
    """`Succeeded 3, Failed 1`."""
    return ", ".join(f"{state_word(state)} {format_count(count)}" for state, count in counts)


def _labelled_bars(starts: list[dt.datetime], step: dt.timedelta) -> set[int]:
    """Bars with a time label: at round times, with room between them and at the end."""
    room = range(len(starts) - len(starts) // 20)
    every = next((each for each in STEPS if each >= step and len(starts) * step / each <= MOST_LABELS), None)
    if every is None:
        return set(room[:: max(1, len(starts) // MOST_LABELS)])
    midnight = starts[0].replace(hour=0, minute=0, second=0, microsecond=0)
    return {number for number in room if not (starts[number] - midnight) % every}


def _bar_pieces(states: dict[str, int], most: int) -> Iterator[BarPiece]:
    heights = [(str(state), states[state] / most * HEIGHT) for state in STATES if states.get(state)]
    grounds = itertools.accumulate((height for _, height in heights), initial=0.0)
    for (state, height), ground in zip(heights, grounds, strict=False):
        drawn = max(height, 1.5)
        yield BarPiece(state=state, y=round(FOOT - ground - drawn, 2), height=round(drawn, 2))


def _bar_label(moment: dt.datetime, step: dt.timedelta) -> str:
    if step >= _DAY or (step >= _DAY / 24 and not (moment.hour or moment.minute)):
        return format_day(moment)
    return f"{moment:%H:%M:%S}" if step < dt.timedelta(minutes=1) else f"{moment:%H:%M}"
