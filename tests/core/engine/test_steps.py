"""Every kind of step, from a delivery to the end of its run, over as many walks as it takes."""

from __future__ import annotations

import threading
import time

import pytest
from django.contrib.auth.models import Group, User

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_core.definition.document import DefinitionError
from automate_core.models import Event, ExecutionRun, OutboxJob, RunLog, StepRun, Wait, WaitAssignee, Workflow
from automate_core.runs.waits import approvals
from automate_core.worker.worker import Worker
from automate_operations.queries.approval_tasks import undecidable_approvals
from tests.support.processes import wait_for
from tests.support.walks import output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)


# --- routes -----------------------------------------------------------------------------------------------------------


def test_all_routes_that_match_are_taken_in_order(publish, run):
    publish("""
  - kind: branch
    key: route
    match: all
    arms:
      - {key: one, when: true, steps: [{key: a, action: data.set, inputs: {n: 1}}]}
      - {key: two, when: false, steps: [{key: b, action: data.set, inputs: {n: 2}}]}
      - {key: three, when: true, steps: [{key: c, action: data.set, inputs: {n: '{{ steps.a.output.n }}'}}]}
    otherwise: [{key: d, action: data.set}]
  - {key: end, action: data.set, inputs: {n: '{{ steps.c.output.n }}'}}
""")
    done = run()
    assert done.status == "succeeded"
    assert output(done, "route") == {"routes": ["one", "three"]}
    assert output(done, "end") == {"n": 1}
    assert set(states(done)) == {"route", "route/a", "route/c", "end"}


def test_disabled_steps_are_passed_over(publish, run):
    publish("  - {key: a, action: data.set}\n  - {key: b, action: data.set, disabled: true}")
    assert set(states(run())) == {"a"}


def test_parallel_calls_overlap(publish, run, sink):
    together = threading.Barrier(4, timeout=300)
    sink.answer = lambda number, path: (together.wait(), (200, {"at": path}, {}))[1]
    arms = "".join(
        f"\n      - {{key: a{n}, steps: [{{key: call{n}, action: http.request, inputs: {{url: '{sink.url}/{n}'}}}}]}}"
        for n in range(4)
    )
    publish(f"""
  - kind: parallel
    key: all
    arms:{arms}
  - {{key: end, action: data.set, inputs: {{got: '{{{{ steps.call3.output.body.at }}}}'}}}}
""")
    done = run()
    assert done.status == "succeeded"
    assert output(done, "end") == {"got": "/3"}
    calls = StepRun.objects.filter(run=done, path__startswith="all/")
    assert len(calls) == 4
    assert max(call.started_at for call in calls) < min(call.finished_at for call in calls)


def test_parallel_keeps_its_limit(publish, run, sink):
    sink.answer = lambda number, path: (time.sleep(0.15), (200, {}, {}))[1]
    arms = "".join(
        f"\n      - {{key: a{n}, steps: [{{key: c{n}, action: http.request, inputs: {{url: '{sink.url}/{n}'}}}}]}}"
        for n in range(4)
    )
    publish(f"  - kind: parallel\n    key: all\n    limit: 2\n    arms:{arms}")
    done = run()
    calls = list(StepRun.objects.filter(run=done, path__startswith="all/").order_by("started_at"))
    assert calls[2].started_at >= min(call.finished_at for call in calls)
    assert done.status == "succeeded"


def test_an_arm_that_fails_withdraws_the_others(publish, run, sink):
    sink.answer = lambda number, path: (400, {}, {}) if path == "/bad" else (time.sleep(0.3), (200, {}, {}))[1]
    publish(f"""
  - kind: parallel
    key: all
    arms:
      - {{key: bad, steps: [{{key: fails, action: http.request, inputs: {{url: '{sink.url}/bad'}}}}]}}
      - key: slow
        steps:
          - {{key: goes_on, action: http.request, inputs: {{url: '{sink.url}/good'}}}}
          - {{key: never, action: data.set}}
      - {{key: waits, steps: [{{kind: wait, key: long, duration: 1d}}]}}
""")
    done = run()
    assert done.status == "failed" and done.error["step"] == "fails"
    assert states(done) == {
        "all": "failed", "all/fails": "failed", "all/goes_on": "succeeded", "all/long": "cancelled",
    }  # fmt: skip
    assert Wait.objects.get().status == "cancelled"
    assert OutboxJob.objects.get().status == "completed"


