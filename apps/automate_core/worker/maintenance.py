"""Maintenance tasks: the regular work of a worker, in a thread beside its database thread.

Any number of processes may do them at once: each task takes its rows with SKIP LOCKED.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from django.db import Error, connection

from automate_connectors.limits import calls
from automate_connectors.stored import freshness
from automate_core.authoring import pausing
from automate_core.operations import bulk
from automate_core.operations.erasure import erasing
from automate_core.operations.notifications import approval_mail, detectors, failures, sender
from automate_core.operations.retention.pruning import Pruner
from automate_core.operations.statistics import levels, rollup
from automate_core.operations.telemetry import trace_queue
from automate_core.operations.telemetry.trace_export import TraceExporter
from automate_core.outbox import status
from automate_core.runs import concurrency, held_starts
from automate_core.runs.waits import reconnection, sub_run_outcomes, sub_runs
from automate_core.tracing.collector import configured_collector
from automate_core.triggers import model_capture, schedules
from automate_core.webhooks.registration import upkeep
from automate_core.worker.maintenance_tasks import MaintenanceTask, registered_tasks
from automate_core.worker.outage_log import OutageLog
from automate_governance.audit import verification

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0


MAINTENANCE_TASKS: tuple[MaintenanceTask, ...] = (
    MaintenanceTask("schedules", schedules.DUE, schedules.fire_due),
    MaintenanceTask("captures", model_capture.DUE, model_capture.ingest_captured_changes),
    MaintenanceTask("sub-runs", sub_run_outcomes.DUE, sub_run_outcomes.resolve_waits),
    MaintenanceTask("orphaned sub-runs", sub_runs.ORPHANED, sub_runs.cancel_orphans),
    MaintenanceTask("slots", concurrency.DUE, concurrency.admit_all),
    MaintenanceTask("paused", pausing.DUE, pausing.release),
    MaintenanceTask("held events", held_starts.DUE, held_starts.start_held),
    MaintenanceTask("reconnected", reconnection.DUE, reconnection.resolve_missed_waits),
    MaintenanceTask("moved webhooks", upkeep.MAY_HAVE_MOVED, upkeep.notice_moves, pause=3_600),  # and at its start
    MaintenanceTask("rate limits", calls.DUE, calls.admit_all),
    MaintenanceTask("bulk actions", bulk.DUE, bulk.run_next_batch),
    MaintenanceTask("erasures", erasing.DUE, erasing.ErasureTask().run_once),
    MaintenanceTask("statistics", rollup.DUE, rollup.count_ended_runs),
    MaintenanceTask("levels", levels.DUE, levels.record_levels),
    MaintenanceTask(
        "old transactions",
        status.OLD_TRANSACTION,
        status.warn_of_transaction,
        pause=status.AGAIN_SECONDS,
    ),
    MaintenanceTask(
        "stored connectors", freshness.DUE, freshness.stored_connectors.refresh, pause=freshness.CHECK_SECONDS
    ),
    MaintenanceTask("audit trail", verification.DUE, verification.verify_next_part),
    MaintenanceTask("pruning", "true", Pruner(rest=Pruner.LOOK_SECONDS).run_once),  # decides itself when it is due
)

#: On a thread of their own: a slow mail server delays nothing else.
NOTIFICATION_TASKS: tuple[MaintenanceTask, ...] = (
    MaintenanceTask("failed runs", failures.DUE, failures.detect_failures),
    MaintenanceTask("notification rules", detectors.DUE, detectors.run_detectors),
    MaintenanceTask("approvals to tell of", approval_mail.APPROVAL_MAIL_DUE, approval_mail.queue_approval_mail),
    MaintenanceTask("reminders", approval_mail.REMINDER_DUE, approval_mail.queue_reminders),
    MaintenanceTask("notifications", sender.DUE, sender.send_next),
)


def trace_tasks() -> tuple[MaintenanceTask, ...]:
    """The export of traces, where a collector is configured. On a thread of its own: a collector may be slow."""
    if configured_collector() is None:
        return ()
    return (MaintenanceTask("traces", trace_queue.DUE, TraceExporter().run_once),)


class MaintenanceThread:
    """The thread that does maintenance tasks, on a connection of its own; it survives the database going away.

    By default it does `MAINTENANCE_TASKS`, those that other apps have registered, and `more`.
    """

    def __init__(
        self,
        tasks: tuple[MaintenanceTask, ...] | None = None,
        *,
        more: tuple[MaintenanceTask, ...] = (),
        name: str = "automate-maintenance",
        tick: float = TICK_SECONDS,
    ) -> None:
        self._tasks = (*MAINTENANCE_TASKS, *registered_tasks(), *more) if tasks is None else tasks
        self._name, self._tick = name, tick
        self._outage = OutageLog(log, "no maintenance, the database is unavailable: %s")
        self._run_at: dict[str, float] = {}
        self._paused_until: dict[str, float] = {}
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; it works until `stop`."""
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Check for due tasks now. Callable from any thread."""
        self._woken.set()

    def stop(self, timeout: float | None = None) -> None:
        """Begin no further task, and return once the present one has ended, or after `timeout` seconds."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run_due(self) -> float:
        """Run the tasks that are due, in this thread; gives the seconds to the next check. Raises django.db.Error."""
        due = self._due()
        self._run_at = {name: at for name, at in self._run_at.items() if at > time.monotonic()}
        for task in due:
            if self._stopping.is_set():
                break
            again = self._run(task)
            self._paused_until[task.name] = time.monotonic() + task.pause
            if again is not None:
                self._run_at[task.name] = time.monotonic() + again
        next_check = min(self._run_at.values(), default=math.inf)
        return min(max(next_check - time.monotonic(), 0), self._tick)

    def _due(self) -> list[MaintenanceTask]:
        """The tasks that are due, by one query for all that are not paused."""
        now = time.monotonic()
        tasks = [task for task in self._tasks if self._paused_until.get(task.name, now) <= now]
        if not tasks:
            return []
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(task.due for task in tasks)}")
            answers = cursor.fetchone()
        return [task for task, due in zip(tasks, answers, strict=True) if due]

    def _run(self, task: MaintenanceTask) -> float | None:
        try:
            return task.run()
        except Exception:  # the others go on, and it is tried again
            log.exception("the maintenance task %s failed", task.name)
            if not connection.is_usable():
                connection.close()
            return None

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                self._woken.wait(self._check())
                self._woken.clear()
        finally:
            connection.close()

    def _check(self) -> float:
        try:
            return self.run_due()
        except Error as error:
            self._outage.warn(error)
            connection.close()
            return self._tick
