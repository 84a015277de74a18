"""F21 and F28: workers are restarted, and a new version with its migrations takes over, while deliveries come."""

from __future__ import annotations

import itertools
import math
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import ROOT
from tests.faults.harness import LEASE_SECONDS, Process
from tests.faults.long.ground import Ground
from tests.faults.long.load import CONCURRENCY, Figures, Size, sending

GRACE_SECONDS = 5  # the site's
START_SECONDS = 600  #: of a process beside others that work
PER_SECOND = 10.0  #: deliveries to each version in F28
OLD_EVENTS = 100_000  #: rows of earlier events, which a migration finds
WORKER = ("--concurrency", str(CONCURRENCY))


def rolling_restart(on: Ground, size: Size) -> Figures:
    """F21: four workers are stopped one after the other under load, again and again; every fourth one is told twice."""
    _, address = on.mill.web()
    workers = [on.mill.worker(*WORKER) for _ in range(4)]
    _await_workers(on, *workers)  # before it works, SIGTERM ends a process as it ends any other
    on.sink.answer = lambda number, path: (time.sleep(0.05), (200, {}, {}))[1]
    stops = list[float]()
    with sending(on.sender(address), per_second=20):
        on.until(lambda: len(on.sink.calls) > 40, 120)
        until = time.monotonic() + size.seconds
        while time.monotonic() < until:
            at = len(stops) % len(workers)
            workers[at], seconds = _replace(on, workers[at], twice=len(stops) % 4 == 3)
            stops.append(seconds)
    settled = on.quiet(START_SECONDS)
    figures = on.figures()
    _assert_nothing_lost(figures)
    added = _waited(on)
    assert figures["repeated_calls"] <= len(stops) // 4 * CONCURRENCY, figures
    assert added[99] < float(LEASE_SECONDS), f"an event waited for a lease: {added}"
    return {**figures, "restarts": len(stops), "longest_stop_s": round(max(stops), 1), "settled_after_s": round(settled, 1),
            "wait_for_the_call_s": added}  # fmt: skip


def upgrade(on: Ground, size: Size) -> Figures:
    """F28: the old version works, the new one migrates, both work beside each other, and the old one is stopped.

    The order is that of docs/upgrading.md: no old process is stopped before the new ones have reported.
    """
    _fill(on)
    _, old_address = on.old.web(patience=START_SECONDS)
    old_web = on.old.processes[-1]
    old_workers = [on.old.worker(*WORKER) for _ in range(2)]
    sender, phases = on.sender(old_address), dict[str, float]()

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        phases[name] = started

    with sending(sender, per_second=PER_SECOND), watching(on) as blocked:
        on.until(lambda: len(on.sink.calls) > 40, START_SECONDS)
        with phase("old"):
            time.sleep(size.seconds / 4)
        with phase("migrating"):
            migrated = _migrate(on)
        with phase("old, migrated"):
            time.sleep(size.seconds / 4)
            assert all(each.is_running for each in (old_web, *old_workers))
        with phase("new ones start"):
            _, address = on.mill.web(patience=START_SECONDS)
            workers = [on.mill.worker(*WORKER) for _ in range(2)]
            _await_workers(on, *workers)
        with phase("both"), sending(on.sender(address), per_second=PER_SECOND):
            time.sleep(size.seconds / 4)
        with phase("taking over"):
            sender.address = address
            codes = [_stop(on, each) for each in (*old_workers, old_web)]
        with phase("new"):
            time.sleep(size.seconds / 4)
    settled = on.quiet()
    assert codes[:2] == [0, 0] and codes[2] in {0, -signal.SIGTERM}, f"exit codes of the old processes: {codes}"
    assert all(each.is_running for each in workers)
    answers = Counter(status for each in on.evidence.answers.values() for status, _ in each)
    assert set(answers) == {202}, f"a sender saw an error: {answers}"
    errors = [line for each in on.old.processes + on.mill.processes for line in _errors(each)]
    assert not errors, errors[:5]
    figures = on.figures()
    _assert_nothing_lost(figures)
    return {**figures, **migrated, "longest_answer_s": round(max(sender.seconds), 2),
            "longest_pause_of_calls_s": _pauses(on, phases), "longest_wait_for_a_lock_s": round(blocked[0], 2),
            "settled_after_s": round(settled, 1)}  # fmt: skip