def test_an_arm_that_fails_is_told_to_actions_and_begins_no_further_ones(publish, deliver, monkeypatch):
    called, told = [], []

    def execute(self, action, params, context):
        name = params["url"].rpartition("/")[2]
        called.append(name)
        if name == "bad":
            wait_for(lambda: len(called) > 1)
            raise ConnectorError("Bad.", code="bad")
        wait_for(context["cancelled"], every=0.02)
        told.append(name)
        return {}

    monkeypatch.setattr(type(connectors.get("http")), "execute", execute)
    arms = "".join(
        f"\n      - {{key: {name}, steps: [{{key: c_{name}, action: http.request, inputs: {{url: 'https://x.test/{name}'}}}}]}}"
        for name in ("bad", *(f"slow{number}" for number in range(49)))
    )
    publish(f"  - kind: parallel\n    key: all\n    arms:{arms}")
    deliver({})
    Worker(concurrency=2, drain=True, name="test").run()
    done = ExecutionRun.objects.get()
    assert (done.status, done.error["step"]) == ("failed", "c_bad")
    assert told and sorted([*told, "bad"]) == sorted(called), "each that ran was told"
    assert len(called) < 50, "what waited for a thread is not begun"


# --- loops ------------------------------------------------------------------------------------------------------------


def test_a_loop_collects_outputs_in_order(publish, run, sink):
    sink.answer = lambda number, path: (time.sleep(0.02 * (5 - int(path[1:]))), (200, int(path[1:]), {}))[1]
    publish(f"""
  - kind: for_each
    key: each
    items: '{{{{ event.payload.numbers }}}}'
    concurrency: 5
    steps:
      - {{key: call, action: http.request, inputs: {{url: '{sink.url}/{{{{ item }}}}'}}}}
      - {{key: keep, action: data.set, inputs: {{is: '{{{{ steps.call.output.body }}}}', at: '{{{{ index }}}}'}}}}
  - {{key: end, action: data.set, inputs: {{all: '{{{{ steps.each.output }}}}'}}}}
""")
    done = run({"numbers": [0, 1, 2, 3, 4]})
    assert done.status == "succeeded", done.error
    assert output(done, "end")["all"] == [{"is": n, "at": n} for n in range(5)]
    assert states(done)["each[3]/keep"] == "succeeded"


@pytest.mark.parametrize(
    ("policy", "status", "expected"),
    [
        ("stop", "failed", None),
        ("continue", "succeeded", [{"n": 1}, None, {"n": 3}]),
        ("collect", "succeeded", [{"n": 1}, {"error": "no_good"}, {"n": 3}]),
    ],
)
def test_what_a_failed_item_does(publish, run, policy, status, expected):
    publish(f"""
  - kind: for_each
    key: each
    items: [1, 2, 3]
    on_item_error: {policy}
    steps:
      - kind: branch
        key: check
        arms: [{{key: bad, when: {{'==': [{{var: item}}, 2]}}, steps: [{{key: pick, action: data.pick, inputs: {{source: {{}}, fields: [x]}}}}]}}]
      - {{key: keep, action: data.set, inputs: {{n: '{{{{ item }}}}'}}}}
""")
    done = run()
    assert done.status == status
    if expected is None:
        assert "each[2]/keep" not in states(done) and done.error["step"] == "pick"
        return
    got = output(done, "each")
    if policy == "collect":
        assert got[1]["error"]["code"] == "missing_field" and got[1]["error"]["step"] == "pick"
        got[1] = {"error": "no_good"}
    assert got == expected


@pytest.mark.parametrize(
    ("items", "code"), [("{{ event.payload.no }}", "not_a_list"), ("{{ event.id }}", "not_a_list")]
)
def test_a_loop_over_no_list_says_what_to_do(publish, run, items, code):
    publish(f"  - {{kind: for_each, key: each, items: '{items}', steps: [{{key: a, action: data.set}}]}}")
    done = run({"no": 7})
    assert (done.status, done.error["code"], done.error["step"]) == ("failed", code, "each")
    assert "needs a list" in done.error["message"]


