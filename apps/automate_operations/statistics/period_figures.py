"""Figures for a period and the one before it: one query each over rows by hour or day.

`workflows` are the keys of the workflows to include; None stands for all.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automate_core import database
from automate_core.models import Workflow
from automate_governance.permissions import User, holds_for_any, permitted
from automate_operations.statistics.buckets import percentile
from automate_operations.statistics.periods import HOUR, Period, floor, ranges

type Workflows = Sequence[int] | None
type Histogram = Mapping[int, int]


@dataclass(frozen=True)
class Counts:
    """The number of ended runs, by result."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def runs(self) -> int:
        """The number of ended runs."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def success(self) -> float | None:
        """The share of those that succeeded, without the cancelled ones; None when there are none."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.succeeded + other.succeeded, self.failed + other.failed, self.cancelled + other.cancelled)


@dataclass(frozen=True)
class Bar:
    """The ended runs of one bar of a period, and the highest number of runs that waited for people."""

    start: dt.datetime
    counts: Counts
    waiting: int


@dataclass(frozen=True)
class Times:
    """Durations and queueing times of runs in a period and before it, and durations by workflow, in buckets."""

    took: Histogram
    took_before: Histogram
    queued: Histogram
    by_workflow: Mapping[int, Histogram]


_SUMS = "sum(succeeded)::int AS succeeded, sum(failed)::int AS failed, sum(cancelled)::int AS cancelled"


def visible_workflows(user: User) -> Workflows:
    """Keys of the workflows that a person may view; None for all."""
    if holds_for_any(user, "view", Workflow):
        return None
    return list(permitted(user, "view", Workflow.objects.all()).values_list("pk", flat=True))


def read_counts(period: Period, workflows: Workflows) -> tuple[Mapping[int, Counts], Counts]:
    """(ended runs of the period by workflow, ended runs of the period before)."""
    where, values = _periods_condition(period, workflows)
    rows = database.run(
        None,
        f"SELECT CASE WHEN at >= %(start)s THEN workflow_id END AS workflow, {_SUMS}"  # noqa: S608 - our own texts
        f" FROM automate_core_runcount WHERE {where} GROUP BY 1",
        values,
    )
    by_workflow = {row.workflow: Counts(row.succeeded, row.failed, row.cancelled) for row in rows}
    before = by_workflow.pop(None, Counts())
    return {workflow: found for workflow, found in by_workflow.items() if found.runs}, before


def read_times(period: Period, workflows: Workflows) -> Times:
    """Durations in buckets."""
    where, values = _periods_condition(period, workflows)
    rows = database.run(
        None,
        "SELECT at >= %(start)s AS is_now, measure, CASE WHEN at >= %(start)s AND measure = 'took' THEN workflow_id END"  # noqa: S608 - our own texts
        " AS workflow, bucket, sum(count)::int AS count"
        f" FROM automate_core_runtime WHERE measure IN ('took', 'queued') AND ({where}) GROUP BY 1, 2, 3, 4",
        values,
    )
    found: dict[Any, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    by_workflow: dict[int, dict[int, int]] = defaultdict(dict)
    for row in rows:
        found[row.measure, row.is_now][row.bucket] += row.count
        if row.workflow is not None:
            by_workflow[row.workflow][row.bucket] = row.count
    return Times(found["took", True], found["took", False], found["queued", True], by_workflow)


def read_bars(period: Period, workflows: Workflows) -> list[Bar]:
    """The bars of a period, the first one first."""
    rows = database.run(
        None,
        "SELECT at, sum(succeeded)::int AS succeeded, sum(failed)::int AS failed, sum(cancelled)::int AS cancelled,"  # noqa: S608 - our own texts
        " sum(waiting)::int AS waiting"
        " FROM automate_core_runcount WHERE span = %(span)s AND at >= %(start)s"
        f" AND {_workflow_condition(workflows)} GROUP BY at",
        {"span": period.span, "start": period.start, "workflows": workflows},
    )
    found: dict[dt.datetime, Counts] = defaultdict(Counts)
    waiting: dict[dt.datetime, int] = defaultdict(int)
    for row in rows:
        start = floor(row.at, period.bar)
        found[start] += Counts(row.succeeded, row.failed, row.cancelled)
        waiting[start] = max(waiting[start], row.waiting)
    return [Bar(start, found[start], waiting[start]) for start in period.starts()]


def read_lines(period: Period, workflows: Workflows, *, apart: bool = False) -> Mapping[int, list[float | None]]:
    """The 95th percentile of durations, point by point: by workflow, or of all together by the key 0."""
    rows = database.run(
        None,
        f"SELECT {'workflow_id' if apart else '0'} AS workflow, at, bucket, sum(count)::int AS count"  # noqa: S608 - our own texts
        " FROM automate_core_runtime WHERE span = %(span)s AND measure = 'took' AND at >= %(start)s"
        f" AND {_workflow_condition(workflows)} GROUP BY 1, 2, 3",
        {
            "span": "hour" if period.coarse == HOUR else "day",
            "start": floor(period.start, period.coarse),
            "workflows": workflows,
        },
    )
    found: dict[int, dict[dt.datetime, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row.workflow][row.at][row.bucket] = row.count
    return {
        workflow: [percentile(points.get(at, {}), 0.95) for at in period.starts(period.coarse)]
        for workflow, points in found.items()
    }


@dataclass(frozen=True)
class Levels:
    """The highest number of ready jobs in each bar, in the period, and in the period before."""

    ready: list[int]
    most: int
    most_before: int | None


def read_levels(period: Period) -> Levels:
    """The levels of the queue."""
    begin, stop = period.before
    rows = database.run(
        None,
        "SELECT at, ready FROM automate_core_queuelevel WHERE at >= %(begin)s ORDER BY at",
        {"begin": begin},
    )
    found: dict[dt.datetime, int] = defaultdict(int)
    before: list[int] = []
    for row in rows:
        if row.at >= period.start:
            start = floor(row.at, period.bar)
            found[start] = max(found[start], row.ready)
        elif row.at < stop:
            before.append(row.ready)
    ready = [found[start] for start in period.starts()]
    return Levels(ready, max(ready, default=0), max(before) if before else None)


def _periods_condition(period: Period, workflows: Workflows) -> tuple[str, dict[str, Any]]:
    """The condition for the rows of the period and of the one before, and its values."""
    parts = [*ranges(*period.before), *ranges(period.start, period.end)]
    values: dict[str, Any] = {"start": period.start, "workflows": workflows}
    words = []
    for number, (span, begin, stop) in enumerate(parts):
        values |= {f"from{number}": begin, f"to{number}": stop}
        words.append(f"span = '{span}' AND at >= %(from{number})s AND at < %(to{number})s")
    return f"({' OR '.join(f'({each})' for each in words)}) AND {_workflow_condition(workflows)}", values


def _workflow_condition(workflows: Workflows) -> str:
    return "%(workflows)s::bigint[] IS NULL" if workflows is None else "workflow_id = ANY(%(workflows)s)"
