"""Key figures, each with the period before and a link to its list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Min, Model, Q, QuerySet

from automate_core.models import ExecutionRun, Wait
from automate_core.operations.statistics.buckets import percentile
from automate_core.operations.statistics.period_figures import Bar, Counts, Levels, Times, Workflows
from automate_core.operations.statistics.periods import Period
from automate_core.outbox import status as queue_status
from automate_core.runs.waits import approvals
from automate_governance.admin_site import reverse
from automate_governance.permissions import User
from automate_studio.overview.charts import NO_LINE, SparkLine, build_line
from automate_studio.ui.formatting import format_count, format_duration, format_elapsed

MOST_QUEUED = 1_000
_NONE = "\u2013"
_OF = {"24h": "the day before", "7d": "the week before", "30d": "the 30 days before"}
LONG = dt.timedelta(days=1)  #: for which people are waited for before it needs attention


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure. `way` is `up`, `down` or empty, `tone` its judgement: `pos`, `neg`, `wrn` or empty."""

    label: str
    value: str
    url: str
    unit: str = ""
    way: str = ""
    tone: str = ""
    change: str = ""
    beside: str = ""
    title: str = ""
    colour: str = "primary"
    line: SparkLine = NO_LINE


def runs_figure(period: Period, now: Counts, before: Counts, bars: Sequence[Bar]) -> Figure:
    """Number of ended runs."""
    change = (now.runs - before.runs) / before.runs if before.runs else None
    return Figure(
        label="Runs",
        value=format_count(now.runs),
        url=_runs_url(f"?since={period.name}"),
        way=_direction(change),
        change="" if change is None else "as many as before" if not change else f"{abs(change):.1%}",
        beside=_comparison_text(period, change),
        title=f"Runs that ended; {format_count(before.runs)} in {_OF[period.name]}",
        line=build_line([bar.counts.runs for bar in bars], 120, 30),
    )


def success_figure(period: Period, now: Counts, before: Counts, bars: Sequence[Bar]) -> Figure:
    """Share of succeeded runs."""
    share, was = now.success, before.success
    change = None if share is None or was is None else round((share - was) * 100, 1)
    return Figure(
        label="Success rate",
        value=_NONE if share is None else f"{share * 100:.1f}",
        unit="" if share is None else "%",
        url=_runs_url(f"?since={period.name}&show=attention"),
        way=_direction(change),
        tone="" if not change else "positive" if change > 0 else "negative",
        change="" if change is None else "as before" if not change else f"{abs(change):.1f} pt",
        beside=_comparison_text(period, change),
        title=f"{format_count(now.failed)} failed; cancelled runs are left out",
        colour="ok",
        line=build_line([bar.counts.success for bar in bars], 120, 30),
    )


def duration_figure(period: Period, times: Times, points: Sequence[float | None]) -> Figure:
    """95th percentile of durations."""
    now, was = percentile(times.took, 0.95), percentile(times.took_before, 0.95)
    change = None if now is None or was is None else now - was
    if change is not None and abs(change) < 0.05 * (was or 0):
        change = 0.0
    said = format_duration(now)
    value, _, unit = said.rpartition(" ") if now is not None and now < 60 else (said, "", "")
    queued = percentile(times.queued, 0.95)
    return Figure(
        label="p95 duration",
        value=value or _NONE,
        unit=unit,
        url=reverse("admin:automate_core_workflow_changelist") + "?sort=-p95",
        way=_direction(change),
        tone="" if not change else "positive" if change < 0 else "negative",
        change="" if change is None else "about as before" if not change else format_duration(abs(change)),
        beside=_comparison_text(period, change),
        title=f"95 % of the runs took less; they were queued for {format_duration(queued) or 'no time'} at most",
        line=build_line(points, 120, 30),
    )


def queue_figure(period: Period, status: queue_status.QueueStatus, levels: Levels) -> Figure:
    """Ready jobs, for operators."""
    ready = sum(each.jobs for each in status.ready) + status.suspects
    oldest = max((each.oldest_seconds for each in status.ready), default=0.0)
    before = "" if levels.most_before is None else f", was {format_count(levels.most_before)}"
    return Figure(
        label="Queue depth",
        value=format_count(ready),
        url=_runs_url("?show=running"),
        tone="warning" if oldest > 60 else "",
        change=f"Oldest {format_duration(oldest)}" if ready else "Empty",
        beside=f"peak {format_count(max(levels.most, ready))}{before}",
        title="Jobs that are ready and that no worker has taken yet",
        colour="run",
        line=build_line(levels.ready, 120, 30),
    )


def queued_figure(workflows: Workflows, now: dt.datetime) -> Figure:
    """Runs that no worker has claimed, for people who do not operate the site."""
    found = _of_workflows(ExecutionRun.objects.filter(status=ExecutionRun.Status.QUEUED), workflows, "workflow")
    some = found.exclude(cause=ExecutionRun.Cause.TEST).order_by("-id").values_list("created_at", flat=True)
    made = list(some[: MOST_QUEUED + 1])
    return Figure(
        label="Queued runs",
        value=format_count(len(made)) if len(made) <= MOST_QUEUED else f"{format_count(MOST_QUEUED)}+",
        url=_runs_url("?show=running"),
        change=f"Oldest {format_elapsed(min(made), now)}" if made else "Nothing waits",
        title="Runs that no worker has taken yet",
        colour="run",
    )


def approvals_figure(user: User, workflows: Workflows, bars: Sequence[Bar], now: dt.datetime) -> Figure:
    """Undecided approvals."""
    day = Q(created_at__lt=now - LONG)
    found = undecided_waits(workflows).aggregate(
        all=Count("pk"), long=Count("pk", filter=day), oldest=Min("created_at")
    )
    mine = approvals.open_approvals_for(user).count()
    change = f"Oldest {format_elapsed(found['oldest'], now)}" if found["oldest"] else "Nobody is waited for"
    return Figure(
        label="Waiting on people",
        value=format_count(found["all"]),
        url=reverse("studio:approval_list") if mine else _runs_url("?show=waiting"),
        tone="warning" if found["long"] else "",
        change=f"{format_count(found['long'])} for over a day" if found["long"] else change,
        beside=f"{format_count(mine)} {'is' if mine == 1 else 'are'} yours" if mine else "",
        title="Approvals and reviews that are open",
        colour="wait",
        line=build_line([bar.waiting for bar in bars], 120, 30) if any(bar.waiting for bar in bars) else NO_LINE,
    )


def undecided_waits(workflows: Workflows) -> QuerySet[Wait]:
    """Open approvals, without those of tests."""
    waits = Wait.objects.filter(status=Wait.Status.OPEN, kind__in=[Wait.Kind.APPROVAL, Wait.Kind.REVIEW])
    return _of_workflows(waits.exclude(run__cause=ExecutionRun.Cause.TEST), workflows, "run__workflow")


def _of_workflows[M: Model](found: QuerySet[M], workflows: Workflows, path: str) -> QuerySet[M]:
    return found if workflows is None else found.filter(**{f"{path}__in": workflows})


def _comparison_text(period: Period, change: float | None) -> str:
    """Base of a change in words; empty without a change."""
    return f"none in {_OF[period.name]}" if change is None else f"vs {_OF[period.name]}" if change else ""


def _direction(change: float | None) -> str:
    return "" if not change else "up" if change > 0 else "down"


def _runs_url(query: str = "") -> str:
    return reverse("admin:automate_core_executionrun_changelist") + query
