"""Steps that a pool performs: handed out once, claimed once, answered once."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connections
from django.db.models import F

from automate_connectors.models import Connection
from automate_core import ids
from automate_core.models import ExecutionRun, HandedOutStep, RunLog, StepRun, Wait
from automate_core.runs import cancellation
from automate_pools import performer

pytestmark = pytest.mark.django_db(transaction=True)

CALL = """
  - key: first
    action: http.request
    runs_on: gpu
    inputs: {method: POST, url: '%(url)s/first', json: {number: '{{ event.payload.number }}'}}
  - {key: after, action: data.set, inputs: {status: '{{ steps.first.output.status }}'}}
"""


@pytest.fixture
def flow(publish, sink, pools):
    return lambda text=CALL, **options: publish(text % {"url": sink.url}, **options)


def let_pass(seconds=3600):
    HandedOutStep.objects.update(due_at=F("due_at") - dt.timedelta(seconds=seconds))


def latest():
    return ExecutionRun.objects.latest("id")


def test_step_is_performed_by_the_pool_and_the_run_goes_on(flow, run, drain, sink, messages, consume):
    flow()
    waiting = run({"number": 5})
    assert (waiting.status, Wait.objects.get().kind) == ("waiting", "pool")
    assert sink.calls == []
    [message] = messages()
    assert consume(message) == "performed"
    drain()
    done = latest()
    assert done.status == "succeeded"
    assert StepRun.objects.get(path="after").output == {"status": 200}
    [(path, key, body)] = sink.calls
    assert (path, body) == ("/first", {"number": 5})
    assert key == StepRun.objects.get(path="first").idempotency_key
    assert not HandedOutStep.objects.exists()


def test_message_holds_ids_only(flow, run, messages):
    from django.tasks import task_backends

    flow()
    run({"number": 5})
    [result] = task_backends["kept"].results
    assert list(result.args) == [str(HandedOutStep.objects.get().pk), 1]
    assert result.kwargs == {}


def test_message_delivered_twice_is_one_claim(flow, run, sink, messages, consume):
    flow()
    run({"number": 1})
    [message] = messages()
    results, barrier = [], threading.Barrier(4)

    def deliver_again():
        barrier.wait()
        results.append(consume(message))
        connections.close_all()

    threads = [threading.Thread(target=deliver_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["duplicate", "duplicate", "duplicate", "performed"]
    assert len(sink.calls) == 1


def test_lost_message_is_sent_again_with_the_same_token(flow, run, drain, messages, consume, sink):
    flow()
    run({"number": 1})
    let_pass()
    drain()
    first, second = messages()
    assert first == second
    assert consume(second) == "performed"
    assert consume(first) == "duplicate"
    assert len(sink.calls) == 1


def test_claim_without_outcome_is_handed_out_again_under_a_new_token(flow, run, drain, messages, consume, sink):
    from automate_core.engine.effects.executor_pools import code_version
    from automate_pools import store

    flow()
    run({"number": 1})
    [(step, token)] = messages()
    assert store.claim(step, token, performer="dead", version=code_version()) is not None
    let_pass()
    drain()
    assert messages()[-1] == (step, token + 1)
    row = HandedOutStep.objects.get()
    zombie = {"outcome": "performed", "output": "of the dead"}
    assert not store.write_outcome(step, row.run_id, token, zombie)
    assert consume((step, token)) == "duplicate"
    assert consume((step, token + 1)) == "performed"
    drain()
    assert latest().status == "succeeded"


def test_step_whose_performers_all_die_fails(flow, run, drain, messages):
    from automate_core.engine.effects.executor_pools import code_version
    from automate_pools import store

    flow()
    run({"number": 1})
    for _ in range(3):
        step, token = messages()[-1]
        assert store.claim(step, token, performer="dead", version=code_version())
        let_pass()
        drain()
    drain()
    ended = latest()
    assert (ended.status, ended.error["code"]) == ("failed", "performer_lost")
    assert ended.error["message"] == "3 pool processes of this step ended without an outcome."


def test_step_at_most_once_is_reviewed_when_its_performer_died(flow, run, drain, messages):
    from automate_core.engine.effects.executor_pools import code_version
    from automate_pools import store

    flow(CALL.replace("runs_on: gpu", "runs_on: gpu\n    at_most_once: true"))
    run({"number": 1})
    step, token = messages()[-1]
    assert store.claim(step, token, performer="dead", version=code_version())
    let_pass()
    drain()
    drain()
    assert Wait.objects.get(status="open").kind == "review"
    assert len(messages()) == 1


def test_error_is_recorded_and_retried(flow, run, drain, later, messages, consume, sink):
    sink.answer = lambda number, path: (503, {}, {}) if number == 1 else (200, {}, {})
    flow(CALL.replace("runs_on: gpu", "runs_on: gpu\n    retry: {attempts: 2}"))
    run({"number": 1})
    assert consume(messages()[-1]) == "performed"
    drain()
    failed = StepRun.objects.get(path="first")
    assert (failed.status, failed.error["code"]) == ("failed", "http_503")
    assert RunLog.objects.filter(path="first", level="error").exists()
    later(3600)
    drain()
    drain()
    assert consume(messages()[-1]) == "performed"
    drain()
    assert latest().status == "succeeded"
    assert len({key for _, key, _ in sink.calls}) == 1


def test_cancelled_run_is_not_performed(flow, run, drain, messages, consume, sink):
    flow()
    run({"number": 1})
    cancellation.cancel_run(latest().pk, code="cancelled", message="Cancelled.")
    assert consume(messages()[-1]) == "duplicate"
    let_pass()
    drain()
    assert sink.calls == []
    assert not HandedOutStep.objects.exists()


def test_performer_of_another_version_refuses(flow, run, drain, settings, messages, consume, sink):
    flow()
    run({"number": 1})
    settings.AUTOMATE_CODE_VERSION = "next"
    assert consume(messages()[-1]) == "refused"
    assert sink.calls == []
    let_pass()
    drain()  # a worker of that version sends it again
    assert consume(messages()[-1]) == "performed"


def test_pool_that_performs_at_once(flow, run, drain, sink):
    flow(CALL.replace("runs_on: gpu", "runs_on: near"))
    run({"number": 1})
    drain()
    assert latest().status == "succeeded"
    assert len(sink.calls) == 1


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("head", "connection", "step", "pool"),
    [
        ("runs_on: gpu", "", "", "gpu"),
        ("runs_on: gpu", "near", "", None),
        ("runs_on: gpu", "", "default", None),
        ("", "gpu", "", "gpu"),
        ("", "near", "gpu", "gpu"),
    ],
)
def test_nearest_pool_wins(publish, run, drain, sink, pools, owner, head, connection, step, pool):
    Connection.objects.create(
        name="Sink",
        slug="sink",
        connector="http",
        config={"base_url": sink.url},
        owner=owner,
        runs_on=connection,
    )
    publish(
        f"  - {{key: first, action: http.request, connection: sink, runs_on: '{step}',"
        " inputs: {method: POST, url: /first}}",
        head=head,
    )
    run({"number": 1})
    drain()
    assert latest().error is None
    assert [row.pool for row in HandedOutStep.objects.all()] == ([pool] if pool else [])
    assert len(sink.calls) == (0 if pool else 1)


def test_long_step_whose_outcome_is_wanted_is_not_cancelled(flow, run, messages, consume, sink, monkeypatch):
    monkeypatch.setattr(performer, "CANCEL_SECONDS", 0.0)  # as if each look came after that time
    flow()
    run({"number": 1})
    assert consume(messages()[-1]) == "performed"
    assert len(sink.calls) == 1 and HandedOutStep.objects.count() == 0
    assert Wait.objects.get().outcome["outcome"] == "performed"


@pytest.mark.parametrize("flag", ["00", "01"])
def test_decision_of_the_sender_of_a_trace_is_passed_on(flow, deliver, drain, sink, messages, consume, collector, flag):
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    flow()
    deliver({"number": 1}, headers={"traceparent": f"00-{trace}-{caller}-{flag}"})
    drain()
    assert consume(messages()[-1]) == "performed"
    assert sink.headers[-1]["traceparent"] == f"00-{trace}-{ids.attempt_span_id(latest().pk, 'first', 1)}-{flag}"


def test_undeclared_pool_fails_the_step(flow, run, settings):
    flow()
    settings.AUTOMATE_POOLS = {}
    ended = run({"number": 1})
    assert (ended.status, ended.error["code"]) == ("failed", "pool_not_found")


def test_parallel_steps_of_a_loop_are_handed_out_at_once(flow, run, drain, messages, consume, sink):
    flow(
        """
  - kind: for_each
    key: each
    items: [1, 2, 3]
    concurrency: 3
    steps:
      - {key: call, action: http.request, runs_on: gpu, inputs: {method: POST, url: '%(url)s/x', json: '{{ item }}'}}
"""
    )
    run({"number": 1})
    assert len(messages()) == 3
    for message in messages():
        assert consume(message) == "performed"
    drain()
    assert latest().status == "succeeded"
    assert sorted(body for _, _, body in sink.calls) == [1, 2, 3]
