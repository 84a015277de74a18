"""The processes of a fault test, and a sender that comes again until it is answered."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.faults.invariants import Evidence
from tests.support import processes
from tests.support.processes import free_port

CLOCK_OFF_BY = "import time; real = time.time; time.time = lambda: real() + ({seconds}); "
RUN_MANAGE = "import runpy, sys; sys.argv = {arguments!r}; runpy.run_path(sys.argv[0], run_name='__main__')"

LEASE_SECONDS = "15"  # of workers that no fault is planned for


def wait_for(condition: Callable[[], Any], *, seconds: float = 180, every: float = 0.05) -> Any:
    """As everywhere, with more patience: starting a process may take long on a busy machine."""
    return processes.wait_for(condition, seconds=seconds, every=every)


class Process:
    """A process whose output goes to a file, so that no pipe fills."""

    def __init__(
        self, command: list[str], environment: dict[str, str], log: Path, *, output: Any = None, root: Path = ROOT
    ) -> None:
        self.log = log
        with log.open("a") as written:
            self.popen = subprocess.Popen(
                command, cwd=root, env=environment, stdout=output or written, stderr=output or written
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    @property
    def name(self) -> str:
        """The name that its worker goes by."""
        return f"{os.uname().nodename}-{self.pid}"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text(errors="replace")

    def resident_bytes(self) -> int:
        """Its memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.popen.kill()
        self.popen.wait(180)

    def wait(self, seconds: float = 90) -> int:
        """Its exit code, once it has ended."""
        return self.popen.wait(seconds)


class Mill:
    """All processes of a test, of the code in `root`."""

    def __init__(
        self,
        environment: dict[str, str],
        manage: list[str],
        folder: Path,
        evidence: Evidence,
        *,
        root: Path = ROOT,
    ) -> None:
        self.root = root
        self.environment = {**environment, "AUTOMATE_FAULT_MARKS": str(folder)}
        self.manage = manage
        self.folder = folder
        self.evidence = evidence
        self.processes: list[Process] = []

    def worker(self, *flags: str, output: Any = None, clock_off_by: float = 0, **variables: str) -> Process:
        """A worker process. Its leases are soon over if it is to come to harm, and else outlast any delay of a machine."""
        variables.setdefault("AUTOMATE_LEASE_SECONDS", "4" if "AUTOMATE_FAULTS" in variables else LEASE_SECONDS)
        command = [*self.manage, "automate_worker", *flags]
        if clock_off_by:
            script = CLOCK_OFF_BY.format(seconds=clock_off_by) + RUN_MANAGE.format(arguments=command[1:])
            command = [command[0], "-c", script]
        return self._start(command, variables, output=output)

    def standby(self, *flags: str, **variables: str) -> Process:
        """A worker that has started and is stopped: SIGCONT, and it takes over without a start's delay."""
        started = self.worker(*flags, **variables)
        wait_for(lambda: started.said(" slots"))
        started.signal(signal.SIGSTOP)
        wait_for(lambda: started.is_stopped)
        return started

    def web(self, *, port: int = 0, patience: float = 180, **variables: str) -> tuple[Process, str]:
        """A web process without a worker, once it answers, and its `host:port`."""
        port = port or free_port()
        command = [sys.executable, "-m", "uvicorn", "automate_site.asgi:application", "--port", str(port)]
        own = {"PORT": str(port), "AUTOMATE_WORKER": "off", **variables}
        started = self._start([*command, "--log-level", "warning"], own)
        wait_for(lambda: _answers(port) or not started.is_running, seconds=patience)
        assert started.is_running, started.log.read_text()
        return started, f"127.0.0.1:{port}"

    def start(self, command: list[str], **variables: str) -> Process:
        """Another process on the same database."""
        return self._start(command, variables)

    def terminate(self, worker: Process) -> None:
        """Tell a worker to stop."""
        self.evidence.stopped[worker.name] = datetime.now(UTC)
        worker.signal(signal.SIGTERM)

    def reached(self, point: str, times: int = 1) -> bool:
        """Whether some process has reached that fault point so often."""
        marks = self.folder / point
        return marks.exists() and len(marks.read_text().splitlines()) >= times

    def end(self) -> None:
        """Kill what still runs."""
        for each in self.processes:
            if each.is_running:
                each.kill()

    def _start(self, command: list[str], variables: dict[str, str], *, output: Any = None) -> Process:
        log = self.folder / f"process-{len(self.processes)}.log"
        started = Process(command, {**self.environment, **variables}, log, output=output, root=self.root)
        self.processes.append(started)
        return started


def _answers(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(client), contextlib.suppress(OSError, http.client.HTTPException):
        client.request("GET", "/readyz/")
        with client.getresponse() as answer:
            return answer.status == 200
    return False


class Sender:
    """Sends deliveries as GitHub would, were it to repeat them: each until it is answered with a 202."""

    def __init__(self, address: str, secret: str, evidence: Evidence, *, endpoint: str = "github") -> None:
        self.address = address
        self.path = f"/hooks/{endpoint}/"
        self.secret = secret
        self.evidence = evidence
        self.seconds: list[float] = []

    def post(self, delivery: str, payload: Any = None, *, timeout: float = 60) -> tuple[int, str]:
        """One try: (status, trace id), or (0, "") when the connection broke."""
        body = json.dumps({"delivery": delivery} if payload is None else payload).encode()
        from automate_core.webhooks.schemes.registry import (
            GitHubScheme,  # the long tests set Django up after their imports
        )

        headers = GitHubScheme({}).sign(self.secret, body, event_type="issues", delivery=delivery)
        client = http.client.HTTPConnection(self.address, timeout=timeout)
        started = time.monotonic()
        try:
            client.request("POST", self.path, body, {"Content-Type": "application/json", **headers})
            answer = client.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, ""
        finally:
            self.seconds.append(time.monotonic() - started)
            client.close()
        self.evidence.answered(delivery, answer.status, content.get("trace_id", ""))
        return answer.status, content.get("trace_id", "")

    def insist(self, delivery: str, payload: Any = None, *, seconds: float = 60) -> None:
        """Until it is accepted."""
        wait_for(lambda: self.post(delivery, payload)[0] == 202, seconds=seconds)


def at_once(work: Callable[[Any], None], items: Iterable[Any], *, threads: int) -> None:
    """Do `work` with each item in that many threads, and raise what went wrong."""
    waiting, lock, errors = iter(items), threading.Lock(), []

    def go() -> None:
        while not errors:
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
                errors.append(error)

    started = [threading.Thread(target=go) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]
