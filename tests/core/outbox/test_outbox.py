"""The queue under many hands: each job claimed once, stale tokens write nothing, nothing is lost."""

from __future__ import annotations

import math
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from automate_core import database
from automate_core.engine.journal import Journal
from automate_core.engine.records import (
    Checkpoint,
    JobDisposition,
    QueuedRun,
    RunRecord,
    StepRecord,
    WriteResult,
)
from automate_core.ids import uuid7
from automate_core.models import Event, ExecutionRun, OutboxJob, StepRun, Wait
from automate_core.outbox import notify
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.outbox.store import LONG_AGO, OutboxStore
from tests.support.processes import wait_for

CLOSING = {"running_becomes": "cancelled", "kept_steps": []}
JOURNALLED = ["checkpoints", "steps", "waits", "assignees", "cancelled_waits", "calls", "logs", "queued"]
CLAIM_VALUES = {"worker": "w", "lease": 30, "after": 7, "floor": LONG_AGO, "age": timezone.timedelta()}

pytestmark = pytest.mark.django_db(transaction=True)


def _events(count):
    EventIngestor().ingest(
        *(NewEvent(source="api:test", type="n", payload="{}", delivery_key=str(n)) for n in range(count))
    )


def test_four_claimers_take_a_thousand_jobs_each_once():
    _events(1000)
    barrier = threading.Barrier(4)
    claimed: list[list[uuid.UUID]] = [[] for _ in range(4)]

    def claim(mine):
        with database.connect(database.WORKER_OPTIONS) as own:
            store = OutboxStore(own, worker=str(id(mine)))
            barrier.wait()
            while jobs := store.claim_batch(limit=10):
                mine.extend(job.id for job in jobs)

    threads = [threading.Thread(target=claim, args=(mine,)) for mine in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [job for mine in claimed for job in mine]
    assert len(everything) == len(set(everything)) == 1000
    assert all(claimed), "every claimer got some"
    assert set(OutboxJob.objects.values_list("status", "token", "attempts")) == {("leased", 1, 1)}


def test_a_claim_never_takes_more_than_asked_and_never_waits():
    _events(30)
    with database.connect({}) as other:
        other.autocommit = False
        other.execute("SELECT id FROM automate_core_outboxjob LIMIT 15 FOR UPDATE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")  # an error for a claim that waits
        assert [len(OutboxStore().claim_batch(limit=10)) for _ in range(3)] == [10, 5, 0]
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
        other.rollback()
    assert len(OutboxStore().claim_batch(limit=100)) == 15


def _of(source, count):
    EventIngestor().ingest(*(NewEvent(source=source, type="n", payload="{}") for _ in range(count)))


def _sources(store, claims, limit=20):
    return [[job.source for job in store.claim_batch(limit)] for _ in range(claims)]


@pytest.mark.extended
def test_a_long_queue_of_one_source_does_not_starve_another():
    for _ in range(10):
        _of("api:large", 1000)
    _of("api:small", 10)
    claimed = _sources(OutboxStore(worker="w"), 3)
    assert [sources.count("api:small") for sources in claimed] == [10, 0, 0]
    assert [len(sources) for sources in claimed] == [20, 20, 20]


def test_single_claims_take_turns_between_lanes():
    for source in ("api:a", "api:b", "api:c"):
        _of(source, 5)
    claimed = [sources[0] for sources in _sources(OutboxStore(worker="w"), 9, limit=1)]
    assert {claimed.count(source) for source in ("api:a", "api:b", "api:c")} == {3}


def test_a_claim_finds_what_was_committed_late_or_handed_back(monkeypatch):
    """The floor of most claims must not hide for long what became ready behind it."""
    _events(3)
    store = OutboxStore(worker="w")
    jobs = store.claim_batch(10)
    assert store.claim_batch(10) == []
    store.hand_back(jobs)
    OutboxJob.objects.update(available_at=timezone.now() - timezone.timedelta(hours=1))
    assert store.claim_batch(10) == []
    assert store.rescue().ready, "the worker's next look over the queue sees it"
    assert len(store.claim_batch(10)) == 3


def test_the_priority_of_its_triggers_decides_what_goes_first(workflow, endpoint, deliver):
    workflow("{name: S, slug: s, priority: 5, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")
    _events(30)
    deliver()
    store = OutboxStore(worker="w")
    assert [job.source for job in store.claim_batch(20)] == ["webhook:github"]
    assert set(_sources(store, 1)[0]) == {"api:test"}
    assert OutboxJob.objects.get(priority=-5).event.source == "webhook:github"


def test_quarantined_jobs_are_claimed_alone():
    _events(3)
    suspect = OutboxJob.objects.order_by("id")[1]
    OutboxJob.objects.filter(pk=suspect.pk).update(suspect=True)
    store = OutboxStore(worker="w")
    assert store.rescue().quarantined
    assert suspect.pk not in {job.id for job in store.claim_batch(10)}
    assert store.claim_quarantined().id == suspect.pk
    assert store.claim_quarantined() is None


def test_three_crashes_are_the_end_of_a_job_and_its_run(some_workflow):
    _events(1)
    OutboxJob.objects.update(suspect=True)
    run, journal = None, Journal(None, worker="child")
    for crash in (1, 2, 3):
        job = OutboxStore(worker="child").claim_quarantined()
        if run is None:
            run = _run(some_workflow, job, status="running")
            journal.write([Checkpoint(job, JobDisposition.HOLD, run, [StepRecord("a", 1)])])
        charged_at = database.now()
        dead = OutboxStore(worker="parent").charge_crash("child", "The worker process was ended by SIGSEGV.")
        row = OutboxJob.objects.get()
        assert (row.status, row.crashes, dead) == (("ready", crash, []) if crash < 3 else ("dead", 3, [job.id]))
        assert row.available_at >= charged_at + timedelta(seconds=2 ** (crash - 1)), "not at once again"
        OutboxJob.objects.update(available_at=timezone.now())
    assert row.last_error == "The worker process was ended by SIGSEGV."
    stored = ExecutionRun.objects.get()
    assert (stored.status, stored.error["code"], StepRun.objects.get().status) == ("failed", "job_dead", "interrupted")


def test_what_its_parent_ended_is_no_crash():
    _events(1)
    OutboxJob.objects.update(suspect=True)
    assert OutboxStore(worker="child").claim_quarantined()
    OutboxStore(worker="parent").release("child")
    job = OutboxJob.objects.get()
    assert (job.status, job.crashes, job.attempts, job.suspect) == ("ready", 0, 0, True)


def test_fifty_posts_of_one_delivery_make_one_event(endpoint, site):
    """Through a real web process, all at once."""
    import http.client

    from automate_core.webhooks.schemes.registry import GitHubScheme
    from tests.conftest import SECRET

    body, answers = b'{"n": 1}', []
    headers = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery="one-delivery")
    barrier = threading.Barrier(50)

    def post():
        client = http.client.HTTPConnection(site.removeprefix("http://"), timeout=300)
        client.connect()
        barrier.wait()
        client.request("POST", "/hooks/github/", body, {"Content-Type": "application/json", **headers})
        response = client.getresponse()
        answers.append((response.status, response.read()))
        client.close()

    threads = [threading.Thread(target=post) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {202}
    assert len({content for _, content in answers}) == 1
    assert Event.objects.count() == OutboxJob.objects.count() == 1


def test_a_repeated_event_is_the_first_one_and_wakes_no_worker(endpoint):
    woken = []
    notify.register_local_worker(lambda: woken.append(True))
    try:
        [first] = EventIngestor().ingest(NewEvent(source="app", type="paid", payload="{}", delivery_key="7"))
        assert not first.duplicate and woken == [True]
        again = IngestResult(first.event_id, first.trace_id, duplicate=True)
        assert EventIngestor().ingest(NewEvent(source="app", type="paid", payload="{}", delivery_key="7")) == [again]
        assert EventIngestor().find_first_delivery("app", "7") == again and woken == [True]
    finally:
        notify.register_local_worker(None)
    of_endpoint = NewEvent(source="app", type="paid", payload="{}", delivery_key="8", endpoint_id=endpoint.pk)
    assert [each.duplicate for each in EventIngestor().ingest(of_endpoint)] == [False]
    assert EventIngestor().find_first_delivery("app", "8") is None, "which an endpoint took"


def _claimed(count=1):
    _events(count)
    return OutboxStore(worker="w").claim_batch(limit=count)


def _run(workflow, job, **fields):
    return RunRecord(
        id=str(uuid7()), workflow_id=workflow.pk, version_id=workflow.published_id, event_id=str(job.event_id),
        trace_id="0" * 32, is_new=True, **fields,
    )  # fmt: skip


@pytest.fixture
def some_workflow(workflow):
    return workflow("{name: S, slug: s, triggers: [{endpoint: github}], steps: [{key: a, action: data.set}]}")


def test_a_stale_token_writes_nothing(some_workflow):
    [job] = _claimed()
    OutboxJob.objects.update(token=2)  # another worker took it over
    run = _run(some_workflow, job, status="running")
    checkpoint = Checkpoint(job, JobDisposition.COMPLETE, run, [StepRecord("a", 1)])
    assert Journal(None, worker="w").write([checkpoint]) == {job.id: WriteResult.LOST}
    assert not ExecutionRun.objects.exists() and not StepRun.objects.exists()
    assert OutboxJob.objects.get().status == "leased"


def test_a_run_that_has_ended_takes_nothing_more(some_workflow):
    [job] = _claimed()
    run = _run(some_workflow, job, status="running")
    journal = Journal(None, worker="w")
    assert journal.write([Checkpoint(job, JobDisposition.HOLD, run, [StepRecord("a", 1)])]) == {
        job.id: WriteResult.HELD
    }
    ExecutionRun.objects.update(status="cancelled")
    run.is_new = False
    run.status = "succeeded"
    assert journal.write([Checkpoint(job, JobDisposition.COMPLETE, run)]) == {job.id: WriteResult.CANCELLED}
    assert (ExecutionRun.objects.get().status, OutboxJob.objects.get().status) == ("cancelled", "completed")


def test_the_sequence_grows_with_each_checkpoint(some_workflow):
    [job] = _claimed()
    run, journal, step = _run(some_workflow, job, status="running"), Journal(None, worker="w"), StepRecord("a", 1)
    journal.write([Checkpoint(job, JobDisposition.HOLD, run, [step])])
    assert (ExecutionRun.objects.get().seq, StepRun.objects.get().seq) == (1, 1)
    run.is_new = False
    step.succeed(b'{"x": 1}')
    run.status = "succeeded"
    journal.write([Checkpoint(job, JobDisposition.COMPLETE, run, [step])])
    assert (ExecutionRun.objects.get().seq, StepRun.objects.get().seq, StepRun.objects.get().output) == (2, 2, {"x": 1})


def test_an_event_is_matched_once_whatever_happens(some_workflow):
    """The same dispatch twice: the second finds the first one's run and makes none."""
    [job] = _claimed()
    queued = [QueuedRun(_run(some_workflow, job))]
    journal = Journal(None, worker="w")
    journal.write([Checkpoint(job, JobDisposition.COMPLETE, queued=queued)])
    OutboxJob.objects.filter(pk=job.id).update(status="leased")
    journal.write([Checkpoint(job, JobDisposition.COMPLETE, queued=queued)])
    OutboxJob.objects.filter(pk=job.id).update(status="leased")
    journal.write([Checkpoint(job, JobDisposition.COMPLETE, _run(some_workflow, job, status="succeeded"))])
    assert ExecutionRun.objects.count() == 1
    assert OutboxJob.objects.filter(kind="advance", status="ready").count() == 1


def test_an_expired_lease_is_rescued_as_a_suspect_and_in_the_end_dead(settings):
    settings.AUTOMATE_MAX_ATTEMPTS = 2
    _events(1)
    store = OutboxStore(worker="w")
    for expected in ("ready", "dead"):
        assert store.claim_batch() or store.claim_quarantined()
        assert store.rescue().rescued == 0, "a lease that runs is left alone"
        OutboxJob.objects.update(lease_until=timezone.now() - timezone.timedelta(seconds=1))
        assert store.rescue().lost == [("w", 1, int(expected == "dead"))]
        job = OutboxJob.objects.get()
        assert (job.status, job.suspect, job.last_error) == (expected, True, "worker w did not renew its lease")


def test_a_run_whose_job_dies_fails_and_says_so(some_workflow, settings):
    settings.AUTOMATE_MAX_ATTEMPTS = 1
    [job] = _claimed()
    run = _run(some_workflow, job, status="running")
    Journal(None, worker="w").write([Checkpoint(job, JobDisposition.HOLD, run, [StepRecord("a", 1)])])
    OutboxJob.objects.update(lease_until=timezone.now() - timezone.timedelta(seconds=1))
    OutboxStore().rescue()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["code"], OutboxJob.objects.get().status) == ("failed", "job_dead", "dead")


