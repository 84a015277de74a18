"""Chores: what has to be done now and then, in a thread beside the worker's database thread.

Any number of processes may look after them at once: each chore takes its rows with SKIP LOCKED.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, connection

from automate_core.authoring import pausing
from automate_core.operations import bulk
from automate_core.operations.notifications import approval_mail, detectors, failures, sending
from automate_core.operations.retention.pruning import Pruner
from automate_core.operations.statistics import levels, rollup
from automate_core.outbox import status
from automate_core.runs import concurrency
from automate_core.runs.waits import reconnection, sub_runs
from automate_core.triggers import model_capture, schedules

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0


@dataclass(frozen=True)
class Chore:
    """One kind of work. `due` is a SQL boolean expression, cheap and without parameters.

    `run` does a bounded part of it, in transactions of its own, and gives the seconds after which it wants to be looked
    at again: 0 when there is more, None when the next tick will do. For `rest` seconds after it nobody looks.
    """

    name: str
    due: str
    run: Callable[[], float | None]
    rest: float = 0.0


CHORES: tuple[Chore, ...] = (
    Chore("schedules", schedules.DUE, schedules.fire_due),
    Chore("captures", model_capture.DUE, model_capture.ingest_captured_changes),
    Chore("children", sub_runs.DUE, sub_runs.answer),
    Chore("orphans", sub_runs.ORPHANED, sub_runs.cancel_orphans),
    Chore("slots", concurrency.DUE, concurrency.sweep),
    Chore("paused", pausing.DUE, pausing.release),
    Chore("reconnected", reconnection.DUE, reconnection.release),
    Chore("bulk actions", bulk.DUE, bulk.run_next_batch),
    Chore("statistics", rollup.DUE, rollup.count_ended_runs),
    Chore("levels", levels.DUE, levels.record_levels),
    Chore(
        "old transactions",
        status.OLD_TRANSACTION,
        status.warn_of_transaction,
        rest=status.AGAIN_SECONDS,
    ),
    Chore("pruning", "true", Pruner(rest=Pruner.LOOK_SECONDS).turn),  # it knows itself when to look
)

#: On a thread of their own: a slow mail server delays nothing else.
NOTIFYING: tuple[Chore, ...] = (
    Chore("failed runs", failures.DUE, failures.detect_failures),
    Chore("notification rules", detectors.DUE, detectors.run_detectors),
    Chore("approvals to tell of", approval_mail.APPROVAL_MAIL_DUE, approval_mail.queue_approval_mail),
    Chore("reminders", approval_mail.REMINDER_DUE, approval_mail.queue_reminders),
    Chore("notifications", sending.DUE, sending.send_next),
)


class Chores:
    """The thread that does the chores, on a connection of its own, and survives the database going away."""

    def __init__(
        self, chores: tuple[Chore, ...] = CHORES, *, name: str = "automate-chores", tick: float = TICK_SECONDS
    ) -> None:
        self._chores, self._name, self._tick = chores, name, tick
        self._look_at: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}
        self._nudged = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look after them from now on, until `stop`."""
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Look now. Callable from any thread."""
        self._nudged.set()

    def stop(self, timeout: float | None = None) -> None:
        """Do nothing more, and return once the chore that is being done has ended, or after so many seconds."""
        self._stopping.set()
        self._nudged.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def turn(self) -> float:
        """Do what is due now, on this thread's connection: seconds to the next look. Raises django.db.Error."""
        due = self._due()
        self._look_at = {name: at for name, at in self._look_at.items() if at > time.monotonic()}
        for chore in due:
            if self._stopping.is_set():
                break
            again = self._run(chore)
            self._rests_until[chore.name] = time.monotonic() + chore.rest
            if again is not None:
                self._look_at[chore.name] = time.monotonic() + again
        next_look = min(self._look_at.values(), default=math.inf)
        return min(max(next_look - time.monotonic(), 0), self._tick)

    def _due(self) -> list[Chore]:
        """One query for all that do not rest."""
        now = time.monotonic()
        chores = [chore for chore in self._chores if self._rests_until.get(chore.name, now) <= now]
        if not chores:
            return []
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(chore.due for chore in chores)}")
            answers = cursor.fetchone()
        return [chore for chore, due in zip(chores, answers, strict=True) if due]

    def _run(self, chore: Chore) -> float | None:
        try:
            return chore.run()
        except Exception:  # the others go on, and it is tried again
            log.exception("the chore %s failed", chore.name)
            if not connection.is_usable():
                connection.close()
            return None

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                self._nudged.wait(self._look())
                self._nudged.clear()
        finally:
            connection.close()

    def _look(self) -> float:
        try:
            return self.turn()
        except Error as error:
            log.warning("no chores, the database is away: %s", str(error).strip())
            connection.close()
            return self._tick
