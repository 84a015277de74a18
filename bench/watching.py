"""Figures of the live run page: what 200 open pages cost while nothing happens, and how soon they show a change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psycopg

from bench.measure import clear, cpu_seconds, figure, percentile
from bench.stage import Stage

VIEWERS = 200
PEOPLE = 20
RUNS = 10
CHANGES = 100
SETTLE_SECONDS = 5.0


def watching(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Ten waiting runs, each watched by the same twenty people, of whom none is a superuser."""
    clear(on)
    with on.web() as web:
        made = on.script("bench.viewers", PEOPLE, RUNS)
        shares, p50s, p95s = [], [], []
        for _ in range(runs):
            found = asyncio.run(_measure(on, web.pid, made))
            shares.append(found[0] * 100)
            p50s.append(percentile(found[1], 0.50) * 1000)
            p95s.append(percentile(found[1], 0.95) * 1000)
    viewers = max(1, int(VIEWERS * on.scale))
    yield figure("watch_idle_cpu", f"% of a core, {viewers} pages open", shares)
    yield figure("watch_ms_p50", "ms from the commit to the page", p50s)
    yield figure("watch_ms_p95", "ms from the commit to the page", p95s)


async def _measure(on: Stage, pid: int, made: dict[str, list[str]]) -> tuple[float, list[float]]:
    """(share of a core while nothing happens, seconds from each commit to the event of each page of the run)."""
    viewers = [
        _Viewer(on.port, made["sessions"][n % PEOPLE], made["runs"][n // PEOPLE % RUNS])
        for n in range(max(1, int(VIEWERS * on.scale)))
    ]
    reading = [asyncio.create_task(viewer.read()) for viewer in viewers]
    try:
        async with asyncio.timeout(120):
            while not all(viewer.seen for viewer in viewers):
                await asyncio.sleep(0.2)
        await asyncio.sleep(SETTLE_SECONDS)
        seconds = max(5.0, 60 * on.scale)
        began, used = time.monotonic(), cpu_seconds(pid)
        await asyncio.sleep(seconds)
        share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
        delays = await _change(on, made["runs"], viewers)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return share, delays


async def _change(on: Stage, runs: list[str], viewers: list[_Viewer]) -> list[float]:
    delays: list[float] = []
    async with await psycopg.AsyncConnection.connect(on.cluster.url, autocommit=True) as connection:
        for number in range(max(5, int(CHANGES * on.scale))):
            run = runs[number % len(runs)]
            watching = [viewer for viewer in viewers if viewer.run == run]
            cursor = await connection.execute(
                "UPDATE automate_core_executionrun SET seq = seq + 1 WHERE id = %s RETURNING seq", [run]
            )
            committed = time.monotonic()
            [seq] = await cursor.fetchone() or [0]
            async with asyncio.timeout(20):
                while not all(seq in viewer.seen for viewer in watching):
                    await asyncio.sleep(0.002)
            delays += [viewer.seen[seq] - committed for viewer in watching]
            await asyncio.sleep(0.05 + number * 37 % 200 / 1000)  # at any point between two polls
    return delays


class _Viewer:
    """One open page: when it got which sequence."""

    def __init__(self, port: int, session: str, run: str) -> None:
        self.run = run
        self.seen: dict[int, float] = {}
        self._port = port
        self._request = (
            f"GET /admin/automate/runs/{run}/stream/?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Cookie: sessionid={session}\r\n\r\n"
        ).encode()

    async def read(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        try:
            writer.write(self._request)
            status = await reader.readline()
            if b" 200 " not in status:
                raise RuntimeError(f"the stream answers {status.decode().strip()}")
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    self.seen[int(line[4:])] = time.monotonic()
        finally:
            writer.close()