def test_renewing_and_handing_back():
    jobs = _claimed(2)
    store = OutboxStore(worker="w")
    OutboxJob.objects.update(lease_until=timezone.now())
    store.renew(jobs)
    assert all(job.lease_until > timezone.now() for job in OutboxJob.objects.all())
    store.hand_back(jobs)
    assert set(OutboxJob.objects.values_list("status", "attempts", "worker")) == {("ready", 0, "")}
    OutboxJob.objects.update(token=9, status="leased")
    store.hand_back(jobs)
    assert set(OutboxJob.objects.values_list("status", flat=True)) == {"leased"}, "a stale token hands nothing back"


def test_the_databases_clock_decides(some_workflow):
    """Leases and due times are judged by automate_now(), which a test can shift."""
    _claimed()
    with database.connect({"automate.clock_shift": "1 hour"}) as later:
        assert OutboxStore(later).rescue().rescued == 1
    run = ExecutionRun.objects.create(
        workflow=some_workflow, version=some_workflow.published, trace_id="0" * 32, status="waiting"
    )
    Wait.objects.create(run=run, path="a", kind="retry", due_at=timezone.now() + timezone.timedelta(minutes=30))
    assert OutboxStore().wake_due() == (0, pytest.approx(1800, abs=120))
    with database.connect({"automate.clock_shift": "1 hour"}) as later:
        assert OutboxStore(later).wake_due()[0] == 1
    run.refresh_from_db()
    assert (run.wakes, Wait.objects.get().status) == (1, "resolved")
    assert OutboxJob.objects.filter(run=run, kind="advance", status="ready").count() == 1


