"""Maintenance tasks: the regular work of a worker, in a thread beside its database thread.

Any number of processes may do them at once: each task takes its rows with SKIP LOCKED.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from django.db import Error, connection

from automate_core.worker.maintenance_tasks import MaintenanceTask, registered_tasks
from automate_core.worker.outage_log import OutageLog

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0


class MaintenanceThread:
    """The thread that does maintenance tasks, on a connection of its own; it survives the database going away.

    By default it does the tasks that apps have registered for it, and `more`.
    """

    def __init__(
        self,
        tasks: tuple[MaintenanceTask, ...] | None = None,
        *,
        more: tuple[MaintenanceTask, ...] = (),
        name: str = "automate-maintenance",
        tick: float = TICK_SECONDS,
    ) -> None:
        self._tasks = (*registered_tasks(), *more) if tasks is None else tasks
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
