"""What a flood of public requests does to the runs of others: the time from the POST to the end of a run, beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from bench.deliveries import paced_ms
from bench.measure import clear, figure, percentile, wait_until_idle, warm_up
from bench.stage import ROOT, Stage

CONNECTIONS = 40
SECONDS = 20
FORM = """
name: Public
slug: public
triggers:
  - {kind: form, slug: public, inputs: [{name: email, kind: email, required: true}]}
steps:
  - {key: only, action: data.set, inputs: {}}
"""
REQUESTS = (
    "GET /forms/public/",
    "GET /api/v1/openapi.json",
    "GET /admin/login/",
    "GET /api/v1/docs",  # an address that is not there
    "POST /hooks/pure/",  # without a signature
    "POST /hooks/callback/wrong-token/",
)


def flood(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """A delivery a second, idle and beside the flood. The worker is in the web process; deliveries have no limit."""
    path = on.folder / "public.yaml"
    path.write_text(FORM)
    on.manage("automate_import", str(path), "--publish")
    on.environment["AUTOMATE_WORKER"] = "managed"
    idle, beside, rates = [], [], []
    try:
        for _ in range(runs):
            with on.web():
                warm_up(on)
                wait_until_idle(on)
                idle.append(paced_ms(on, SECONDS, rate=1))
                with _flooding(on) as process:
                    beside.append(paced_ms(on, SECONDS, rate=1))
                    rates.append(_answered(process))
            clear(on)
    finally:
        on.environment["AUTOMATE_WORKER"] = "off"
    for name, values in (("idle", idle), ("flood", beside)):
        yield figure(f"finish_ms_p50_{name}", "ms", [percentile(each, 0.5) for each in values])
        yield figure(f"finish_ms_p95_{name}", "ms", [percentile(each, 0.95) for each in values])
        yield figure(f"finish_ms_max_{name}", "ms", [max(each) for each in values])
    yield figure("flood_answers_per_s", f"answers/s, {CONNECTIONS} connections", rates)


@contextlib.contextmanager
def _flooding(on: Stage) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bench.flood", str(on.port), str(SECONDS + 2)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def _answered(process: subprocess.Popen[bytes]) -> float:
    statuses: dict[str, int] = json.loads(process.communicate(timeout=60)[0])
    sys.stderr.write(f"statuses: {statuses}\n")
    return sum(statuses.values()) / (SECONDS + 2)


async def _send(port: int, until: float, first: int, statuses: Counter[str]) -> None:
    number = first
    while time.monotonic() < until:
        line = REQUESTS[number % len(REQUESTS)]
        number += 1
        request = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode())
            answer = await reader.read()
            writer.close()
            statuses[answer[9:12].decode()] += 1
        except OSError:
            statuses["lost"] += 1


async def _flood(port: int, seconds: float) -> Counter[str]:
    statuses: Counter[str] = Counter()
    until = time.monotonic() + seconds
    await asyncio.gather(*(_send(port, until, first, statuses) for first in range(CONNECTIONS)))
    return statuses


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_flood(int(sys.argv[1]), float(sys.argv[2])))))
