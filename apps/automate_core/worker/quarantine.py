"""QuarantineProcess: a child process that runs quarantined jobs, one after another and each alone.

A job is quarantined when its lease runs out, because it may have crashed its worker. Whatever it does to the process
that runs it now, it harms no other job, and how that process ends tells whether it was the cause.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess  # noqa: TID251 - our own command, in this very interpreter
import sys
import threading
from collections.abc import Callable

from automate_plugins import text


class QuarantineProcess:
    """`name` is the worker that the child's jobs are leased to. `ended` is called, in a thread, once it is over."""

    def __init__(self, worker: str, ended: Callable[[], None]) -> None:
        self.name = f"{worker[:80]}/{secrets.token_hex(4)}"
        self._was_stopped = False
        self._process = subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "django",
                "automate_worker",
                "--skip-checks",
                "--quarantine",
                self.name,
                str(os.getpid()),
            ],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for the parent alone
        )
        threading.Thread(target=self._wait, args=(ended,), name="automate-quarantine", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def crash(self) -> str:
        """Description of an abnormal exit that the parent did not cause; else empty."""
        code = self._process.returncode
        if not code or self._was_stopped:
            return ""
        if code > 0:
            return text("The worker process ended with exit code %(code)s.", code=str(code))
        return text("The worker process was ended by %(signal)s.", signal=signal.Signals(-code).name)

    @property
    def was_stopped(self) -> bool:
        """Whether its parent ended it."""
        return self._was_stopped

    def stop(self) -> None:
        """Ask it to finish, or hand back what it holds, within the grace time."""
        self._was_stopped = True
        self._process.terminate()

    def kill(self) -> None:
        """End it now."""
        self._was_stopped = True
        self._process.kill()
        self._process.wait()

    def _wait(self, ended: Callable[[], None]) -> None:
        self._process.wait()
        ended()


def _environment() -> dict[str, str]:
    """So that the child finds the modules which this process found, however it was started."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