def test_a_wake_up_while_parking_is_not_lost(some_workflow):
    """The walker compares `wakes` at its last checkpoint and puts its job back when it moved."""
    [job] = _claimed()
    run, journal = _run(some_workflow, job, status="running"), Journal(None, worker="w")
    journal.write([Checkpoint(job, JobDisposition.HOLD, run, [StepRecord("a", 1)])])
    ExecutionRun.objects.update(wakes=1)
    run.is_new, run.status = False, "waiting"
    journal.write([Checkpoint(job, JobDisposition.PARK, run)])
    assert OutboxJob.objects.get().status == "ready"


def test_waking_many_claimed_runs_never_makes_a_second_live_job(some_workflow):
    for _ in range(5):
        run = ExecutionRun.objects.create(
            workflow=some_workflow, version=some_workflow.published, trace_id="0" * 32, status="waiting"
        )
        for path in ("a", "b"):
            Wait.objects.create(run=run, path=path, kind="retry", due_at=timezone.now())
    assert OutboxStore().wake_due()[0] == 10
    assert OutboxJob.objects.count() == 5


def test_the_claim_reads_its_index_alone():
    _events(3000)
    OutboxJob.objects.exclude(pk__in=OutboxJob.objects.order_by("id")[:20].values("pk")).update(status="completed")
    from automate_core.outbox.store import CLAIM

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE automate_core_outboxjob")
        cursor.execute("EXPLAIN " + CLAIM.format(limit=10), CLAIM_VALUES)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "ready_jobs" in plan and "Seq Scan on automate_core_outboxjob" not in plan, plan


