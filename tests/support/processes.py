"""Real web and worker processes on the tests' database."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


def free_port() -> int:
    """A port that nothing listens on, below those that the system gives to whoever connects meanwhile."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition: Callable[[], Any], *, seconds: float = 180, every: float = 0.05) -> Any:
    """What `condition` gives once it is true. Fails after that time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := condition():
            return result
        time.sleep(every)
    raise AssertionError(f"not true after {seconds:g} seconds: {condition}")


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process for the duration of the block, ended with SIGTERM and, if need be, SIGKILL."""
    started = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(180)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(180)
        for stream in (started.stdout, started.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def worker_process(environment: dict[str, str], manage: list[str]) -> Callable[..., Any]:
    """Start a worker process: a context manager that gives its Popen."""
    return lambda *flags, **variables: process([*manage, "automate_worker", *flags], {**environment, **variables})


@pytest.fixture
def children_find_us(environment: dict[str, str], sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that a worker of this process starts work on the tests' database, and may call the sink."""
    for name, value in {**environment, "AUTOMATE_EGRESS_ALLOW": sink.host}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def serve(environment: dict[str, str], sink: Any, transactional_db: None) -> Callable[..., Any]:
    """Start the ASGI site as a process on a port: a context manager that gives its Popen once it answers."""

    @contextlib.contextmanager
    def start(port: int, *, worker: str = "managed") -> Iterator[subprocess.Popen[str]]:
        own = {**environment, "PORT": str(port), "AUTOMATE_WORKER": worker, "AUTOMATE_EGRESS_ALLOW": sink.host}
        command = [sys.executable, "-m", "uvicorn", "automate_site.asgi:application", "--port", str(port),
                   "--log-level", "warning", "--timeout-graceful-shutdown", "3"]  # fmt: skip
        with process(command, own) as started:
            wait_for(lambda: _answers(f"http://127.0.0.1:{port}/readyz/"))
            yield started

    return start


class SiteTemplate:
    """Sites of the tests of one session, one after the other, out of a process that has imported everything."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.environment: dict[str, str] = {}
        self.port = free_port()

    @contextlib.contextmanager
    def serve(self, may_be_called: str) -> Iterator[str]:
        """The address of a site for the duration of the block."""
        if self._process is None:
            command = [sys.executable, "-m", "tests.support.site_template"]
            variables = {**self.environment, "PORT": str(self.port), "AUTOMATE_WORKER": "managed"}
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        told, asked = self._process.stdout, self._process.stdin
        assert told is not None and asked is not None
        print(may_be_called, file=asked, flush=True)
        site = int(told.readline())
        forced = threading.Timer(30, os.kill, (site, signal.SIGKILL))
        try:
            url = f"http://127.0.0.1:{self.port}"
            wait_for(lambda: _answers(f"{url}/readyz/"))
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(site, signal.SIGTERM)
            forced.start()
            assert told.readline() == "ended\n"
            forced.cancel()

    def end(self) -> None:
        """No site runs any more."""
        if self._process is not None:
            self._process.communicate()


@pytest.fixture(scope="session")
def site_template() -> Iterator[SiteTemplate]:
    """Nothing starts before the first test asks for a site."""
    made = SiteTemplate()
    yield made
    made.end()


@pytest.fixture
def site(
    serve: Callable[..., Any], site_template: SiteTemplate, environment: dict[str, str], sink: Any
) -> Iterator[str]:
    """The ASGI site with its managed worker, as a process; gives its address. Its workflows may call the sink."""
    variables = {name: value for name, value in environment.items() if name != "PYTEST_CURRENT_TEST"}
    site_template.environment = site_template.environment or variables
    if variables == site_template.environment:
        with site_template.serve(sink.host) as url:
            yield url
        return
    port = free_port()
    with serve(port):
        yield f"http://127.0.0.1:{port}"


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(url, timeout=20).status == 200
    return False


def read(path: Path) -> str:
    """A file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")