def test_no_items_is_no_failure(publish, run):
    publish("  - {kind: for_each, key: each, items: [], steps: [{key: a, action: data.set}]}")
    done = run()
    assert (done.status, output(done, "each")) == ("succeeded", [])


def test_loops_in_loops_have_their_own_names(publish, run):
    publish("""
  - kind: for_each
    key: outer
    items: [[1, 2], [3]]
    steps:
      - kind: for_each
        key: inner
        items: '{{ item }}'
        steps: [{key: keep, action: data.set, inputs: {n: '{{ item }}'}}]
      - {key: whole, action: data.set, inputs: {of: '{{ steps.inner.output }}', item: '{{ item }}'}}
""")
    done = run()
    assert output(done, "outer") == [{"of": [{"n": 1}, {"n": 2}], "item": [1, 2]}, {"of": [{"n": 3}], "item": [3]}]
    assert output(done, "outer[0]/inner[1]/keep") == {"n": 2}


def test_a_large_loop_takes_breath(publish, run):
    publish("""
  - kind: for_each
    key: each
    items: '{{ event.payload.n }}'
    concurrency: 10
    steps: [{key: a, action: data.set, inputs: {n: '{{ item }}'}}, {key: b, action: data.set, inputs: {n: '{{ steps.a.output.n }}'}}]
""")
    done = run({"n": list(range(1_200))})
    assert done.status == "succeeded"
    assert [item["n"] for item in output(done, "each")] == list(range(1_200))
    assert StepRun.objects.filter(run=done).count() == 2_401
    assert done.seq > 3, "in several checkpoints"


def test_repeat_until_and_saved_variables(publish, run, sink):
    sink.answer = lambda number, path: (200, {"next": number + 1 if number < 3 else None}, {})
    publish(
        f"""
  - kind: repeat
    key: pages
    maximum: 5
    until: {{'==': [{{var: vars.cursor.body.next}}, null]}}
    steps:
      - {{key: page, action: http.request, save_as: cursor, inputs: {{url: '{sink.url}/{{{{ index }}}}'}}}}
  - {{key: end, action: data.set, inputs: {{count: '{{{{ steps.pages.output.count }}}}', vat: '{{{{ vars.vat }}}}'}}}}
""",
        head="vars: {vat: 19}",
    )
    done = run()
    assert done.status == "succeeded", done.error
    assert output(done, "end") == {"count": 3, "vat": 19}


def test_a_repeat_that_never_gets_there_fails(publish, run):
    publish("  - {kind: repeat, key: again, maximum: 3, until: false, steps: [{key: a, action: data.set}]}")
    done = run()
    assert (done.status, done.error["code"], done.error["step"]) == ("failed", "not_reached", "again")
    assert len(states(done)) == 4


# --- errors -----------------------------------------------------------------------------------------------------------

FAILS = "action: data.pick, inputs: {source: {a: 1}, fields: [b]}"


def test_a_default_value_in_place_of_a_failure(publish, run):
    publish(f"""
  - {{key: bad, {FAILS}, on_error: {{value: {{b: '{{{{ error.code }}}}'}}}}}}
  - {{key: end, action: data.set, inputs: {{b: '{{{{ steps.bad.output.b }}}}'}}}}
""")
    done = run()
    assert (done.status, states(done)["bad"]) == ("succeeded", "failed")
    assert output(done, "end") == {"b": "missing_field"}


def test_steps_in_place_of_a_failure(publish, run):
    publish("""
  - key: bad
    action: data.pick
    inputs: {source: {}, fields: [b]}
    on_error: {steps: [{key: note, action: data.log, inputs: {message: 'It said {{ error.message }}'}}]}
  - {key: end, action: data.set}
""")
    done = run()
    assert states(done) == {"bad": "failed", "bad/note": "succeeded", "end": "succeeded"}
    assert output(done, "bad/note")["message"].startswith("It said The source has no b")


def test_try_catches_and_always_runs(publish, run):
    publish(f"""
  - kind: try
    key: attempt
    steps: [{{key: before, action: data.set}}, {{key: bad, {FAILS}}}, {{key: never, action: data.set}}]
    on_error: [{{key: note, action: data.set, inputs: {{what: '{{{{ error.step }}}}'}}}}]
    always: [{{key: clean, action: data.set}}]
  - {{key: end, action: data.set, inputs: {{code: '{{{{ steps.attempt.output.error.code }}}}'}}}}
""")
    done = run()
    assert done.status == "succeeded"
    assert output(done, "attempt/note") == {"what": "bad"} and output(done, "end") == {"code": "missing_field"}
    assert set(states(done)) == {"attempt", "attempt/before", "attempt/bad", "attempt/note", "attempt/clean", "end"}


