"""F19: everything that the other side of a call may do, and what a step makes of it within its time."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from datetime import timedelta

import pytest

from automate_core.engine.retry import RetryPolicy
from automate_core.models import ExecutionRun, StepRun, Wait
from tests.faults.harness import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

CALL = """
name: Call {name}
slug: {name}
triggers: [{{endpoint: github, filter: {{'==': [{{var: event.payload.to}}, {name}]}}}}]
steps:
  - key: call
    action: http.request
    timeout: 1
    retry: {{attempts: {attempts}, base: {base}, cap: 1}}
    inputs: {{method: POST, url: '{url}/{name}'}}
"""


class Wild(socketserver.BaseRequestHandler):
    """Answers each path in its own bad way."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            getattr(self, self.request.recv(65_536).split()[1][1:].decode())()

    def silent(self) -> None:
        """No answer at all."""
        time.sleep(60)

    def drip(self) -> None:
        """A byte of the body now and then."""
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(600):
            self.request.sendall(b"x")
            time.sleep(0.1)

    def endless(self) -> None:
        """A body without an end."""
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1_000):
            self.request.sendall(b"x" * 100_000)

    def reset(self) -> None:
        """A reset instead of an answer."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def garbage(self) -> None:
        """No HTTP."""
        self.request.sendall(b"\x16\x03\x01 what is this?\r\n\r\n")


@pytest.fixture
def wild():
    """The address of a server that behaves badly."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Wild) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.extended
def test_no_bad_answer_outlasts_its_step(workflow, mill, deliver, wild):
    """Each ends as an error in the step's own time, long before the answer would, and says what it was."""
    for name in ("silent", "drip", "endless", "reset", "garbage"):
        workflow(CALL.format(name=name, url=f"http://{wild}", attempts=1, base=1))
    mill.worker(AUTOMATE_EGRESS_ALLOW=wild)
    for name in ("silent", "drip", "endless", "reset", "garbage"):
        deliver({"to": name})
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").count() == 5)
    ended = {step.run.workflow.slug: step for step in StepRun.objects.select_related("run__workflow")}
    assert all(step.finished_at - step.started_at < timedelta(seconds=30) for step in ended.values())
    codes = {name: step.error["code"] for name, step in ended.items()}
    assert codes["silent"] == codes["drip"] == "timeout", codes
    assert codes["endless"] in {"timeout", "response_too_large"}, codes
    assert all(step.error["message"] for step in ended.values())


@pytest.mark.extended
def test_errors_that_pass_are_tried_again_in_their_time(workflow, mill, deliver, sink):
    """500s by the policy; a 429 when its Retry-After says; a 400 never."""
    started = {"busy": (429, {"Retry-After": "2"}), "broken": (500, {}), "refused": (400, {})}

    def answer(number, path):
        status, headers = started[path[1:]]
        tries = [called for called, _, _ in sink.calls].count(path)
        return (200, {}, {}) if tries == 3 else (status, {}, headers)

    sink.answer = answer
    for name in started:
        patient = CALL.replace("timeout: 1", "timeout: 60")
        workflow(patient.format(name=name, url=sink.url, attempts=3, base=0.5))
    mill.worker()
    for name in started:
        deliver({"to": name})
    wait_for(lambda: ExecutionRun.objects.filter(finished_at__isnull=False).count() == 3)
    calls = [path for path, _, _ in sink.calls]
    times = {name: [at for path, at in zip(calls, sink.times, strict=True) if path[1:] == name] for name in started}
    assert {name: len(tries) for name, tries in times.items()} == {"busy": 3, "broken": 3, "refused": 1}
    assert all(later - sooner >= 2 for sooner, later in zip(times["busy"], times["busy"][1:], strict=False))
    assert times["broken"][1] - times["broken"][0] >= 0.25
    assert times["broken"][2] - times["broken"][1] >= 0.5
    assert Wait.objects.filter(kind="retry", status="resolved").count() == 4


@pytest.mark.extended
def test_an_answer_of_fifty_megabytes_costs_no_memory(workflow, mill, deliver, wild):
    """F31: it is refused at its limit, and the worker is back at its size."""
    workflow(CALL.format(name="endless", url=f"http://{wild}", attempts=1, base=1).replace("timeout: 1", "timeout: 20"))
    worker = mill.worker("--concurrency", "2", AUTOMATE_EGRESS_ALLOW=wild)
    for _ in range(10):
        deliver({"to": "endless"})
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").count() == 10)
    before = worker.resident_bytes()
    for _ in range(20):
        deliver({"to": "endless"})
    wait_for(lambda: ExecutionRun.objects.filter(status="failed").count() == 30)
    assert {step.error["code"] for step in StepRun.objects.all()} == {"response_too_large"}
    assert worker.resident_bytes() < before * 1.1 + 10_000_000


def test_delays_are_spread():
    """Equal jitter: between half and all of the backoff, evenly over ten bins of a thousand draws (chi-square)."""
    policy = RetryPolicy(attempts=5, base=8)
    for failures, backoff in ((1, 8), (2, 16), (3, 32)):
        delays = [policy.delay(failures) for _ in range(1_000)]
        assert backoff / 2 <= min(delays) < backoff * 0.52 and backoff * 0.98 < max(delays) <= backoff
        bins = [0] * 10
        for delay in delays:
            bins[min(9, int((delay / backoff - 0.5) * 20))] += 1
        assert sum((count - 100) ** 2 / 100 for count in bins) < 40, bins  # 9 degrees of freedom: one in 100,000
