"""Workers that die, freeze, lag and lie: no run is lost, none is done twice, and a zombie writes nothing."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from django.db import connection

from automate_core.models import ExecutionRun, OutboxJob, StepRun
from automate_core.outbox.store import OutboxStore
from tests.faults.conftest import cut_connections, plain_connection
from tests.faults.harness import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

TWO_CALLS = """
name: Effect
slug: effect
triggers: [{{endpoint: github}}]
steps:
  - {{key: before, action: data.set, inputs: {{n: 1}}}}
  - {{key: first, action: http.request, inputs: {{method: POST, url: '{url}/first'}}}}
  - {{key: second, action: http.request, inputs: {{method: POST, url: '{url}/second'}}}}
"""
ONE_CALL = """
name: One
slug: one
triggers: [{{endpoint: github}}]
steps:
  - {{key: call, action: http.request, inputs: {{method: POST, url: '{url}/{{{{ event.payload.n }}}}'}}}}
"""


@pytest.fixture
def two_calls(workflow, sink):
    return workflow(TWO_CALLS.format(url=sink.url))


@pytest.fixture
def one_call(workflow, sink):
    return workflow(ONE_CALL.format(url=sink.url))


def paths(sink):
    return [path for path, _, _ in sink.calls]


def succeeded(count=1):
    return ExecutionRun.objects.filter(status="succeeded").count() == count


KILLS = {
    "worker.claimed=kill": (["/first", "/second"], 2),
    "journal.written=kill": (["/first", "/second"], 2),
    "effect.done(second)=kill": (["/first", "/second", "/second"], 2),
    "journal.written=kill@3": (["/first", "/second"], 1),  # that commit ended the run: nothing is left to do
}


@pytest.mark.extended
@pytest.mark.parametrize("fault", KILLS)
def test_kill_9_at_every_turn(two_calls, mill, deliver, sink, fault):
    """F4, F5: wherever it dies, the next worker goes on from what is recorded, after the lease and one look."""
    calls, claims = KILLS[fault]
    doomed, next_one = mill.worker(AUTOMATE_FAULTS=fault), mill.standby()
    deliver()
    assert doomed.wait() == -signal.SIGKILL
    next_one.signal(signal.SIGCONT)
    wait_for(succeeded)
    assert paths(sink) == calls
    job = OutboxJob.objects.get()
    assert (job.status, job.token, job.crashes) == ("completed", claims, 0)


@pytest.mark.extended
def test_a_zombie_writes_nothing(two_calls, mill, deliver, sink):
    """F7: frozen with an effect in hand, woken when another has finished the run."""
    zombie, second = mill.worker(AUTOMATE_FAULTS="effect.done(first)=stop"), mill.standby()
    deliver()
    wait_for(lambda: mill.reached("effect.done") and zombie.is_stopped)
    second.signal(signal.SIGCONT)
    wait_for(succeeded)
    recorded = list(StepRun.objects.order_by("id").values())
    run = ExecutionRun.objects.get()
    assert run.worker.partition("/")[0] == second.name
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: zombie.said("lease lost"))
    assert list(StepRun.objects.order_by("id").values()) == recorded
    assert ExecutionRun.objects.get().seq == run.seq
    assert paths(sink) == ["/first", "/first", "/second"]


@pytest.mark.extended
def test_a_zombie_that_writes_while_another_works(two_calls, mill, deliver, sink):
    """F7: frozen just before it writes, woken while the next holder is in the middle of a step: its token is stale."""
    zombie, second = mill.worker(AUTOMATE_FAULTS="journal.writing=stop@2"), mill.standby()

    def answer(number, path):
        if path == "/second":
            zombie.signal(signal.SIGCONT)
            wait_for(lambda: zombie.said("lease lost"))
        return 200, {}, {}

    sink.answer = answer
    deliver()
    wait_for(lambda: mill.reached("journal.writing") and zombie.is_stopped)
    second.signal(signal.SIGCONT)
    wait_for(succeeded)
    assert paths(sink) == ["/first", "/first", "/second"]
    recorded = StepRun.objects.filter(path="first").order_by("attempt").values_list("status", flat=True)
    assert list(recorded) == ["interrupted", "succeeded"]


@pytest.mark.extended
def test_a_step_longer_than_its_lease_keeps_it(one_call, mill, deliver, sink):
    """F8: the heartbeat renews it, beside a second worker that would take it."""
    sink.answer = lambda number, path: (time.sleep(18), (200, {}, {}))[1]
    mill.worker()
    mill.worker()
    deliver({"n": 1})
    wait_for(succeeded)
    assert paths(sink) == ["/1"]
    assert OutboxJob.objects.get().token == 1


@pytest.mark.extended
def test_a_worker_whose_heartbeat_is_held_up_is_fenced(two_calls, mill, deliver, sink):
    """F8: code that holds the interpreter's lock stops the heartbeat too; the job goes to another."""
    held_up, second = mill.worker(AUTOMATE_FAULTS="effect.starting(first)=hold:12"), mill.standby()
    deliver()
    wait_for(lambda: mill.reached("effect.starting"))
    second.signal(signal.SIGCONT)
    wait_for(succeeded)
    wait_for(lambda: held_up.said("lease lost"))
    assert OutboxJob.objects.get().token == 2
    assert paths(sink).count("/second") == 1


