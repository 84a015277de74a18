"""Key figures, each with the period before and a link to its list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count, Min, Model, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automate_core.models import ExecutionRun, Wait
from automate_core.outbox import status as queue_status
from automate_core.runs.waits import approvals
from automate_governance.admin_site import reverse
from automate_governance.permissions import User
from automate_operations.statistics.buckets import percentile
from automate_operations.statistics.period_figures import Bar, Counts, Levels, Times, Workflows
from automate_operations.statistics.periods import Period
from automate_studio.overview.charts import NO_LINE, SparkLine, build_line
from automate_ui.formatting import (
    format_count,
    format_duration,
    format_elapsed,
    format_local,
    format_number,
    format_percent,
    split_unit,
)

MOST_QUEUED = 1_000
_NONE = "\u2013"
_COMPARED = {
    "24h": gettext_lazy("vs. previous day"),
    "7d": gettext_lazy("vs. previous week"),
    "30d": gettext_lazy("vs. previous 30 days"),
}
_NONE_BEFORE = {
    "24h": gettext_lazy("none the day before"),
    "7d": gettext_lazy("none the week before"),
    "30d": gettext_lazy("none in the 30 days before"),
}
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
    """Number of ended runs, as statistics count them: in whole bars, by the time of their end."""
    change = (now.runs - before.runs) / before.runs if before.runs else None
    return Figure(
        label=_("Ended runs"),
        value=format_count(now.runs),
        url=ended_runs_url(period, "succeeded,failed,cancelled"),
        way=_direction(change),
        change="" if change is None else _("Unchanged") if not change else format_percent(abs(change) * 100),
        beside=_comparison_text(period, change),
        title=_("Since %(start)s. Previous period: %(count)s")
        % {"start": format_local(period.start), "count": format_count(before.runs)},
        line=build_line([bar.counts.runs for bar in bars], 120, 30),
    )


def success_figure(period: Period, now: Counts, before: Counts, bars: Sequence[Bar]) -> Figure:
    """Share of succeeded runs."""
    share, was = now.success, before.success
    value, unit = split_unit(_NONE if share is None else format_percent(share * 100))
    change = None if share is None or was is None else round((share - was) * 100, 1)
    return Figure(
        label=_("Success rate"),
        value=value,
        unit=unit,
        url=ended_runs_url(period, "failed"),
        way=_direction(change),
        tone="" if not change else "positive" if change > 0 else "negative",
        change=""
        if change is None
        else _("Unchanged")
        if not change
        else _("%(number)s pts") % {"number": format_number(abs(change), 1)},
        beside=_comparison_text(period, change),
        title=_("%(count)s failed. Cancelled runs are not counted.") % {"count": format_count(now.failed)},
        colour="ok",
        line=build_line([bar.counts.success for bar in bars], 120, 30),
    )


def duration_figure(period: Period, times: Times, points: Sequence[float | None]) -> Figure:
    """95th percentile of working times."""
    now, was = percentile(times.took, 0.95), percentile(times.took_before, 0.95)
    change = None if now is None or was is None else now - was
    if change is not None and abs(change) < 0.05 * (was or 0):
        change = 0.0
    said = format_duration(now)
    value, unit = split_unit(said) if now is not None and now < 60 else (said, "")
    queued = percentile(times.queued, 0.95)
    return Figure(
        label=_("Working time, 95%% within") % {},
        value=value or _NONE,
        unit=unit,
        url=reverse("admin:automate_core_workflow_changelist") + "?sort=-p95",
        way=_direction(change),
        tone="" if not change else "positive" if change < 0 else "negative",
        change="" if change is None else _("About the same") if not change else format_duration(abs(change)),
        beside=_comparison_text(period, change),
        title=_duration_title(format_duration(queued)),
        line=build_line(points, 120, 30),
    )


def _duration_title(queued: str) -> str:
    if not queued:
        return _("95%% of runs were faster. Time spent waiting for people, callbacks and dates is not counted.") % {}
    message = _(
        "95%% of runs were faster. Time spent waiting for people, callbacks and dates is not counted."
        " 95%% were queued for less than %(time)s."
    )
    return message % {"time": queued}


def queue_figure(period: Period, status: queue_status.QueueStatus, levels: Levels) -> Figure:
    """Ready jobs, for operators."""
    ready = sum(each.jobs for each in status.ready) + status.suspects
    oldest = max((each.oldest_seconds for each in status.ready), default=0.0)
    peak = {"peak": format_count(max(levels.most, ready))}
    return Figure(
        label=_("Queue depth"),
        value=format_count(ready),
        url=_runs_url("?show=running"),
        tone="warning" if oldest > 60 else "",
        change=_("Oldest %(age)s") % {"age": format_duration(oldest)} if ready else _("Empty"),
        beside=_("peak %(peak)s") % peak
        if levels.most_before is None
        else _("peak %(peak)s, was %(before)s") % {**peak, "before": format_count(levels.most_before)},
        title=_("Jobs that wait for a worker"),
        colour="run",
        line=build_line(levels.ready, 120, 30),
    )


def queued_figure(workflows: Workflows, now: dt.datetime) -> Figure:
    """Runs that no worker has claimed, for people who do not operate the site."""
    found = _of_workflows(ExecutionRun.objects.filter(status=ExecutionRun.Status.QUEUED), workflows, "workflow")
    some = found.exclude(cause=ExecutionRun.Cause.TEST).order_by("-id").values_list("created_at", flat=True)
    made = list(some[: MOST_QUEUED + 1])
    return Figure(
        label=_("Queued runs"),
        value=format_count(len(made)) if len(made) <= MOST_QUEUED else f"{format_count(MOST_QUEUED)}+",
        url=_runs_url("?show=running"),
        change=_("Oldest %(age)s") % {"age": format_elapsed(min(made), now)} if made else _("Empty"),
        title=_("Runs that wait for a worker"),
        colour="run",
    )


def approvals_figure(user: User, workflows: Workflows, bars: Sequence[Bar], now: dt.datetime) -> Figure:
    """Undecided approvals, those of this person in workflows that they may not see included."""
    day = Q(created_at__lt=now - LONG)
    own = approvals.open_approvals_for(user)
    waits = Wait.objects.filter(Q(pk__in=undecided_waits(workflows).values("pk")) | Q(pk__in=own.values("pk")))
    found = waits.aggregate(all=Count("pk"), long=Count("pk", filter=day), oldest=Min("created_at"))
    mine = own.count()
    change = _("No one")
    if found["long"]:
        change = _("%(count)s for over a day") % {"count": format_count(found["long"])}
    elif found["oldest"]:
        change = _("Oldest %(age)s") % {"age": format_elapsed(found["oldest"], now)}
    yours = ngettext("%(count)s is yours", "%(count)s are yours", mine) % {"count": format_count(mine)}
    return Figure(
        label=_("Waiting on people"),
        value=format_count(found["all"]),
        url=reverse("studio:approval_list") if mine else _runs_url("?show=waiting"),
        tone="warning" if found["long"] else "",
        change=change,
        beside=yours if mine else "",
        title=_("Open approvals and reviews"),
        colour="wait",
        line=build_line([bar.waiting for bar in bars], 120, 30) if found["all"] else NO_LINE,  # also counts callbacks
    )


def undecided_waits(workflows: Workflows) -> QuerySet[Wait]:
    """Open approvals, without those of tests."""
    waits = Wait.objects.filter(status=Wait.Status.OPEN, kind__in=[Wait.Kind.APPROVAL, Wait.Kind.REVIEW])
    return _of_workflows(waits.exclude(run__cause=ExecutionRun.Cause.TEST), workflows, "run__workflow")


def _of_workflows[M: Model](found: QuerySet[M], workflows: Workflows, path: str) -> QuerySet[M]:
    return found if workflows is None else found.filter(**{f"{path}__in": workflows})


def _comparison_text(period: Period, change: float | None) -> str:
    """Base of a change in words; empty without a change."""
    texts = _NONE_BEFORE if change is None else _COMPARED
    return "" if change == 0 else str(texts[period.name])


def _direction(change: float | None) -> str:
    return "" if not change else "up" if change > 0 else "down"


def ended_runs_url(period: Period, statuses: str) -> str:
    """URL of the list of the runs that the figures of the period count, by state."""
    return _runs_url("?" + urlencode({"ended": f"{period.start:%Y-%m-%dT%H:%M:%SZ}", "status": statuses}))


def _runs_url(query: str = "") -> str:
    return reverse("admin:automate_core_executionrun_changelist") + query
