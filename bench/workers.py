"""Figures of one, two and four worker processes on one PostgreSQL: processor time per run, of workers and of database.

Two cores cannot show the throughput of four workers. They do show what a run costs, and whether that grows.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.measure import clear, cpu_seconds, figure, wait_until_finished, wait_until_idle
from bench.stage import Stage

WORKERS = (1, 2, 4)
QUEUED = {"pure": 6_000, "three": 3_000}
PACED_RATE = 200
PACED_SECONDS = 10
WARM_SECONDS = 1.5

type Spent = tuple[float, float]  # of the workers, of PostgreSQL


def workers(on: Stage, runs: int) -> Iterator[dict[str, object]]:
    """Milliseconds of processor time per run; also as the growth from one worker, in percent.

    The numbers of workers take turns, so that what else the machine does disturbs them alike.
    """
    spent: dict[tuple[str, int], list[Spent]] = defaultdict(list)
    with on.web():
        for _ in range(runs):
            for count in WORKERS:
                with several(on, count) as pids:
                    warm_up(on)
                    spent["paced", count].append(_paced(on, pids, max(2.0, PACED_SECONDS * min(1, on.scale))))
                    for slug, total in QUEUED.items():  # a full queue has all workers listen for a while
                        spent[slug, count].append(queued(on, pids, slug, on.scaled(total)))
    for name in (*QUEUED, "paced"):
        for count in WORKERS:
            of_workers, of_postgres = map(list, zip(*spent[name, count], strict=True))
            yield figure(f"worker_cpu_ms_{name}_{count}w", "ms of CPU per run", of_workers)
            yield figure(f"postgres_cpu_ms_{name}_{count}w", "ms of CPU per run", of_postgres)
        for count in WORKERS[1:]:
            pairs = zip(spent[name, count], spent[name, 1], strict=True)
            growth = [100 * (sum(several) / sum(one) - 1) for several, one in pairs]
            yield figure(f"cpu_growth_{name}_{count}w", "% more CPU per run than one worker", growth)


def warm_up(on: Stage) -> None:
    for slug in QUEUED:
        on.load(slug, rate=PACED_RATE, seconds=WARM_SECONDS)
    wait_until_idle(on)
    clear(on)


def queued(on: Stage, pids: list[int], slug: str, count: int) -> Spent:
    """Milliseconds for each run of a full queue, which fills while the workers are stopped."""
    with _stopped(pids):
        on.load(slug, connections=16, count=count)
        before = spent_by(on, pids)
    wait_until_finished(on, count)
    after = spent_by(on, pids)
    clear(on)
    return _per_run(before, after, count)


def _paced(on: Stage, pids: list[int], seconds: float) -> Spent:
    """For each pure run at an even rate, when each delivery is a hint to each worker.

    PostgreSQL's time includes the acceptance of the deliveries.
    """
    count = int(PACED_RATE * seconds)
    before = spent_by(on, pids)
    on.load("pure", rate=PACED_RATE, seconds=seconds)
    wait_until_finished(on, count)
    after = spent_by(on, pids)
    clear(on)
    return _per_run(before, after, count)


def _per_run(before: Spent, after: Spent, count: int) -> Spent:
    of_workers, of_postgres = ((now - then) * 1000 / count for then, now in zip(before, after, strict=True))
    return of_workers, of_postgres


@contextlib.contextmanager
def several(on: Stage, count: int) -> Iterator[list[int]]:
    """That many worker processes; their ids."""
    with on.several_workers(count) as started:
        yield [process.pid for process in started]


@contextlib.contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    """The processes claim nothing during the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.1)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def spent_by(on: Stage, pids: list[int]) -> Spent:
    """Seconds of processor time so far: of the workers with their children, and of all processes of PostgreSQL."""
    postmaster = int((on.cluster.home / "data" / "postmaster.pid").read_text().split()[0])
    return sum(map(_with_children, pids)), _with_children(postmaster)


def _with_children(pid: int) -> float:
    """Processor time of a process, its running children and those that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return cpu_seconds(pid) + ended + sum(map(_cpu_if_running, _children(pid)))


def _cpu_if_running(pid: int) -> float:
    with contextlib.suppress(OSError):
        return cpu_seconds(pid)
    return 0.0


def _children(pid: int) -> Iterator[int]:
    """Running children, whichever of its threads started them."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(path.parent.name)