@pytest.mark.extended
def test_connections_that_are_cut_at_every_turn(two_calls, mill, deliver, sink):
    """F10: the worker connects again and writes what it has to write, once."""
    points = ("worker.claimed", "journal.writing", "journal.written")
    worker = mill.worker(AUTOMATE_FAULTS=";".join(f"{each}=stop@1" for each in points), AUTOMATE_LEASE_SECONDS="60")
    deliver()
    for point in points:
        wait_for(lambda point=point: mill.reached(point) and worker.is_stopped)
        cut_connections()
        worker.signal(signal.SIGCONT)
    wait_for(succeeded)
    assert paths(sink) == ["/first", "/second"]
    assert OutboxJob.objects.get().token == 1


@pytest.mark.extended
def test_a_connection_that_is_cut_while_the_result_is_written(two_calls, mill, deliver, sink, slow_commit):
    """F10: whether that commit took place or not, the run goes on, and each step is recorded once."""
    slow_commit("automate_core_steprun", "NEW.status = 'succeeded' AND NEW.path = 'first'")
    mill.worker(AUTOMATE_LEASE_SECONDS="60")
    deliver()
    wait_for(sleeping)
    cut_connections()
    slow_commit(None)
    wait_for(succeeded)
    assert paths(sink) == ["/first", "/second"]


def test_a_locked_job_holds_up_no_other(one_call, mill, deliver):
    """F14: neither the claim nor the taking back of leases waits for a row that somebody holds."""
    deliver({"n": "held"})
    deliver({"n": "expired"})
    store = OutboxStore(worker="dead")
    store.lease_seconds = 0
    assert len(store.claim_batch(2)) == 2
    held, _ = OutboxJob.objects.order_by("id")  # the other one's lease is over
    OutboxJob.objects.filter(pk=held.pk).update(status="ready", lease_until=None)
    with plain_connection() as other, other.transaction():
        other.execute("SELECT id FROM automate_core_outboxjob FOR UPDATE")
        mill.worker()
        for number in range(5):
            deliver({"n": number})
        wait_for(lambda: succeeded(5))
    wait_for(lambda: succeeded(7))


@pytest.mark.extended
def test_stale_statistics_mislead_no_claim(evidence, endpoint):
    """F15: with 100,000 jobs that the planner knows nothing of, a claim of 10 is 10."""
    evidence.quiet = False
    with plain_connection() as own:
        own.execute("ALTER TABLE automate_core_outboxjob DISABLE TRIGGER fault_history")
        own.execute(MANY_JOBS, {"count": 100_000})
        for sequential in ("on", "off"):
            own.execute(f"SET enable_seqscan = {sequential}")
            store = OutboxStore(own, worker="w")
            sizes = [len(store.claim_batch(10)) for _ in range(40)]
            assert set(sizes) == {10}
        own.execute("ALTER TABLE automate_core_outboxjob ENABLE TRIGGER fault_history")
        own.execute("RESET enable_seqscan")
        own.execute("ANALYZE automate_core_event, automate_core_outboxjob")  # for the checks, which join both
    assert OutboxJob.objects.filter(status="leased").count() == 800


