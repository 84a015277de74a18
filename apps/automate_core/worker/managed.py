"""The worker that lives in a web process, if the settings ask for one."""

from __future__ import annotations

import threading

from automate_core.outbox import notify
from automate_core.worker import health
from automate_core.worker.worker import Worker
from automate_governance.people import origin


class ManagedWorker:
    """A worker in a thread of this process."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        """`off`, `ok`, or `stopped` when it ended by itself."""
        if self._thread is None:
            return "off"
        return "ok" if self._thread.is_alive() else "stopped"

    @property
    def is_busy(self) -> bool:
        """Whether it holds jobs."""
        return self._worker is not None and self._worker.is_busy

    def start(self) -> None:
        """Start the worker in a thread."""
        self._worker = Worker()
        self._thread = threading.Thread(target=self._run, args=(self._worker,), name="automate-worker", daemon=True)
        self._thread.start()
        notify.register_local_worker(self._worker.wake)
        health.register_local_worker(lambda: self.state)

    def _run(self, worker: Worker) -> None:
        """Work as the audit source `worker`."""
        with origin.process_origin(origin.Source.WORKER):
            worker.run()

    def stop(self) -> None:
        """Stop the worker, and return when its effects have ended or the grace time is over."""
        notify.register_local_worker(None)
        if self._worker is not None and self._thread is not None:
            self._worker.stop()
            self._thread.join()
        self._worker = self._thread = None

    def shutdown_now(self) -> None:
        """Hand back all jobs without waiting for them. Callable from a signal handler."""
        if self._worker is not None:
            self._worker.shutdown_now()


managed = ManagedWorker()
