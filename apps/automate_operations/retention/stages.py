"""Stages of a pruning: each passes over rows of one kind in order, a batch at a time, and stores its position."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.apps import apps
from django.db import connection, models

from automate_core import artifacts, database
from automate_core.conf import setting
from automate_core.files.uploads import delete_expired_uploads
from automate_core.ids import first_uuid7
from automate_core.models import (
    ExecutionRun,
    Notification,
    NotificationRule,
    Occurrence,
    RefusedDeliveries,
    StepRun,
    Workflow,
)
from automate_core.states import NotificationStatus
from automate_operations.retention import statements
from automate_operations.retention.policy import RUN_STATES, Policy
from automate_operations.statistics import expiry

LEAST_USAGE_DAYS = 62  #: budgets add up the days of a month
JOBS_DAYS = 7
REMOVED_DAYS = 1  #: how long a notification rule can be taken back
_PAGES = 100  # of the queue's table, at once
_ZERO = uuid.UUID(int=0)


@dataclass
class Batch:
    """A part of a stage: from `after` on, at most so many rows. `position` is its end, None for the last part."""

    policy: Policy
    now: dt.datetime
    limit: int
    after: str = ""
    workflow: Workflow | None = None
    dry: bool = False
    position: str | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def next_ids(self, statement: str, days: int | None, **values: Any) -> list[uuid.UUID]:
        """The next ids of rows of at least that age in days; none when that kind is never deleted."""
        if days is None:
            return []
        before = first_uuid7(self.now - dt.timedelta(days=days))
        bounds = {"after": uuid.UUID(self.after) if self.after else _ZERO, "before": before, "limit": self.limit}
        ids = [row.id for row in database.run(None, statement, bounds | values)]
        self.position = str(ids[-1]) if len(ids) == self.limit else None
        return ids

    def execute(self, kind: str, statement: str, values: dict[str, Any]) -> None:
        """Run a statement and count the rows it concerned."""
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            self.counts[kind] += max(cursor.rowcount, 0)

    def delete_older(self, kind: str, rows: models.QuerySet[Any], days: int, *, by: str = "day") -> None:
        """Delete what is of a day, or by another column of a moment, long ago; 0 days are for ever."""
        if not days:
            return
        before = self.now - dt.timedelta(days=days)
        old = rows.filter(**{f"{by}__lt": before.date() if by == "day" else before})
        if self.dry:
            self.counts[kind] += old.count()
            return
        batch = list(old.select_for_update(skip_locked=True).order_by(by).values_list("pk", flat=True)[: self.limit])
        self.counts[kind] += rows.filter(pk__in=batch).delete()[0]
        self.position = "more" if len(batch) == self.limit else None


# --- runs -------------------------------------------------------------------------------------------------------------


def _prune_runs(status: str) -> Callable[[Batch], None]:
    def prune(batch: Batch) -> None:
        days = batch.policy.shortest(status, "tests")
        _delete_runs(batch, batch.next_ids(statements.NEXT_RUNS, days, status=status))

    return prune


def _prune_workflow_runs(batch: Batch) -> None:
    if batch.workflow is None:
        return
    days = min(filter(None, (batch.policy.days(batch.workflow.pk, state) for state in RUN_STATES)), default=None)
    _delete_runs(batch, batch.next_ids(statements.NEXT_WORKFLOW_RUNS, days, workflow=batch.workflow.pk))


def _delete_runs(batch: Batch, seen: list[uuid.UUID]) -> None:
    if not seen:
        return
    own_days = [
        {"workflow": pk, "state": state, "days": days}
        for pk, own in batch.policy.workflows.items()
        for state, days in own.items()
    ]
    site_days = [{"state": state, "days": batch.policy.site[state]} for state in RUN_STATES]
    values = {"seen": seen, "workflows": _json(own_days), "site": _json(site_days)}
    due = database.run(None, statements.RUNS_DUE + ("" if batch.dry else statements.LOCK_RUNS), values)
    if not due:
        return
    runs = [run.id for run in due]
    if batch.dry:
        batch.counts["runs"] += len(runs)
        batch.counts["steps"] += StepRun.objects.filter(run__in=runs).count()
    else:
        replayed = [*runs, *(run.retried_from_id for run in due if run.retried_from_id)]
        snapshots = [run.version_id for run in due if run.cause == ExecutionRun.Cause.TEST]
        for kind, statement in statements.DELETE_RUNS:
            batch.execute(kind, statement, {"runs": runs, "replayed": replayed, "snapshots": snapshots})
    _delete_events(batch, statements.ORPHANED_EVENTS, list({run.event_id for run in due if run.event_id}), runs)


# --- events and jobs --------------------------------------------------------------------------------------------------


def _prune_events(batch: Batch) -> None:
    days = [batch.policy.site["unmatched"], setting("AUTOMATE_DELIVERY_KEY_DAYS")]
    seen = batch.next_ids(statements.NEXT_EVENTS, min(filter(None, days), default=None))
    _delete_events(batch, statements.EVENTS_DUE, seen, [])


def _delete_events(batch: Batch, statement: str, seen: list[uuid.UUID], runs: list[uuid.UUID]) -> None:
    """Delete events with their jobs, or empty those whose delivery keys have still to be remembered.

    `runs` are those that only a dry run has left in their place.
    """
    if not seen:
        return
    days = {"unmatched": batch.policy.site["unmatched"], "failed": batch.policy.site["failed"]}
    values = {"seen": seen, "runs": runs, "keys": setting("AUTOMATE_DELIVERY_KEY_DAYS"), **days}
    found = database.run(None, statement + ("" if batch.dry else statements.LOCK_EVENTS), values)
    parts = {
        "all": [event.id for event in found],
        "forgettable": [event.id for event in found if event.forgettable],
        "remembered": [event.id for event in found if not event.forgettable],
    }
    if batch.dry:
        batch.counts["events"] += len(parts["forgettable"])
        batch.counts["emptied"] += len(parts["remembered"])
        return
    for kind, delete in statements.DELETE_EVENTS if found else ():
        batch.execute(kind, delete, parts)


def _prune_jobs(batch: Batch) -> None:
    [size] = database.run(None, statements.JOBS_PAGES, {})
    first = int(batch.after or 0)
    last = first + _PAGES
    values: dict[str, Any] = {"first": f"({first},0)", "last": f"({last},0)", "days": JOBS_DAYS}
    with connection.cursor() as cursor:
        cursor.execute(statements.JOBS_DUE + ("" if batch.dry else statements.LOCK_JOBS), values)
        jobs = [job for (job,) in cursor.fetchall()]
    if batch.dry:
        batch.counts["jobs"] += len(jobs)
    elif jobs:
        batch.execute("jobs", statements.DELETE_JOBS, {"jobs": jobs})
    batch.position = str(last) if last < size.pages else None


# --- what is counted by the day ---------------------------------------------------------------------------------------


def _prune_rejections(batch: Batch) -> None:
    batch.delete_older("refusals", RefusedDeliveries.objects.all(), max(int(setting("AUTOMATE_REFUSED_DAYS")), 0))


def _prune_usage(batch: Batch) -> None:
    if apps.is_installed("automate_llm"):
        from automate_llm.models import LLMUsage

        days = max(int(setting("AUTOMATE_LLM_USAGE_DAYS")), 0)
        batch.delete_older("usage", LLMUsage.objects.all(), max(days, LEAST_USAGE_DAYS) if days else 0)


def _prune_statistics(batch: Batch) -> None:
    for rows in expiry.expired_rows(batch.now):
        if batch.dry:
            batch.counts["statistics"] += rows.count()
            continue
        some = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[: batch.limit])
        batch.counts["statistics"] += rows.filter(pk__in=some).delete()[0]
        batch.position = "more" if len(some) == batch.limit else batch.position


def _prune_notifications(batch: Batch) -> None:
    over = Notification.objects.exclude(status=NotificationStatus.WAITING)
    batch.delete_older("notifications", over, _notification_days(), by="created_at")


def _prune_occurrences(batch: Batch) -> None:
    batch.delete_older("occurrences", Occurrence.objects.all(), _notification_days(), by="at")


def _prune_removed_rules(batch: Batch) -> None:
    batch.delete_older("rules", NotificationRule.objects.all(), REMOVED_DAYS, by="removed_at")


def _notification_days() -> int:
    return max(int(setting("AUTOMATE_NOTIFICATION_DAYS")), 0)


# --- files ------------------------------------------------------------------------------------------------------------


def _prune_files(batch: Batch) -> None:
    """Delete files that no row names: leftovers of a crash, and files of deleted runs.

    Files of today and yesterday stay: their row may not be written yet.
    """
    if not batch.dry:
        batch.counts["files"] += delete_expired_uploads()
    names = artifacts.list_after(batch.after, batch.now.date() - dt.timedelta(days=1), batch.limit)
    named = {row.name for row in database.run(None, statements.FILES_NAMED, {"names": names})}
    unnamed = [name for name in names if name not in named]
    if not batch.dry:
        database.run(None, statements.DELETE_STORED_FILES, {"names": unnamed})
        artifacts.remove(unnamed)
    batch.counts["files"] += len(unnamed)
    batch.position = names[-1] if len(names) == batch.limit else None


def _json(rows: Iterable[Any]) -> str:
    return msgspec.json.encode(list(rows)).decode()


#: In order. Events after the runs that they started, and what they have left behind.
ALL_STAGES: tuple[Callable[[Batch], None], ...] = (
    *(_prune_runs(status) for status in ("succeeded", "failed", "cancelled")),
    _prune_events,
    _prune_jobs,
    _prune_rejections,
    _prune_usage,
    _prune_statistics,
    _prune_notifications,
    _prune_occurrences,
    _prune_removed_rules,
    _prune_files,
)
WORKFLOW_STAGES: tuple[Callable[[Batch], None], ...] = (_prune_workflow_runs,)