MANY_JOBS = """
WITH made AS (
    INSERT INTO automate_core_event (id, source, type, payload, headers, trace_id)
    SELECT gen_random_uuid(), 'api:test', 'none', 'null', '{}', md5(n::text) FROM generate_series(1, %(count)s) n
    RETURNING id
)
INSERT INTO automate_core_outboxjob
    (id, kind, status, event_id, priority, available_at, attempts, crashes, suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'ready', id, 0, now(), 0, 0, false, '', 0, '' FROM made
"""


@pytest.mark.extended
def test_sigterm_and_a_rolling_restart_under_load(one_call, mill, deliver, sink):
    """F21: every worker in turn; nothing lost, nothing twice, each ends well."""
    sink.answer = lambda number, path: (time.sleep(0.2), (200, {}, {}))[1]
    workers = [mill.worker("--concurrency", "2") for _ in range(2)]
    numbers = iter(range(36))
    for old in workers:
        made = len(sink.calls)
        for number in itertools.islice(numbers, 18):  # each worker is ended in the middle of some, at any speed
            deliver({"n": number})
        wait_for(lambda made=made: len(sink.calls) > made + 4)
        mill.worker("--concurrency", "2")
        mill.terminate(old)
        assert old.wait() == 0
    wait_for(lambda: succeeded(36))
    assert sorted(paths(sink)) == sorted(f"/{number}" for number in range(36))


@pytest.mark.extended
def test_a_second_sigterm_ends_at_once(one_call, mill, deliver, sink):
    """F21: it hands back what it holds, and the next worker does it."""
    gate = threading.Event()
    sink.answer = lambda number, path: (number == 1 and gate.wait(120), (200, {}, {}))[1]
    worker = mill.worker(AUTOMATE_WORKER_GRACE_SECONDS="300", AUTOMATE_LOG_LEVEL="INFO")
    deliver({"n": 1})
    wait_for(lambda: sink.calls)
    mill.terminate(worker)
    wait_for(lambda: worker.said("claims no more jobs"))  # two of one signal that are pending at once are one
    worker.signal(signal.SIGTERM)
    assert worker.wait(180) in {0, 128 + signal.SIGTERM} and not gate.is_set()
    gate.set()
    mill.worker()
    wait_for(succeeded)


@pytest.mark.extended
def test_workers_whose_clocks_are_an_hour_off(one_call, mill, deliver, sink):
    """F22: they neither take what others hold nor lose what they hold."""
    sink.answer = lambda number, path: (time.sleep(2.5), (200, {}, {}))[1]
    for seconds in (3600, -3600):
        mill.worker("--concurrency", "1", clock_off_by=seconds)
    for number in range(2):
        deliver({"n": number})
    wait_for(lambda: succeeded(2))
    assert sorted(paths(sink)) == ["/0", "/1"]
    assert set(OutboxJob.objects.values_list("token", flat=True)) == {1}


@pytest.mark.extended
def test_the_databases_clock_steps_back(one_call, mill, deliver, sink, database_setting):
    """F22: what is final stays final, and new work goes on."""
    mill.worker()
    deliver({"n": 1})
    wait_for(succeeded)
    database_setting("automate.clock_shift", "-1 hour")
    deliver({"n": 2})
    wait_for(lambda: succeeded(2))
    assert paths(sink) == ["/1", "/2"]


@pytest.mark.extended
def test_a_log_that_cannot_be_written(one_call, mill, deliver):
    """F29: a full disk behind the log, and a terminal that is gone."""
    with Path("/dev/full").open("w") as full:
        mill.worker("--concurrency", "1", output=full, AUTOMATE_LOG_LEVEL="DEBUG")
        for number in range(3):
            deliver({"n": number})
        wait_for(lambda: succeeded(3))
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as terminal:
        mill.end()
        mill.worker("--concurrency", "1", output=terminal, AUTOMATE_LOG_LEVEL="DEBUG")
    os.close(reading)
    deliver({"n": 3})
    wait_for(lambda: succeeded(4))


# --- what they stand on -----------------------------------------------------------------------------------------------


def sleeping():
    """Whether some connection is held up by `slow_commit`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        return cursor.fetchone()[0]
