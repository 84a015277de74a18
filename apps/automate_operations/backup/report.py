"""The report of a restored site: runs that go on, runs in doubt, and callback URLs that no longer work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache

from django.db.models import Count, QuerySet

from automate_core import database
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, OutboxJob, Schedule, StepRun, Wait
from automate_core.runs.doubts import acting_steps
from automate_core.states import FINAL_RUN_STATES, JobStatus, StepStatus, WaitStatus
from automate_governance.secrets import recovery
from automate_operations.backup.restore import RestoreResult

LISTED = 20


def report_lines(restored: RestoreResult) -> Iterator[str]:
    """The report, a line each."""
    now = database.now()
    yield f"The backup is of {restored.made_at:%Y-%m-%d %H:%M:%S} UTC. Later changes are lost."
    yield from _runs()
    yield from _in_doubt()
    yield from _callbacks(now, restored.callbacks_died)
    late = Schedule.objects.filter(next_at__lt=now).count()
    if late:
        yield f"Schedules that were due since then: {late}. They start when a worker runs."
    for each in recovery.list_unreadable():
        if each.secret.key_id not in restored.key_ids:  # keys that were just written count from the next process on
            yield f"The secret {each.secret} cannot be read. Run automate_recover_keys."


def _open() -> QuerySet[ExecutionRun]:
    return ExecutionRun.objects.exclude(status__in=FINAL_RUN_STATES)


def _runs() -> Iterator[str]:
    counts = dict(_open().order_by("status").values_list("status").annotate(Count("pk")))
    counted = ", ".join(f"{number} {status}" for status, number in counts.items())
    yield f"Runs that continue when a worker starts: {counted or 'none'}."
    if counts:
        yield "Effects of these runs after the backup are repeated with the same idempotency key."
    leased = OutboxJob.objects.filter(status=JobStatus.LEASED).count()
    if leased:
        yield f"Jobs held by former workers: {leased}. Other workers take them when the leases expire."


def _in_doubt() -> Iterator[str]:
    running = StepRun.objects.filter(status=StepStatus.RUNNING, run__in=_open()).select_related("run__workflow")
    acting = cache(acting_steps)
    attempts = [each for each in running.order_by("id") if key_of(each.path) in acting(each.run.version_id)]
    number = len(attempts)
    yield f"Attempts in doubt, in progress at the time of the backup: {number or 'none'}."
    for attempt in attempts[:LISTED]:
        yield f"  {attempt.run.workflow.slug} {attempt.run_id} {attempt}"
    if number > LISTED:
        yield f"  and {number - LISTED} more"


def _callbacks(now: dt.datetime, died: bool) -> Iterator[str]:
    waits = Wait.objects.filter(kind=Wait.Kind.CALLBACK, status=WaitStatus.OPEN).select_related("run__workflow")
    dead = waits if died else waits.filter(due_at__lt=now)
    yield f"Valid callback URLs: {waits.count() - dead.count()}. Callback URLs created after the backup are invalid."
    if dead:
        why = "SECRET_KEY differs" if died else "they have expired"
        yield f"Invalid callback URLs, because {why}: {dead.count()}."
        for wait in dead.order_by("id")[:LISTED]:
            yield f"  {wait.run.workflow.slug} {wait.run_id} {wait.path}"
