"""Consumer processes of a suite: started, held in the middle of a step, killed, and asked what they did."""

from __future__ import annotations

import json
import os
import signal
import subprocess  # noqa: TID251 - the consumers of the plug-in under test
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("consumer.py")
START_SECONDS = 180.0  #: a process needs long where all cores are busy


class Consumers:
    """The consumer processes of a test, and what all of them recorded in `folder`."""

    def __init__(self, folder: Path, command: Sequence[str], environment: Mapping[str, str], *, seconds: float) -> None:
        self.folder, self.seconds, self.environment = folder, seconds, environment
        self._command = list(command)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start one, and return once it runs the plug-in's module."""
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "PYTHONPATH": paths, **self.environment}
        command = [sys.executable, "-P", str(PROGRAM), str(self.folder), *self._command]
        with (self.folder / "output.txt").open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - Python itself
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        self.wait(
            lambda: (
                any(call["call"] == "started" and call["pid"] == process.pid for call in self.calls())
                or process.poll() is not None
            ),
            START_SECONDS,
        )
        assert process.poll() is None, f"the consumer ended at once: {self.output()}"
        return process

    def kill(self) -> None:
        """End all of them and their children with SIGKILL."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def hold(self) -> None:
        """Let performed steps last until `release`."""
        (self.folder / "hold").touch()

    def release(self) -> None:
        """End what `hold` began."""
        (self.folder / "hold").unlink(missing_ok=True)

    def fail_once(self) -> None:
        """Let the next performed step raise an error."""
        (self.folder / "fail").touch()

    def calls(self, kind: str = "") -> list[dict[str, Any]]:
        """Recorded calls, of one kind or all."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [call for line in lines if (call := json.loads(line)) and (not kind or call["call"] == kind)]

    def wait_for(self, kind: str, count: int, what: str) -> list[dict[str, Any]]:
        """The calls of a kind once there are `count`. Fails with `what` when there are not in time."""
        ended = "" if self.wait(lambda: len(self.calls(kind)) >= count or not self.is_alive()) else " in time"
        calls = self.calls(kind)
        reason = ended or f"; it ended: {self.output()}"
        assert len(calls) >= count, f"{what}{reason}"
        return calls

    def wait(self, condition: Callable[[], bool], seconds: float = 0.0) -> bool:
        """Whether the condition became true in time."""
        until = time.monotonic() + (seconds or self.seconds)
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.02)
        return condition()

    def is_alive(self) -> bool:
        """Whether every process runs."""
        return all(process.poll() is None for process in self._processes)

    def output(self) -> str:
        """The end of what they printed."""
        path = self.folder / "output.txt"
        return path.read_text(encoding="utf-8", errors="replace")[-2_000:] if path.exists() else ""