def test_try_without_on_error_cleans_up_and_fails(publish, run):
    publish(f"""
  - kind: try
    key: attempt
    steps: [{{kind: wait, key: pause, duration: 0}}, {{key: bad, {FAILS}}}]
    always: [{{key: clean, action: data.set}}]
""")
    done = run()
    assert (done.status, done.error["step"], states(done)["attempt/clean"]) == ("failed", "bad", "succeeded")


def test_an_error_that_was_caught_stays_caught_when_walked_again(publish, run, drain, later):
    """The walk after the wait goes the same way: through the failure, its default, and the try."""
    publish(f"""
  - {{key: first, {FAILS}, on_error: {{value: 1}}, save_as: kept}}
  - kind: try
    key: attempt
    steps: [{{key: bad, {FAILS}}}]
    on_error: [{{key: note, action: data.set, inputs: {{n: '{{{{ vars.kept }}}}'}}}}]
  - {{kind: wait, key: pause, duration: 1h}}
  - {{key: end, action: data.set, inputs: {{n: '{{{{ vars.kept }}}}', note: '{{{{ steps.note.output.n }}}}'}}}}
""")
    waiting = run()
    assert waiting.status == "waiting"
    later(3_700)
    settle(drain)
    assert output(waiting, "end") == {"n": 1, "note": 1}
    assert StepRun.objects.filter(path="attempt/bad").count() == 1


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("decision", "calls", "status", "got"),
    [("succeeded", 1, "succeeded", {"id": 7}), ("failed", 1, "failed", None), ("again", 2, "succeeded", {"n": 2})],
)
def test_an_attempt_in_doubt_waits_for_a_person(publish, run, drain, sink, owner, decision, calls, status, got):
    """The sink hears the call and does not answer in time: did it take effect?"""
    gate = threading.Event()
    sink.answer = lambda number, path: (number == 1 and gate.wait(60), (200, {"n": number}, {}))[1]
    publish(f"""
  - key: pay
    action: http.request
    inputs: {{method: POST, url: '{sink.url}/pay'}}
    timeout: 2
    at_most_once: true
    retry: {{attempts: 5, base: 0}}
  - {{key: end, action: data.set, inputs: {{got: '{{{{ steps.pay.output }}}}'}}}}
""")
    waiting = run()
    assert (waiting.status, states(waiting), len(sink.calls)) == ("waiting", {"pay": "waiting"}, 1)
    gate.set()
    wait = Wait.objects.get(kind="review")
    output_of = {"body": {"id": 7}} if decision == "succeeded" else None
    approvals.resolve_review(wait, by=owner, outcome=decision, output=output_of)
    settle(drain)
    waiting.refresh_from_db()
    assert (waiting.status, len(sink.calls)) == (status, calls)
    if got is not None:
        assert output(waiting, "end")["got"]["body"] == got


def test_what_was_clearly_refused_is_repeated_all_the_same(publish, run, drain, sink):
    sink.answer = lambda number, path: (503, {}, {}) if number == 1 else (200, {}, {})
    publish(
        f"  - {{key: pay, action: http.request, inputs: {{url: '{sink.url}/pay'}}, at_most_once: true,"
        " retry: {attempts: 2, base: 0}}"
    )
    assert run().status == "succeeded" and len(sink.calls) == 2


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_wait_holds_no_worker(publish, run, drain, later):
    publish("  - {kind: wait, key: pause, duration: 2h 30m}\n  - {key: end, action: data.set}")
    waiting = run()
    assert (waiting.status, states(waiting), OutboxJob.objects.get().status) == (
        "waiting", {"pause": "waiting"}, "completed",
    )  # fmt: skip
    later(1.4 * 3600)
    settle(drain)
    waiting.refresh_from_db()
    assert waiting.status == "waiting"
    later(1.2 * 3600)
    settle(drain)
    waiting.refresh_from_db()
    assert (waiting.status, states(waiting)) == ("succeeded", {"pause": "succeeded", "end": "succeeded"})