def test_a_claim_leaves_jobs_to_others_that_have_just_become_ready():
    _events(2)
    old = OutboxJob.objects.first()
    OutboxJob.objects.filter(pk=old.pk).update(available_at=timezone.now() - timezone.timedelta(minutes=2))
    store = OutboxStore(worker="w")
    assert [job.id for job in store.claim_batch(age=60)] == [old.pk]
    assert store.claim_batch(age=60) == [] and len(store.claim_batch()) == 1


def test_claims_look_no_further_back_than_the_oldest_ready_job():
    """What was claimed is passed by without a look, also while there is always something to claim; and what comes late,
    with a time long gone, is found as soon as a look over the queue sees it."""
    _events(3)
    ages = {each.pk: hours for hours, each in enumerate(OutboxJob.objects.order_by("id"), 1)}
    for pk, hours in ages.items():
        OutboxJob.objects.filter(pk=pk).update(
            lane=hours, available_at=timezone.now() - timezone.timedelta(hours=hours)
        )
    store, newest, oldest = OutboxStore(worker="w"), min(ages, key=ages.get), max(ages, key=ages.get)
    OutboxJob.objects.filter(pk=oldest).update(status="leased", lease_until=timezone.now())
    assert {job.id for job in store.claim_batch()} == set(ages) - {oldest}, "the oldest of any lane counts"
    OutboxJob.objects.filter(pk=newest).update(status="ready", available_at=timezone.now())
    OutboxJob.objects.filter(pk=oldest).update(status="ready")
    assert [job.id for job in store.claim_batch()] == [newest]
    assert store.claim_batch() == [], "it is looked for where nothing was ready"
    assert store.rescue().ready
    assert [job.id for job in store.claim_batch()] == [oldest]