def _migrate(on: Ground) -> Figures:
    """The new version's `migrate`, as a deployment runs it."""
    before = on.ask("SELECT count(*) FROM django_migrations")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"],
        cwd=ROOT, env=on.mill.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    applied = on.ask("SELECT count(*) FROM django_migrations") - before
    return {"migrations": applied, "migrating_s": round(time.monotonic() - started, 1), "earlier_events": OLD_EVENTS}


def _replace(on: Ground, worker: Process, *, twice: bool) -> tuple[Process, float]:
    """Stop a worker, check how it ended, and start the next one."""
    started = time.monotonic()
    on.mill.terminate(worker)
    if twice:
        time.sleep(0.2)
        worker.signal(signal.SIGTERM)
    code = worker.wait(GRACE_SECONDS + 60)
    assert code == 0, f"a worker ended with {code}"
    seconds = time.monotonic() - started
    following = on.mill.worker(*WORKER)
    _await_workers(on, following)
    return following, seconds


def _await_workers(on: Ground, *workers: Process) -> None:
    """Wait until each of them has reported."""
    report = "SELECT count(*) FROM automate_core_workerstate WHERE name = ANY(%s)"
    names = [each.name for each in workers]
    on.until(lambda: on.ask(report, names) == len(names), START_SECONDS)


def _stop(on: Ground, process: Process) -> int:
    on.old.terminate(process)
    return process.wait(120)


def _assert_nothing_lost(figures: Figures) -> None:
    assert figures["lost"] == 0 and figures["jobs_dead"] == 0, figures
    assert figures["runs"] == figures["accepted"] == figures["runs_succeeded"], figures


def _errors(process: Process) -> list[str]:
    """Lines of its log that report an error."""
    lines = process.log.read_text(errors="replace").splitlines()
    return [line for line in lines if " ERROR " in line or line.startswith("Traceback") or " CRITICAL " in line]


def _waited(on: Ground) -> dict[int, float]:
    """Percentiles of the seconds from the acceptance of an event to the end of its run."""
    with psycopg.connect(on.cluster.url, autocommit=True) as own:
        rows = own.execute(
            "SELECT extract(epoch FROM run.finished_at - event.received_at) FROM automate_core_executionrun run"
            " JOIN automate_core_event event ON event.id = run.event_id"
        ).fetchall()
    waited = sorted(float(seconds) for (seconds,) in rows)
    return {percent: round(waited[math.ceil(len(waited) * percent / 100) - 1], 2) for percent in (50, 99, 100)}


def _pauses(on: Ground, phases: dict[str, float]) -> dict[str, float]:
    """The longest time without a call of the sink that began in each phase."""
    times, found = list(on.sink.times), dict.fromkeys(phases, 0.0)
    for before, after in itertools.pairwise(times):
        began = [name for name, started in phases.items() if started <= before]
        if began:
            found[began[-1]] = max(found[began[-1]], round(after - before, 2))
    return found


@contextmanager
def watching(on: Ground) -> Iterator[list[float]]:
    """Watch how long a session waits for a lock; the list has the longest time so far, in seconds."""
    longest, ended = [0.0], threading.Event()

    def watch() -> None:
        with psycopg.connect(on.cluster.url, autocommit=True) as own:
            while not ended.wait(0.05):
                row = own.execute(
                    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) FROM pg_locks"
                    " WHERE NOT granted AND locktype = 'relation'"
                ).fetchone()
                longest[0] = max(longest[0], float(row[0]) if row else 0.0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield longest
    finally:
        ended.set()
        thread.join()


def _fill(on: Ground) -> None:
    """Earlier events and their finished jobs: a migration that rewrites their tables takes its time."""
    with psycopg.connect(on.cluster.url, autocommit=True) as own:
        own.execute("SET session_replication_role = replica")  # they are no part of the history of this test
        own.execute(
            """
            WITH made AS (
                INSERT INTO automate_core_event (id, source, type, payload, headers, trace_id, received_at)
                SELECT gen_random_uuid(), 'api:earlier', 'none', '{"n": 1}', '{}', md5(random()::text),
                    now() - interval '1 day'
                FROM generate_series(1, %s) RETURNING id
            )
            INSERT INTO automate_core_outboxjob
                (id, kind, status, event_id, priority, available_at, attempts, crashes, suspect, worker, token, last_error)
            SELECT gen_random_uuid(), 'dispatch', 'completed', id, 0, now(), 1, 0, false, '', 1, '' FROM made
            """,
            [OLD_EVENTS],
        )
        own.execute("ANALYZE")