def test_a_wait_until_a_local_time(publish, run):
    publish("  - {kind: wait, key: pause, until: '{{ event.payload.at }}'}", head="timezone: Europe/Berlin")
    run({"at": "2031-07-01T08:30"})
    assert Wait.objects.get().due_at.isoformat() == "2031-07-01T06:30:00+00:00"
    assert run({"at": "2001-07-01T08:30:00Z"}).status == "succeeded"
    bad = run({"at": "soon"})
    assert (bad.status, bad.error["code"], bad.error["step"]) == ("failed", "invalid_time", "pause")


def test_waits_in_parallel_and_beside_work(publish, run, drain, later, sink):
    publish(f"""
  - kind: parallel
    key: all
    arms:
      - {{key: a, steps: [{{kind: wait, key: short, duration: 1m}}, {{key: after_short, action: data.set}}]}}
      - {{key: b, steps: [{{kind: wait, key: long, duration: 1h}}, {{key: after_long, action: data.set}}]}}
      - {{key: c, steps: [{{key: call, action: http.request, inputs: {{url: '{sink.url}/x'}}}}]}}
  - {{key: end, action: data.set}}
""")
    waiting = run()
    assert states(waiting) == {
        "all": "running", "all/short": "waiting", "all/long": "waiting", "all/call": "succeeded",
    }  # fmt: skip
    later(70)
    settle(drain)
    assert states(waiting)["all/after_short"] == "succeeded" and states(waiting)["all/long"] == "waiting"
    later(3_700)
    settle(drain)
    waiting.refresh_from_db()
    assert waiting.status == "succeeded" and len(sink.calls) == 1


def test_a_callback_that_does_not_come(publish, run, drain, later):
    publish("""
  - {key: link, action: data.set, inputs: {url: '{{ callbacks.answer }}'}}
  - kind: wait
    key: answer
    callback: true
    timeout: 1h
    on_timeout: [{key: give_up, action: data.set}]
  - {key: end, action: data.set, inputs: {how: '{{ steps.answer.output.outcome }}'}}
""")
    waiting = run()
    assert output(waiting, "link")["url"].startswith("http://127.0.0.1:8000/hooks/callback/")
    later(3_700)
    settle(drain)
    assert states(waiting)["answer/give_up"] == "succeeded" and output(waiting, "end") == {"how": "timeout"}
    assert Wait.objects.get().status == "expired"


@pytest.mark.parametrize(
    ("message", "said"), [("", "Stopped because no one answered in time."), ("Too late", "Too late")]
)
def test_a_stop_after_a_timeout_says_that_no_one_answered(publish, run, drain, later, message, said):
    publish(f"""
  - kind: wait
    key: answer
    callback: true
    timeout: 1h
    on_timeout: [{{kind: stop, key: end, outcome: failed, message: '{message}'}}]
""")
    waiting = run()
    later(3_700)
    settle(drain)
    waiting.refresh_from_db()
    assert waiting.error["message"] == said


def test_an_approval_asks_people_and_takes_their_route(publish, run, drain, owner, colleague):
    fraud = Group.objects.create(name="Fraud")
    publish("""
  - kind: approval
    key: ok
    name: Check the order
    assignees: ['{{ event.payload.who }}']
    groups: [Fraud]
    message: 'Order {{ event.payload.n }}'
    form: [{name: reason, kind: text, required: true}]
    remind_after: 1d
    timeout: 2d
    outcomes:
      - {key: approved, name: Approve, steps: [{key: ship, action: data.set, inputs: {by: '{{ steps.ok.output.by }}'}}]}
      - {key: rejected, name: Reject, steps: [{key: refuse, action: data.set}]}
  - {key: end, action: data.set, inputs: {how: '{{ steps.ok.output.outcome }}'}}
""")
    waiting = run({"who": "colleague", "n": 7})
    wait = Wait.objects.get()
    assert (waiting.status, wait.kind, wait.data["message"]) == ("waiting", "approval", "Order 7")
    assert {(each.user, each.group) for each in WaitAssignee.objects.all()} == {(colleague, None), (None, fraud)}
    assert (wait.due_at - wait.created_at).days == 2 and (wait.remind_at - wait.created_at).days == 1
    assert [each["key"] for each in wait.data["outcomes"]] == ["approved", "rejected"]


