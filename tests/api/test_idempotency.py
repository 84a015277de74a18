"""A POST with an `Idempotency-Key` takes effect once, however often and from wherever it is sent."""

from __future__ import annotations

import datetime as dt
import threading
import uuid

import pytest
from django.db import connection, transaction
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm

from automate_api import pruning
from automate_api.models import IdempotentAnswer
from automate_core.models import Event
from automate_governance.models import AuditEntry
from tests.support.api_operations import MANUAL
from tests.support.locks import somebody_waits
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 50


@pytest.fixture
def client(api, workflow, owner):
    workflow(MANUAL)
    return api(owner)


def _start(client, key, who="Ada", **headers):
    return client.post("workflows/greet/runs", {"inputs": {"who": who}}, key=key, **headers)


def test_fifty_threads_start_one_run(client, settings):
    answers, barrier = [], threading.Barrier(THREADS)

    def send():
        barrier.wait()
        answers.append(_start(client, "one"))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer for answer in answers if answer.headers.get("Idempotency-Replayed") == "true"]
    assert len(replayed) == THREADS - 1
    assert Event.objects.filter(source="manual:greet").count() == 1
    assert AuditEntry.objects.filter(verb="workflow.run_started").count() == 1


def test_an_answer_is_not_repeated_to_who_may_know_nothing_of_it_any_more(api, workflow, colleague):
    made = workflow(MANUAL)
    for verb in ("view", "run"):
        assign_perm(f"{verb}_workflow", colleague, made)
    client = api(colleague, "workflow:run", "workflow:view")
    assert _start(client, "one").status_code == _start(client, "one").status_code == 202
    remove_perm("run_workflow", colleague, made)
    assert _start(client, "one").status_code == 202, "they may view it still"
    remove_perm("view_workflow", colleague, made)
    assert _start(client, "one").status_code == 404


def test_a_key_belongs_to_one_request_of_one_token(client, api, owner):
    first = _start(client, "one")
    assert _start(client, "one", who="Bob").status_code == 422
    assert client.post("workflows/greet/runs?wait=1", {"inputs": {"who": "Ada"}}, key="one").status_code == 422
    assert _start(client, "two").json()["id"] != first.json()["id"]
    assert _start(api(owner), "one").json()["id"] != first.json()["id"]


@pytest.mark.matrix
@pytest.mark.parametrize("key", ["", "x" * 129, "ü", "a\tb"])
def test_a_bad_key_is_refused(client, key):
    answer = _start(client, None, Idempotency_Key=key)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert not IdempotentAnswer.objects.exists()


def test_a_failed_request_leaves_its_key_free(client):
    assert client.post("workflows/greet/runs", {"inputs": {"no": 1}}, key="one").status_code == 422
    assert not IdempotentAnswer.objects.exists()
    assert _start(client, "one").status_code == 202


def test_a_concurrent_request_waits_for_the_first(client):
    """The first request's transaction is still open when the second one comes."""
    answers = []

    def send():
        answers.append(_start(client, "one"))
        connection.close()

    with transaction.atomic():
        first = _start(client, "one")
        thread = threading.Thread(target=send)
        thread.start()
        wait_for(somebody_waits)
    thread.join()
    assert answers[0].json() == first.json()
    assert answers[0].headers["Idempotency-Replayed"] == "true"


def test_a_request_that_waits_too_long_is_told_to_come_back(client, monkeypatch):
    from automate_api.v1 import idempotency

    monkeypatch.setattr(idempotency, "_MOST_WAIT", "100ms")
    answers = []

    def send():
        answers.append(_start(client, "one"))
        connection.close()

    with transaction.atomic():
        _start(client, "one")
        thread = threading.Thread(target=send)
        thread.start()
        thread.join()
    assert (answers[0].status_code, answers[0].headers["Retry-After"]) == (409, "1")


def test_answers_are_kept_for_a_day_and_the_run_is_known_longer(client):
    first = _start(client, "one")
    assert pruning.prune_answers() is None
    assert IdempotentAnswer.objects.count() == 1
    IdempotentAnswer.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    pruning.prune_answers()
    assert not IdempotentAnswer.objects.exists()
    assert uuid.UUID(_start(client, "one").json()["id"]) == uuid.UUID(first.json()["id"])
    assert Event.objects.count() == 1


def test_pruning_is_a_maintenance_task(client):
    from automate_core.worker.maintenance import MaintenanceThread

    _start(client, "one")
    IdempotentAnswer.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    MaintenanceThread().run_due()
    assert not IdempotentAnswer.objects.exists()
