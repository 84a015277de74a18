"""Usage of language models, and statistics of runs."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.pages import Day, check_list
from automate_api.v1.problems import ProblemError
from automate_core import database
from automate_core.models import ExecutionRun, Workflow
from automate_core.outbox import status as queue_status
from automate_governance.permissions import SITE, NotPermittedError, can
from automate_governance.texts import translated
from automate_llm import budgets, prices, report
from automate_llm.models import LLMUsage
from automate_operations.statistics import period_figures
from automate_operations.statistics.buckets import percentile
from automate_operations.statistics.period_figures import Counts
from automate_operations.statistics.periods import BARS, find_period
from automate_plugins import text

router = Router()
DAYS = 30  #: of usage, by default


class ModelSums(Schema):
    """Model calls, added up. Costs are decimal numbers as text."""

    calls: int
    tokens_in: int
    tokens_out: int
    cost: str = Field(description="Of the calls with a known price.")
    calls_without_price: int
    open_calls: int = Field(description="Calls that count with an estimate.")


class DaySums(ModelSums):
    day: dt.date


class OneModelSums(ModelSums):
    provider: str
    model: str


class WorkflowSums(ModelSums):
    workflow: str = Field(description="Slug; empty for calls outside of workflows.")


class ModelUsage(Schema):
    first: dt.date
    last: dt.date
    currency: str
    total: ModelSums
    by_day: list[DaySums]
    by_model: list[OneModelSums]
    by_workflow: list[WorkflowSums]


class UsageQuery(Schema):
    first: Day | None = Field(None, description="First day; by default 30 days before the last one.")
    last: Day | None = Field(None, description="Last day; by default today.")
    since: Day | None = Field(None, description="As `first`.")
    until: Day | None = Field(None, description="As `last`.")
    workflow: str = Field("", max_length=100, description="Slug.")
    model: str = Field("", max_length=200)


class RunCounts(Schema):
    """Ended runs, by result."""

    succeeded: int
    failed: int
    cancelled: int


class BarCounts(RunCounts):
    start: dt.datetime


class WorkflowCounts(RunCounts):
    workflow: str = Field(description="Slug.")
    p95_seconds: float | None


class Queue(Schema):
    ready_jobs: int
    oldest_seconds: float
    dead_jobs: int
    workers: int


class Statistics(Schema):
    """Runs that ended in a period that ends with this hour."""

    start: dt.datetime
    end: dt.datetime
    total: RunCounts
    before: RunCounts = Field(description="Of the same period before it.")
    p50_seconds: float | None
    p95_seconds: float | None
    p95_queued_seconds: float | None
    bars: list[BarCounts]
    workflows: list[WorkflowCounts]
    queue: Queue | None = Field(description="null without the permission to operate the site")


class StatisticsQuery(Schema):
    period: Literal[*BARS] = "24h"  # type: ignore[valid-type]


@router.get("/usage", response=ModelUsage)
def read_model_usage(request: TokenRequest, query: Query[UsageQuery]) -> dict[str, Any]:
    """Read the usage of language models between two days."""
    if not can(request.user, "view", LLMUsage):
        raise NotPermittedError(text("You need the permission to view model usage."))
    period = _read_period(query)
    found = report.build_report(period)
    return {
        "first": period.first,
        "last": period.last,
        "currency": prices.CURRENCY,
        "total": _describe_sums(found.total),
        "by_day": [{"day": sums.keys[0], **_describe_sums(sums)} for sums in found.by_day],
        "by_model": [
            {"provider": sums.keys[0], "model": sums.keys[1], **_describe_sums(sums)} for sums in found.by_model
        ],
        "by_workflow": [{"workflow": sums.keys[0], **_describe_sums(sums)} for sums in found.by_workflow],
    }


@router.get("/statistics", response=Statistics)
def read_statistics(request: TokenRequest, query: Query[StatisticsQuery]) -> dict[str, Any]:
    """Read the figures of the overview, of the workflows that the token may view."""
    check_list(request.user, "view", ExecutionRun)
    period = find_period(query.period, database.now())
    workflows = period_figures.visible_workflows(request.user)
    counts, before = period_figures.read_counts(period, workflows)
    times = period_figures.read_times(period, workflows)
    slugs = dict(Workflow.objects.filter(pk__in=counts).values_list("pk", "slug"))
    ended = sorted((slug, key) for key, slug in slugs.items())
    return {
        "start": period.start,
        "end": period.end,
        "total": _describe_counts(sum(counts.values(), Counts())),
        "before": _describe_counts(before),
        "p50_seconds": percentile(times.took, 0.5),
        "p95_seconds": percentile(times.took, 0.95),
        "p95_queued_seconds": percentile(times.queued, 0.95),
        "bars": [
            {"start": bar.start, **_describe_counts(bar.counts)} for bar in period_figures.read_bars(period, workflows)
        ],
        "workflows": [
            {
                "workflow": slug,
                "p95_seconds": percentile(times.by_workflow.get(key, {}), 0.95),
                **_describe_counts(counts[key]),
            }
            for slug, key in ended
        ],
        "queue": _describe_queue() if can(request.user, "operate", SITE) else None,
    }


def _read_period(query: UsageQuery) -> report.Period:
    """Raises ProblemError."""
    last = query.last or query.until or budgets.today()
    try:
        first = query.first or query.since or last - dt.timedelta(days=DAYS - 1)
        return report.Period(first=first, last=last, workflow=query.workflow, model=query.model)
    except OverflowError as error:
        raise ProblemError(422, _("The dates are out of range.")) from error
    except ValueError as error:
        message = translated(str(error))
        raise ProblemError(422, message, [("first", message)]) from error


def _describe_sums(sums: report.Sums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "tokens_in": sums.tokens_in,
        "tokens_out": sums.tokens_out,
        "cost": f"{sums.cost:f}",
        "calls_without_price": sums.unpriced,
        "open_calls": sums.open,
    }


def _describe_counts(counts: Counts) -> dict[str, Any]:
    return {"succeeded": counts.succeeded, "failed": counts.failed, "cancelled": counts.cancelled}


def _describe_queue() -> dict[str, Any]:
    status = queue_status.read_status()
    return {
        "ready_jobs": sum(each.jobs for each in status.ready) + status.suspects,
        "oldest_seconds": max((each.oldest_seconds for each in status.ready), default=0.0),
        "dead_jobs": status.dead,
        "workers": len(status.live_workers),
    }
