"""Concurrency limits: never more admitted than the limit, whoever asks, and nobody forgotten."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, connections, transaction

from automate_core.models import ExecutionRun, OutboxJob, Wait
from automate_core.runs import concurrency, control
from automate_core.runs.cancellation import cancel_run
from automate_core.states import FINAL_RUN_STATES

pytestmark = pytest.mark.django_db(transaction=True)

LIMITED = """
name: Limited
slug: limited
concurrency: {limit: 2, key: '{{ event.payload.number }}'}
triggers: [{endpoint: github}]
steps: [{key: a, action: data.set}]
"""


@pytest.fixture
def limited(workflow):
    return workflow(LIMITED)


@pytest.fixture
def arrive(limited):
    """Runs as matching makes them: waiting for their turn."""

    def make(count, *, limit=2, policy="queue", key="k"):
        made = []
        for _ in range(count):
            with transaction.atomic():
                run = ExecutionRun.objects.create(
                    workflow=limited, version=limited.published, status="waiting", trace_id="0" * 32,
                    slot_key=key, admitted=False, cause="retry",
                )  # fmt: skip
                Wait.objects.create(run=run, path="", kind="slot", data={"limit": limit, "policy": policy})
            made.append(run)
        return sorted(made, key=lambda run: run.pk)

    return make


def _states(runs):
    found = {run.pk: run for run in ExecutionRun.objects.filter(pk__in=[run.pk for run in runs])}
    return [
        "admitted" if found[r.pk].admitted and found[r.pk].status != "cancelled" else found[r.pk].status for r in runs
    ]


def _is_due():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {concurrency.DUE}")
        return cursor.fetchone()[0]


def test_the_oldest_go_first_and_the_next_when_one_ends(arrive, limited):
    runs = arrive(4)
    assert concurrency.admit_waiting_runs(limited.pk, "k") == 2
    assert _states(runs) == ["admitted", "admitted", "waiting", "waiting"]
    assert set(OutboxJob.objects.values_list("run", "kind", "status")) == {
        (run.pk, "advance", "ready") for run in runs[:2]
    }
    assert list(Wait.objects.values_list("status", flat=True)) == ["resolved", "resolved", "open", "open"]
    assert concurrency.admit_waiting_runs(limited.pk, "k") == 0
    cancel_run(runs[0].pk, code="cancelled", message="")
    assert concurrency.admit_waiting_runs(limited.pk, "k") == 1
    assert _states(runs) == ["cancelled", "admitted", "admitted", "waiting"]


def test_keys_do_not_share_their_limit(arrive, limited):
    runs = [*arrive(2, limit=1, key="a"), *arrive(2, limit=1, key="b")]
    concurrency.admit_all()
    assert _states(runs) == ["admitted", "waiting", "admitted", "waiting"]


def test_what_comes_beyond_the_limit_is_skipped(arrive, limited):
    runs = arrive(4, policy="skip")
    concurrency.admit_waiting_runs(limited.pk, "k")
    assert _states(runs) == ["admitted", "admitted", "cancelled", "cancelled"]
    assert {run.error["code"] for run in ExecutionRun.objects.filter(status="cancelled")} == {"skipped"}


def test_the_newest_takes_the_place_of_the_oldest(arrive, limited):
    first = arrive(3, policy="cancel_older")
    concurrency.admit_waiting_runs(limited.pk, "k")
    assert _states(first) == ["cancelled", "admitted", "admitted"]
    [newest] = arrive(1, policy="cancel_older")
    concurrency.admit_waiting_runs(limited.pk, "k")
    assert _states([*first, newest]) == ["cancelled", "cancelled", "admitted", "admitted"]
    first[1].refresh_from_db()
    assert first[1].error["code"] == "superseded"


def test_the_terms_of_the_newest_count(arrive, limited):
    runs = [*arrive(3, limit=1), *arrive(1, limit=3)]
    concurrency.admit_waiting_runs(limited.pk, "k")
    assert _states(runs) == ["admitted", "admitted", "admitted", "waiting"]


def test_the_sweep_finds_what_nobody_was_told_of(arrive, limited):
    assert not _is_due()
    runs = arrive(3, limit=1)
    assert _is_due()
    concurrency.admit_all()
    assert _states(runs) == ["admitted", "waiting", "waiting"]
    assert not _is_due(), "there is no room"
    cancel_run(runs[0].pk, code="cancelled", message="")
    assert _is_due()
    concurrency.admit_all()
    assert _states(runs) == ["cancelled", "admitted", "waiting"]
    [skipped] = arrive(1, limit=1, policy="skip")
    assert _is_due()
    concurrency.admit_all()
    assert _states([*runs, skipped]) == ["cancelled", "admitted", "cancelled", "cancelled"]


def test_runs_of_a_limited_workflow_take_turns_through_the_worker(workflow, deliver, drain, sink):
    going_on, most, lock = [], [], threading.Lock()

    def answer(number, path):
        with lock:
            going_on.append(number)
            most.append(len(going_on))
        time.sleep(0.1)
        with lock:
            going_on.remove(number)
        return 200, {}, {}

    sink.answer = answer
    call = f"action: http.request, inputs: {{method: POST, url: '{sink.url}/x'}}"
    workflow(LIMITED.replace("action: data.set", call))
    for _ in range(6):
        deliver({"number": 7})
    drain()
    assert set(ExecutionRun.objects.values_list("status", "slot_key", "admitted")) == {("succeeded", "7", True)}
    assert (len(most), max(most)) == (6, 2)


def test_a_retry_of_a_limited_run_takes_its_turn(limited, deliver, drain, owner):
    deliver({"number": 7})
    drain()
    first = ExecutionRun.objects.get()
    for _ in range(3):
        control.rerun(first, by=owner, start="start")
    again = ExecutionRun.objects.filter(retried_from=first)
    assert set(again.values_list("slot_key", "status")) == {("7", "waiting")}
    assert again.filter(admitted=True).count() == 2
    drain()
    assert set(again.values_list("status", flat=True)) == {"succeeded"}


def test_many_workers_never_admit_more_than_the_limit(arrive, limited):
    """Eight threads admit and end runs of one key at once; a watcher counts all the while."""
    runs = arrive(40, limit=3)
    most, over = [], threading.Event()

    def work():
        try:
            while not over.is_set():
                concurrency.admit_waiting_runs(limited.pk, "k")
                run = (
                    ExecutionRun.objects.filter(admitted=True)
                    .exclude(status__in=FINAL_RUN_STATES)
                    .order_by("?")
                    .first()
                )
                if run is not None:
                    cancel_run(run.pk, code="cancelled", message="ended")
                elif not ExecutionRun.objects.exclude(status__in=FINAL_RUN_STATES).exists():
                    over.set()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while not over.is_set():
        most.append(ExecutionRun.objects.filter(admitted=True).exclude(status__in=FINAL_RUN_STATES).count())
        time.sleep(0.002)
    for thread in threads:
        thread.join(60)
    assert max(most) == 3
    assert _states(runs) == ["cancelled"] * 40
    assert Wait.objects.filter(status="resolved").count() == 40, "each had its turn"
