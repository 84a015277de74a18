"""A start is cancelled before a worker takes it, or the run that a worker made of it: never both, never neither."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from automate_core.models import EndedRun, Event, ExecutionRun, OutboxJob, StepRun
from automate_core.outbox.store import OutboxStore
from automate_core.worker.worker import Worker
from automate_governance.models import AuditEntry
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

GREET = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, kind: text}]}]
steps: [{key: say, action: data.set, inputs: {text: 'Hello {{ event.payload.who }}'}}]
"""


@pytest.fixture
def greet(workflow):
    return workflow(GREET)


def _start(client, **query):
    wait = f"?wait={query['wait']}" if query else ""
    answer = client.post(f"workflows/greet/runs{wait}", {"inputs": {"who": "Ada"}})
    assert answer.status_code == 202, answer.content
    return answer.json()


def test_a_queued_start_is_cancelled_and_never_runs(api, owner, greet, drain):
    client = api(owner)
    started = _start(client)
    cancelled = client.post(f"{started['url']}/cancel", {"reason": "Too late"}, key="one")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled"), cancelled.content
    assert cancelled.json()["error"]["message"] == "Cancelled by owner: Too late"
    assert client.post(f"{started['url']}/cancel", {"reason": "Too late"}, key="one").json() == cancelled.json()
    assert OutboxJob.objects.get().status == "completed"
    assert EndedRun.objects.filter(run=started["id"]).exists(), "it is counted"
    drain()
    run = ExecutionRun.objects.get()
    assert (str(run.pk), run.status, run.started_at) == (started["id"], "cancelled", None)
    assert not StepRun.objects.exists()
    entry = AuditEntry.objects.get(verb="run.cancelled")
    assert (entry.actor, entry.credential, entry.changes) == ("owner", str(client.token), {"reason": "Too late"})
    assert [each["id"] for each in client.get("runs", {"status": "cancelled"}).json()["items"]] == [started["id"]]
    again = client.post(f"{started['url']}/cancel")
    assert (again.status_code, "already ended" in again.json()["detail"]) == (409, True)


def test_a_start_is_cancelled_by_those_who_may_run_it(api, owner, stranger, greet):
    started = _start(api(owner))
    refused = api(owner, "workflow:view").post(f"{started['url']}/cancel")
    assert (refused.status_code, refused.json()["missing_scope"]) == (403, "workflow:run")
    assert api(stranger).post(f"{started['url']}/cancel").status_code == 404
    assert OutboxJob.objects.get().status == "ready" and not ExecutionRun.objects.exists()


def test_a_worker_that_has_claimed_the_start_writes_nothing(api, owner, greet, drain):
    client = api(owner)
    started = _start(client)
    store = OutboxStore(worker="slow")
    [job] = store.claim_batch()
    assert client.post(f"{started['url']}/cancel").json()["status"] == "cancelled"
    store.hand_back([job])
    drain()
    assert ExecutionRun.objects.get().status == "cancelled" and not StepRun.objects.exists()


def test_a_start_that_made_no_run_cannot_be_cancelled(api, owner, greet):
    client = api(owner)
    started = _start(client)
    OutboxJob.objects.update(status="completed")
    refused = client.post(f"{started['url']}/cancel")
    assert (refused.status_code, "created no run" in refused.json()["detail"]) == (409, True)
    assert not ExecutionRun.objects.exists() and not AuditEntry.objects.filter(verb="run.cancelled").exists()


@pytest.mark.extended
def test_cancellations_and_a_worker_race_for_starts(api, owner, greet):
    client = api(owner)
    started = [_start(client) for _ in range(24)]
    worker = Worker(concurrency=4, name="race")
    thread = threading.Thread(target=worker.run)
    statuses = []

    def cancel(some):
        statuses.extend(client.post(f"{each['url']}/cancel").status_code for each in some)
        connection.close()

    cancelling = [threading.Thread(target=cancel, args=(started[first::2],)) for first in range(2)]
    for each in (thread, *cancelling):
        each.start()
    for each in cancelling:
        each.join()
    worker.stop()
    thread.join(60)
    Worker(concurrency=4, drain=True, name="rest").run()
    runs = dict(ExecutionRun.objects.values_list("pk", "status"))
    assert {str(key) for key in runs} == {each["id"] for each in started}
    assert set(runs.values()) <= {"cancelled", "succeeded"} and set(statuses) <= {200, 409}
    assert list(runs.values()).count("cancelled") == statuses.count(200)
    assert AuditEntry.objects.filter(verb="run.cancelled").count() == statuses.count(200)
    assert not OutboxJob.objects.exclude(status="completed").exists()


def test_who_waits_for_the_start_learns_of_it(api, owner, greet):
    client = api(owner)
    answers = []

    def wait():
        answers.append(_start(client, wait=30))
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    event = wait_for(Event.objects.first)
    path = f"runs/{event.pk}"
    assert client.post(f"{path}/cancel").status_code == 200
    thread.join(25)
    assert [answer["status"] for answer in answers] == ["cancelled"]
    after = client.get(f"{path}/stream")
    assert "event: run" in after.content.decode() and '"status": "cancelled"' in after.content.decode()
    seq = ExecutionRun.objects.get().seq
    assert client.get(f"{path}/stream", **{"Last-Event-ID": str(seq)}).status_code == 204
