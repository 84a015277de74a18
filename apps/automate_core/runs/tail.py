"""Follow the runs of an event, for terminals and tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from automate_core.models import ExecutionRun, StepRun
from automate_core.replies.run_urls import run_url
from automate_core.runs.lookup import is_waiting_for_worker
from automate_core.states import FINAL_RUN_STATES, StepStatus
from automate_plugins import text

FIRST_PAUSE_SECONDS = 0.02
LAST_PAUSE_SECONDS = 0.5


class StillRunningError(TimeoutError):
    """The runs did not end within the given time."""


def follow_delivery(event_id: uuid.UUID, *, seconds: float) -> Iterator[StepRun | ExecutionRun]:
    """Yield the steps of the event's runs as they end, and each run when it has ended.

    Yields nothing when the event matches no workflow. Raises StillRunningError after `seconds`.
    """
    until = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    seen: set[object] = set()
    while True:
        is_pending = is_waiting_for_worker(event_id)
        runs = list(ExecutionRun.objects.filter(event=event_id).select_related("workflow").order_by("id"))
        for step in (
            StepRun.objects.filter(run__in=runs).exclude(status=StepStatus.RUNNING).order_by("started_at", "id")
        ):
            if step.pk not in seen:
                seen.add(step.pk)
                yield step
        for run in runs:
            if run.status in FINAL_RUN_STATES and run.pk not in seen:
                seen.add(run.pk)
                yield run
        if not is_pending and all(run.pk in seen for run in runs):
            return
        if time.monotonic() > until:
            raise StillRunningError(text("The run is still in progress after %(seconds)s s.", seconds=float(seconds)))
        time.sleep(pause)
        pause = min(pause * 1.5, LAST_PAUSE_SECONDS)


def wait_for_end(event_id: uuid.UUID, *, seconds: float) -> None:
    """Return once the event's first run has ended or cannot come any more, at the latest after `seconds`.

    Call it outside of transactions: the run would never be seen inside. It holds the caller's connection, idle.
    """
    until = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    runs = ExecutionRun.objects.filter(event=event_id, cause=ExecutionRun.Cause.TRIGGER).order_by("id")
    while True:
        is_pending = is_waiting_for_worker(event_id)
        status = runs.values_list("status", flat=True).first()
        left = until - time.monotonic()
        if status in FINAL_RUN_STATES or (status is None and not is_pending) or left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LAST_PAUSE_SECONDS)


def describe_run(run: ExecutionRun) -> str:
    """Describe a run in one line: its state, the error and its URL."""
    why = ""
    if run.error:
        step = f"{run.error['step']}: " if run.error.get("step") else ""
        why = f" ({step}{run.error.get('message', '')})"
    return f"{run.workflow.slug} {run.status}{why} {run_url(run.pk) or run.pk}"
