"""Claims: whose turn it is, and from which moment on they look for jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from automate_core import database
from automate_core.models import OutboxJob
from automate_core.outbox import store as outbox
from automate_core.outbox.ingest import EventIngestor, NewEvent
from automate_core.outbox.store import OutboxStore

pytestmark = pytest.mark.django_db(transaction=True)


def ready_jobs(count):
    """Make that many jobs, ready for a minute."""
    EventIngestor().ingest(*(NewEvent(source="api:test", type="n", payload="{}") for _ in range(count)))
    OutboxJob.objects.update(available_at=Now() - timedelta(minutes=1))
    return list(OutboxJob.objects.order_by("id"))


@pytest.mark.parametrize(
    ("after", "ring", "first"),
    [
        (300, [400, 800, 100], 2),
        (600, [900, 10, 500], 2),
        (300, [301, 800, 100], 2),
        (300, [800, 100, 300], 3),
        (0, [1, 1023, 0], 2),
        (1023, [0, 5, 1023], 3),
    ],
)
def test_a_claim_begins_behind_the_lane_that_was_served_last(after, ring, first):
    for number, job in enumerate(ready_jobs(9)):
        OutboxJob.objects.filter(pk=job.pk).update(lane=ring[number % 3])
    store = OutboxStore(worker="w")
    store._lane = after
    assert sorted(job.lane for job in store.claim_batch(first)) == sorted(ring[:first])
    turns = [store.claim_batch(1)[0].lane for _ in ring]
    assert turns == [*ring[first:], *ring[:first]]


def test_a_claim_takes_ten_jobs_unless_it_is_told_otherwise():
    ready_jobs(12)
    store = OutboxStore(worker="w")
    assert [len(store.claim_batch()) for _ in range(3)] == [10, 2, 0]


def test_what_is_due_in_a_moment_is_not_claimed():
    [job] = ready_jobs(1)
    OutboxJob.objects.update(available_at=Now() + timedelta(seconds=0.9))
    job.refresh_from_db()
    store = OutboxStore(worker="w")
    assert store.claim_batch() == [] or database.now() >= job.available_at


@pytest.mark.parametrize(("seconds", "is_found"), [(4.9, True), (5.1, False)])
def test_what_was_committed_late_is_found_within_five_seconds_of_the_newest(seconds, is_found):
    """Of the job with the later time the transaction may end before that of the other."""
    late, newest = ready_jobs(2)
    OutboxJob.objects.filter(pk=late.pk).update(status="completed", available_at=F("available_at") - _s(seconds))
    store = OutboxStore(worker="w")
    assert [job.id for job in store.claim_batch()] == [newest.pk]
    assert store.claim_batch() == []
    OutboxJob.objects.filter(pk=late.pk).update(status="ready")
    assert [job.id for job in store.claim_batch()] == ([late.pk] if is_found else [])
    assert store.rescue().ready is not is_found
    assert len(store.claim_batch()) == int(not is_found), "the look over the queue has seen it"


def _s(seconds):
    return timedelta(seconds=seconds)


@pytest.fixture
def looks(monkeypatch):
    """The moments of a clock, `looks.now`, at which the oldest job is looked for; it takes `looks.seconds`."""

    class Looks(list):
        now, seconds = 1_000.0, 0.0

    made, run = Looks(), database.run

    def timed(connection, statement, values):
        if statement is outbox.OLDEST:
            made.append(made.now)
            made.now += made.seconds
        return run(connection, statement, values)

    monkeypatch.setattr(outbox.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(outbox.database, "run", timed)
    return made


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 15), (0.7, 15), (0.8, 16), (3.0, 60)])
def test_the_oldest_job_is_looked_for_every_fifteen_seconds_or_more_seldom_if_that_takes_long(looks, seconds, pause):
    looks.seconds = seconds
    store = OutboxStore(worker="w")
    store.claim_batch()
    ended = looks.now
    for passed in (0.0, pause - 0.05, pause + 0.05):
        looks.now = ended + passed
        store.claim_batch()
    assert looks == [1_000.0, ended + pause + 0.05]


def test_it_is_looked_for_again_when_a_claim_found_nothing_and_there_is_something(looks):
    store = OutboxStore(worker="w")
    assert store.claim_batch() == [] and not store.rescue().ready
    assert store.claim_batch() == [] and len(looks) == 1, "there was nothing"
    ready_jobs(3)
    assert store.rescue().ready
    assert len(store.claim_batch(1)) == 1 and len(looks) == 2
    assert store.rescue().ready
    assert len(store.claim_batch(1)) == 1 and len(looks) == 2, "the claim had found one"