def test_the_statements_name_columns_that_exist():
    """Every statement of the hot path is planned by PostgreSQL against the tables of the models."""
    from automate_core.engine import journal_sql
    from automate_core.events import matching
    from automate_core.outbox import ingest, lifecycle
    from automate_core.outbox import status as queue_status
    from automate_core.outbox import store as outbox
    from automate_core.worker import heartbeat

    hot = {
        ingest.INGEST: {"events": "[]"},
        ingest.FIRST_DELIVERIES: {"keys": "[]"},
        matching.CANDIDATES: {"sources": [], "types": []},
        outbox.CLAIM.format(limit=1): CLAIM_VALUES,
        outbox.CLAIM_QUARANTINED: {"worker": "", "lease": 1},
        outbox.OLDEST: {},
        outbox.RENEW: {"jobs": "[]", "lease": 1},
        outbox.HAND_BACK: {"jobs": "[]"},
        outbox.RELEASE: {"worker": ""},
        outbox.RESCUE: {"most": 1, "error": "{}", **CLOSING},
        outbox.CRASHED: {"most": 1, "crashes": 1, "worker": "", "reason": "", "error": "{}", **CLOSING},
        lifecycle.END_RUN: {"run": uuid.uuid4(), "status": "cancelled", "error": "{}", **CLOSING},
        lifecycle.DISPATCH_AGAIN: {"event": uuid.uuid4()},
        heartbeat.REPORT: {"name": "w", "uptime": 1, "slots": 1, "held": 0},
        queue_status.STATUS: {"alive": 30},
        outbox.WAKE_DUE: {},
        journal_sql.write(frozenset(JOURNALLED)): dict.fromkeys(JOURNALLED, "[]") | {"worker": ""},
        journal_sql.write(frozenset()): {"checkpoints": "[]", "steps": "[]", "worker": ""},
        journal_sql.PUBLISHED: {"most": 1},
        journal_sql.READ: {"runs": []},
        journal_sql.WAITS: {"runs": []},
    }
    for statement, values in hot.items():
        database.run(None, statement, values)
    assert len(hot) == 21


@pytest.fixture(autouse=True)
def _close_thread_connections():
    yield
    connections.close_all()


def test_a_hint_wakes_a_worker_in_another_connection(endpoint, deliver, monkeypatch):
    from automate_core.worker import worker as workers
    from automate_core.worker.worker import Worker

    monkeypatch.setattr(workers, "FIRST_POLL_SECONDS", 600.0)
    monkeypatch.setattr(workers, "LAST_POLL_SECONDS", 600.0)
    worker = Worker(concurrency=1, name="listening")
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: worker._claim_at == math.inf and _listeners())
        deliver()
        wait_for(lambda: OutboxJob.objects.filter(status="completed").exists())
    finally:
        worker.stop()
        thread.join(60)


def _listeners():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND state = 'idle'")
        return cursor.fetchone()[0]
