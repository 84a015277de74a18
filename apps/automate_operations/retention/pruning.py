"""Pruning: passes over the data in small batches, each a transaction that also stores the position.

So it can end at any moment, by a signal or a crash, and continues from there. Any number of processes may take part in
one pruning: one batch of it runs at a time.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator

from django.db import transaction

from automate_core import database
from automate_core.conf import setting
from automate_core.models import Pruning, Workflow
from automate_operations.retention import policy, stages

KEPT = 50  #: prunings of which is remembered what they came to
_LEAST, _MOST = 20, 2_000


class Pace:
    """The rows of a batch, adapted to the time that it took, and the pause after it."""

    def __init__(self, *, seconds: float, share: float) -> None:
        self.limit = 200
        self.took = 0.0
        self._seconds = seconds
        self._share = share

    def measure(self, seconds: float) -> None:
        """Adapt the limit to the seconds of a batch."""
        self.took = seconds
        if seconds > self._seconds:
            self.limit = max(self.limit // 2, _LEAST)
        elif seconds < self._seconds / 3:
            self.limit = min(self.limit * 2, _MOST)

    @property
    def pause_seconds(self) -> float:
        """Seconds to pause, so that pruning uses no more than its share of the time."""
        return self.took * (1 - self._share) / self._share


def begin_pruning(*, by: str, workflow: Workflow | None = None) -> Pruning:
    """The pruning in progress, of everything or of one workflow's runs, or a new one."""
    slug = workflow.slug if workflow else ""
    new = Pruning(workflow=slug, by=by, started_at=database.AutomateNow())
    Pruning.objects.bulk_create([new], ignore_conflicts=True)
    return Pruning.objects.get(workflow=slug, ended_at=None)


# The planner knows too little of tables that have just grown (docs/adr/0004): rows are found by keys.
_BY_KEYS = "SELECT set_config('enable_seqscan', 'off', true) AS scans, set_config('jit', 'off', true) AS jit"


@transaction.atomic
def prune_batch(pruning: Pruning, pace: Pace, *, wait: bool = False) -> Pruning | None:
    """Run one batch: the pruning after it, or None while another process runs one; with `wait` that is waited for."""
    rows = Pruning.objects.select_for_update(skip_locked=not wait)
    current = rows.filter(pk=pruning.pk).first()
    if current is None or current.ended_at is not None:
        return current
    workflow = Workflow.objects.filter(slug=current.workflow).first() if current.workflow else None
    order = stages.WORKFLOW_STAGES if current.workflow else stages.ALL_STAGES
    if current.stage < len(order):
        database.run(None, _BY_KEYS, {})
        started = time.monotonic()
        batch = stages.Batch(policy.load_policy(), database.now(), pace.limit, current.after, workflow)
        order[current.stage](batch)
        pace.measure(time.monotonic() - started)
        current.counts = dict(+(Counter(current.counts) + batch.counts))
        current.stage += batch.position is None
        current.after = batch.position or ""
    if current.stage >= len(order):
        current.ended_at = database.now()
        Pruning.objects.filter(pk__in=Pruning.objects.values("pk")[KEPT:]).delete()
    current.moved_at = database.now()
    current.save()
    return current


def preview_pruning(pace: Pace, workflow: Workflow | None = None) -> Iterator[Counter[str]]:
    """The rows that would be deleted now, counted batch by batch. Nothing is changed."""
    for stage in stages.WORKFLOW_STAGES if workflow else stages.ALL_STAGES:
        after: str | None = ""
        while after is not None:
            started = time.monotonic()
            batch = stages.Batch(policy.load_policy(), database.now(), pace.limit, after, workflow, dry=True)
            stage(batch)
            pace.measure(time.monotonic() - started)
            after = batch.position
            yield batch.counts


class Pruner:
    """A worker's share of pruning: a little now and then, in the maintenance thread. It begins after `rest` seconds."""

    LOOK_SECONDS = 60.0
    AT_ONCE_SECONDS = 0.2

    def __init__(self, rest: float = 0.0) -> None:
        self._pace = Pace(seconds=0.1, share=0.2)
        self._rest_until = time.monotonic() + rest

    def run_once(self) -> float | None:
        """Begin a pruning when one is due, or go on with it: seconds to the next turn, None when there is nothing."""
        left = self._rest_until - time.monotonic()
        if left > 0:
            return left
        self._rest_until = time.monotonic() + self.LOOK_SECONDS  # also when it fails
        pruning = _due_pruning()
        started = time.monotonic()
        while pruning is not None and pruning.ended_at is None:
            pruning = prune_batch(pruning, self._pace)
            if (spent := time.monotonic() - started) > self.AT_ONCE_SECONDS:
                self._pace.took = spent
                self._rest_until = time.monotonic() + self._pace.pause_seconds
                return self._pace.pause_seconds
        return None


def _due_pruning() -> Pruning | None:
    """The pruning in progress, or a new one when it is due."""
    hours = float(setting("AUTOMATE_PRUNE_HOURS"))
    if hours <= 0:
        return None
    newest = Pruning.objects.filter(workflow="").first()
    recent = newest is not None and newest.started_at > database.now() - dt.timedelta(hours=hours)
    return newest if newest is not None and (newest.ended_at is None or recent) else begin_pruning(by="worker")


def latest_prunings(count: int) -> list[Pruning]:
    """The latest prunings, newest first."""
    return list(Pruning.objects.all()[:count])


def next_pruning_at() -> dt.datetime | None:
    """The time of the next pruning by workers; None when they do none."""
    hours = float(setting("AUTOMATE_PRUNE_HOURS"))
    latest = Pruning.objects.filter(workflow="").first()
    if hours <= 0:
        return None
    return latest.started_at + dt.timedelta(hours=hours) if latest else database.now()