@pytest.mark.parametrize(("who", "said"), [("nobody", "an existing group: 'nobody'"), ("", "has no approvers")])
def test_an_approval_that_asks_nobody_fails(publish, run, who, said):
    publish("  - {kind: approval, key: ok, assignees: ['{{ event.payload.who }}'], timeout: 1d}")
    done = run({"who": who})
    assert (done.status, done.error["code"]) == ("failed", "nobody_to_ask") and said in done.error["message"]


def test_an_approval_whose_only_approver_left_waits(publish, run, drain, colleague, admin):
    publish(
        "  - {kind: approval, key: ok, assignees: [colleague, gone], excluded: ['{{ event.payload.by }}'], timeout: 1d}"
    )
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    waiting = run({"by": "somebody"})
    assert (waiting.status, waiting.error) == ("waiting", None)
    assert [each.user for each in WaitAssignee.objects.all()] == [colleague]
    assert list(undecidable_approvals(Wait.objects.all())) == [Wait.objects.get()]
    assert "waits until one is" in RunLog.objects.latest("id").message
    approvals.reassign_approval(Wait.objects.get(), by=admin, users=[admin])
    assert not undecidable_approvals(Wait.objects.all()).exists()
    assert run({"by": "colleague"}).error["code"] == "nobody_to_ask", "whom the step excludes is never asked"


def test_an_approver_who_left_is_left_out(publish, run, colleague):
    group = Group.objects.create(name="nowhere")
    publish("  - {kind: approval, key: ok, assignees: [gone, colleague], groups: [nowhere], timeout: 1d}")
    group.delete()
    assert run().status == "waiting"
    assert WaitAssignee.objects.get().user == colleague
    assert [
        line.message.partition(" does not")[0].partition(" is not")[0] for line in RunLog.objects.order_by("id")
    ] == [
        "The approver 'gone'",
        "The group 'nowhere'",
    ]
    assert {line.level for line in RunLog.objects.all()} == {"warning"}


# --- workflows that start workflows -----------------------------------------------------------------------------------

CALLS = """
  - {kind: workflow, key: call, workflow: inner, payload: {n: '{{ event.payload.n }}'}}
  - {key: end, action: data.set, inputs: {got: '{{ steps.call.output.output.double }}'}}
"""
INNER = "  - {key: sum, action: data.set, inputs: {double: '{{ event.payload.n + event.payload.n }}'}}"


def test_a_workflow_waits_for_another(publish, run):
    publish(INNER, slug="inner", triggers="[]")
    publish(CALLS)
    done = run({"n": 21})
    assert done.status == "succeeded", done.error
    assert output(done, "end") == {"got": 42}
    child = ExecutionRun.objects.get(parent=done)
    assert (child.parent_path, child.depth, child.trace_id) == ("call", 1, done.trace_id)


def test_fire_and_forget(publish, run):
    publish(INNER, slug="inner", triggers="[]")
    publish(CALLS.splitlines()[1].replace("payload", "wait: false, payload", 1))
    done = run({"n": 1})
    assert done.status == "succeeded" and ExecutionRun.objects.filter(workflow__slug="inner", parent=None).exists()


def test_only_workflows_that_one_may_run_are_called(publish, stranger):
    with pytest.raises(DefinitionError, match=r"steps\[0\].workflow: There is no workflow 'inner' that owner can run"):
        publish(CALLS)
    publish(INNER, slug="inner", triggers="[]")
    Workflow.objects.filter(slug="inner").update(owner=stranger)
    with pytest.raises(DefinitionError, match="can run"):
        publish(CALLS)


def test_a_workflow_that_is_archived(publish, run):
    publish(INNER, slug="inner", triggers="[]")
    publish(CALLS)
    Workflow.objects.filter(slug="inner").update(status="archived")
    done = run({"n": 1})
    assert (done.status, done.error["code"], done.error["step"]) == ("failed", "workflow_failed", "call")
    assert "not published" in done.error["message"]


def test_a_workflow_that_fails_fails_its_caller(publish, run):
    publish(f"  - {{key: bad, {FAILS}}}", slug="inner", triggers="[]")
    publish(CALLS)
    done = run({"n": 1})
    assert done.status == "failed" and "The source has no b" in done.error["message"]


