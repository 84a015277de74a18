"""The long fault tests themselves. Each gets a ground and a size, checks every invariant, and gives its figures."""

from __future__ import annotations

import itertools
import random
import socket
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from automate_core import database
from automate_core.outbox.status import read_status
from automate_core.outbox.store import OutboxStore
from tests.faults.harness import LEASE_SECONDS, at_once
from tests.faults.long import upgrades
from tests.faults.long.ground import Ground
from tests.faults.long.load import CONCURRENCY, Figures, Size, sending
from tests.faults.long.pools import pools
from tests.faults.long.step_kinds import restarts_in_steps

PATIENCE = 600  #: seconds that a process may take beside others that work; what it took is among the figures


def kills(on: Ground, size: Size) -> Figures:
    """F6: workers are killed while they work off many events, each with jobs in its hands."""
    on.sink.answer = lambda number, path: (time.sleep(0.02), (200, {}, {}))[1]
    _, address = on.mill.web()
    sender = on.sender(address)
    flags = ("--concurrency", str(CONCURRENCY))
    workers = [on.mill.worker(*flags) for _ in range(2)]
    feeding = threading.Thread(
        target=at_once,
        args=(lambda n: sender.insist(f"{n}", {"to": "a", "n": n}), range(size.events)),
        kwargs={"threads": 4},
    )
    feeding.start()
    done = held = 0
    for moment in sorted(random.sample(range(size.events * 9 // 10), size.kills)):
        on.until(lambda moment=moment: len(on.sink.calls) > moment, 120 + size.events / 20)
        holding = {worker: on.leased(worker.name) for worker in workers if worker.is_running}
        victim = max(workers, key=lambda worker: (holding.get(worker, 0), random.random()))
        victim.kill()
        workers[workers.index(victim)] = on.mill.worker(*flags)
        done, held = done + 1, held + holding.get(victim, 0)
    feeding.join()
    settled = on.quiet(seconds=120 + size.events / 20)
    figures = on.figures()
    assert figures["lost"] == 0 and figures["runs"] == figures["accepted"] == size.events, figures
    assert figures["repeated_calls"] <= done * CONCURRENCY, figures
    return {**figures, "kills": done, "jobs_held_by_the_killed": held, "settled_after_s": round(settled, 1)}


def restarts(on: Ground, size: Size) -> Figures:
    """F9: PostgreSQL is restarted again and again, while deliveries come."""
    web, address = on.mill.web()
    workers = [on.mill.worker() for _ in range(2)]
    back, until, done = [], time.monotonic() + size.seconds, 0
    with sending(on.sender(address), per_second=20):
        while time.monotonic() < until:
            time.sleep(random.uniform(5, 40) if size.seconds > 300 else random.uniform(3, 8))
            on.cluster.stop()
            time.sleep(random.uniform(0, 2))
            on.cluster.start()
            done += 1
            before = len(on.evidence.acknowledged)
            back.append(on.until(lambda before=before: len(on.evidence.acknowledged) > before, PATIENCE))
    on.quiet()
    assert web.is_running and all(worker.is_running for worker in workers)
    answers = Counter(status for each in on.evidence.answers.values() for status, _ in each)
    assert set(answers) <= {202, 503}, answers
    figures = on.figures()
    assert figures["lost"] == 0 and figures["runs"] == figures["accepted"], figures
    return {**figures, "restarts": done, "answers_503": answers[503], "first_accept_after_s_max": round(max(back), 1)}


class Proxy:
    """Passes bytes between a TCP port and PostgreSQL's socket.

    While cut it holds them, as a network does that drops packets which are sent again; a connection that could not get
    rid of its bytes for as long as the kernel would try (`tcp_user_timeout`) is broken.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.through = threading.Event()
        self.through.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client: socket.socket) -> None:
        self.through.wait()  # a SYN that nobody answers
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(self.target)
        for source, sink in ((client, upstream), (upstream, client)):
            threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self.through.wait(database.CONNECTION_LIMITS["tcp_user_timeout"] / 1000):
                    break
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def cuts(on: Ground, size: Size) -> Figures:
    """F11: a worker and a web process lose their way to the database, for two leases or until the web process says so.

    After a short cut what was on its way still arrives, and is too late. A second worker keeps its way.
    """
    proxy = Proxy(str(on.cluster.socket_folder / ".s.PGSQL.5432"))
    through = f"postgresql://automate@127.0.0.1:{proxy.port}/automate?sslmode=disable"
    on.sink.answer = lambda number, path: (time.sleep(0.3), (200, {}, {}))[1]
    cut_off = on.mill.worker("--concurrency", str(CONCURRENCY), DATABASE_URL=through)
    _, cut_address = on.mill.web(DATABASE_URL=through)
    _, address = on.mill.web()
    on.mill.worker("--concurrency", str(CONCURRENCY))
    beyond, answers, until = on.sender(cut_address), list[tuple[bool, int, float]](), time.monotonic() + size.seconds

    def post(is_short: bool) -> None:
        number, started = len(answers), time.monotonic()
        status, _ = beyond.post(f"cut-{number}", {"to": "a", "n": f"cut-{number}"}, timeout=60)
        answers.append((is_short, status, time.monotonic() - started))

    with sending(on.sender(address), per_second=10):
        for is_short in itertools.cycle((True, False)):
            if time.monotonic() > until:
                break
            on.until(lambda: on.leased(cut_off.name), PATIENCE)
            proxy.through.clear()
            posting = threading.Thread(target=post, args=[is_short])
            posting.start()
            if is_short:
                time.sleep(2 * float(LEASE_SECONDS))
            else:
                posting.join()
            proxy.through.set()
            posting.join()
            time.sleep(3)
    on.quiet()
    assert {status for is_short, status, _ in answers if not is_short} <= {503}, answers
    assert {status for _, status, _ in answers} <= {202, 503}, answers
    assert cut_off.is_running and cut_off.said("lease lost")
    figures = on.figures()
    assert figures["lost"] == 0 and figures["runs"] == figures["accepted"] == figures["runs_succeeded"], figures
    assert figures["repeated_calls"] <= len(answers) * CONCURRENCY, figures
    longest = max((seconds for is_short, _, seconds in answers if not is_short), default=0.0)
    return {**figures, "cuts": len(answers), "longest_answer_while_cut_s": round(longest, 1)}


def old_transaction(on: Ground, size: Size) -> Figures:
    """F13: an idle repeatable-read transaction stays open at 200 jobs a second, and there is always one to claim."""
    times = defaultdict[int, list[float]](list)  # of each minute
    with psycopg.connect(on.cluster.url) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM automate_core_outboxjob")
        with psycopg.connect(**database.parameters(database.WORKER_OPTIONS)) as own:
            store, started, made = OutboxStore(own, worker="w"), time.monotonic(), 0
            while (passed := time.monotonic() - started) < size.seconds:
                owed = int(passed * 200) - made
                if owed <= 0:
                    time.sleep(0.005)
                    continue
                own.execute(READY, {"count": owed})
                made += owed
                at = time.perf_counter()
                jobs = store.claim_batch(50)
                times[int(passed // 60)].append((time.perf_counter() - at) * 1000)
                own.execute(
                    "UPDATE automate_core_outboxjob SET status = 'completed', lease_until = NULL WHERE id = ANY(%s)",
                    [[job.id for job in jobs]],
                )
        told = read_status().oldest_transaction
        assert told is not None and told.seconds > size.seconds * 0.9, f"nobody is told of it: {told}"
    worst = [sorted(minute)[int(len(minute) * 0.99)] for minute in times.values()]
    assert max(worst) < 50, f"claim p99 of each minute, ms: {[round(each, 1) for each in worst]}"
    every = [each for minute in times.values() for each in minute]
    return {"jobs": made, "claims": len(every), "claim_p50_ms": round(statistics.median(every), 2),
            "claim_p99_ms_worst_minute": round(max(worst), 2)}  # fmt: skip


READY = """
WITH made AS (
    INSERT INTO automate_core_event (id, source, type, payload, headers, trace_id, received_at)
    SELECT gen_random_uuid(), 'api:test', 'none', 'null', '{}', md5(random()::text), now()
    FROM generate_series(1, %(count)s) RETURNING id
)
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'ready', id, 0, now(), 0, 0, false, '', 0, '' FROM made
"""


def downstream_away(on: Ground, size: Size) -> Figures:
    """F20: one downstream is away for most of the time with many jobs; another workflow goes on beside it."""
    back = threading.Event()
    count = min(size.events, 5_000)

    def answer(number: int, path: str) -> tuple[int, Any, dict[str, str]]:
        return (503 if path.startswith("/a/") and not back.is_set() else 200), {}, {}

    on.sink.answer = answer
    _, address = on.mill.web()
    on.mill.worker()
    sender = on.sender(address)
    at_once(lambda n: sender.insist(f"a-{n}", {"to": "a", "n": n}), range(count), threads=4)
    sent_at = time.monotonic()
    back_at = sent_at + size.seconds
    other, others = on.sender(address, "b"), list[float]()
    while time.monotonic() < back_at:
        number, started = len(others), time.monotonic()
        other.insist(f"b-{number}", {"to": "b", "n": number})
        path = f"/b/{number}"
        on.until(lambda path=path: any(called == path for called, _, _ in list(on.sink.calls)), PATIENCE)
        others.append(time.monotonic() - started)
        time.sleep(0.2)
    back.set()
    on.quiet(seconds=120 + size.seconds)
    calls = zip([path for path, _, _ in on.sink.calls], on.sink.times, strict=True)
    tries = Counter(int(at - sent_at) for path, at in calls if path.startswith("/a/") and sent_at + 5 < at < back_at)
    figures = on.figures()
    assert figures["runs_succeeded"] == figures["accepted"], figures
    mean = statistics.mean(tries.values()) if tries else 0.0
    return {**figures, "tries_per_s_mean": round(mean, 1), "tries_per_s_max": max(tries.values(), default=0),
            "other_workflow_s_max": round(max(others), 2)}  # fmt: skip


def fairness(on: Ground, size: Size) -> Figures:
    """F25: many of A, then ten of B."""
    on.sink.answer = lambda number, path: (time.sleep(0.05), (200, {}, {}))[1]
    _, address = on.mill.web()
    sender, count = on.sender(address), min(size.events, 10_000)
    at_once(lambda n: sender.insist(f"a-{n}", {"to": "a", "n": n}), range(count), threads=8)
    on.mill.worker("--concurrency", "4")
    on.until(lambda: len(on.sink.calls) > 20, PATIENCE)
    at = time.monotonic()
    other = on.sender(address, "b")
    at_once(lambda n: other.insist(f"b-{n}", {"to": "b", "n": n}), range(10), threads=4)
    on.until(lambda: sum(path.startswith("/b/") for path, _, _ in list(on.sink.calls)) == 10, 60 + count / 20)
    last = time.monotonic() - at
    left = on.live_jobs()
    on.quiet(seconds=60 + count / 10)
    return {**on.figures(), "last_of_b_after_s": round(last, 2), "still_queued_of_a_then": left}


def soak(on: Ground, size: Size) -> Figures:
    """F33: an even load with a kill a minute; memory, files and threads are level."""
    web, address = on.mill.web()
    workers = [on.mill.worker() for _ in range(2)]
    samples, started, next_kill, done = [], time.monotonic(), min(60.0, size.seconds / 3), 0
    with sending(on.sender(address), per_second=50):
        while (passed := time.monotonic() - started) < size.seconds:
            time.sleep(2)
            samples.append((passed, web.resident_bytes(), workers[1].resident_bytes()))
            if passed > next_kill:
                workers[0].kill()
                workers[0] = on.mill.worker()
                next_kill, done = next_kill + 60, done + 1
    on.quiet()
    warm = [sample for sample in samples if sample[0] > size.seconds / 3]
    figures = on.figures()
    assert figures["lost"] == 0 and figures["runs"] == figures["accepted"], figures
    return {
        **figures,
        "kills": done,
        "web_rss_mb": [round(warm[0][1] / 1e6, 1), round(warm[-1][1] / 1e6, 1)],
        "worker_rss_mb": [round(warm[0][2] / 1e6, 1), round(warm[-1][2] / 1e6, 1)],
        "dead_rows_of_the_queue": on.ask(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'automate_core_outboxjob'"
        ),
    }


#: Scenarios in which the code of an earlier commit prepares the database and works beside this one.
OF_TWO_VERSIONS = ("F28",)
SCENARIOS: dict[str, tuple[Callable[[Ground, Size], Figures], tuple[str, ...]]] = {
    "F6": (kills, ("a",)),
    "F9": (restarts, ("a",)),
    "F11": (cuts, ("a",)),
    "F13": (old_transaction, ("a",)),
    "F20": (downstream_away, ("a", "b")),
    "F21": (upgrades.rolling_restart, ("a",)),
    "F25": (fairness, ("a", "b")),
    "F28": (upgrades.upgrade, ("a", "b")),
    "F33": (soak, ("a",)),
    "F35": (lambda on, size: pools(on, size.events, size.kills), ("a",)),
    "F36": (restarts_in_steps, ("a",)),
}