@pytest.mark.extended
def test_calls_have_a_depth_limit(publish, run):
    publish(INNER, slug="w13", triggers="[]")
    for n in reversed(range(13)):
        publish(f"  - {{kind: workflow, key: call, workflow: w{n + 1}}}", slug=f"w{n}",
                triggers="[]" if n else "[{endpoint: github}]")  # fmt: skip
    done = run()
    assert done.status == "failed" and "more than 10 levels deep" in done.error["message"]
    assert ExecutionRun.objects.count() == 11


@pytest.mark.parametrize("wait", ["true", "false"])
def test_the_runs_that_follow_from_one_are_limited(publish, run, settings, wait):
    settings.AUTOMATE_RUN_CALLS = 7
    publish(INNER, slug="w3", triggers="[]")
    for n in reversed(range(3)):
        calls = f"{{kind: workflow, key: call, workflow: w{n + 1}, payload: {{n: 1}}, wait: {wait}}}"
        publish(f"  - {{kind: for_each, key: each, items: [1, 2, 3], steps: [{calls}]}}", slug=f"w{n}",
                triggers="[]" if n else "[{endpoint: github}]")  # fmt: skip
    run()
    failed = ExecutionRun.objects.filter(status="failed", error__code="too_many_runs")
    assert {each.error["message"].split(".")[0] for each in failed} == {
        "This run and the runs that it called have started 7 runs already"
    }
    followed = ExecutionRun.objects.exclude(workflow__slug="w0").count()
    assert 7 <= followed < 20, "about as many, by what begins at once; without the limit, 39"
    run()
    assert ExecutionRun.objects.exclude(workflow__slug="w0").count() >= followed + 7, "another run has its own count"


def test_workflows_that_call_each_other_in_circles_are_not_published(publish):
    publish(INNER, slug="c")
    publish("  - {kind: workflow, key: call, workflow: c}", slug="b")
    publish("  - {kind: workflow, key: call, workflow: b}", slug="a")
    with pytest.raises(DefinitionError, match=r"steps\[0\].workflow: a calls this workflow"):
        publish("  - {kind: workflow, key: call, workflow: a}", slug="c")


def test_the_end_of_a_run_starts_another(publish, run):
    publish("  - {kind: stop, key: end, outcome: '{x}'}".replace("{x}", "failed"))
    publish("  - {key: note, action: data.set, inputs: {of: '{{ event.payload.workflow }}'}}", slug="after",
            triggers="[{kind: run, workflow: flow, on: failed}]")  # fmt: skip
    run()
    done, after = (ExecutionRun.objects.get(workflow__slug=slug) for slug in ("flow", "after"))
    assert done.status == "failed" and output(after, "note") == {"of": "flow"}
    assert after.event.payload["error"]["code"] == "stopped" and after.event.source == "run:flow"
    assert Event.objects.count() == 2, "nobody listens to the end of that one"


def test_a_failed_run_writes_one_log_line(publish, run, caplog):
    publish("  - {kind: stop, key: no, outcome: failed, message: Secret words}")
    failed = run()
    [line] = [record for record in caplog.records if str(failed.pk) in record.getMessage()]
    assert line.levelname == "WARNING" and "of flow failed" in line.getMessage()
    assert "Secret words" not in caplog.text


def test_attempts_are_logged_once_each_and_without_payloads(publish, run, sink, caplog):
    sink.answer = lambda number, path: (503, {}, {"why": "words-of-the-service"})
    publish(
        f"  - {{key: pay, action: http.request, inputs: {{url: '{sink.url}/pay'}}, retry: {{attempts: 3, base: 0}}}}"
    )
    with caplog.at_level("INFO"):
        failed = run()
    said = [(each.levelname, each.getMessage()) for each in caplog.records if "of pay failed" in each.getMessage()]
    head = f"run {failed.pk}: attempt"
    assert said == [
        ("INFO", f"{head} 1 of pay failed: http_503; attempt 2 follows in 0 s"),
        ("INFO", f"{head} 2 of pay failed: http_503; attempt 3 follows in 0 s"),
        ("WARNING", f"{head} 3 of pay failed: http_503; no further attempt follows"),
    ]
    assert "words-of-the-service" not in caplog.text
