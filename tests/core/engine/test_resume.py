"""A walk that is made anew goes the same way: after waits, and after crashes at awkward moments."""

from __future__ import annotations

import json
import threading

import pytest

from automate_core.models import ExecutionRun, StepRun, Wait
from automate_governance.redaction.redactor import Redactor
from tests.support.walks import Slow, fatal, output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = "name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\nsteps:\n"


def test_a_crash_while_a_parallel_winds_down_skips_an_approval(workflow, deliver, owner):
    workflow(
        HEAD
        + """
  - kind: parallel
    key: all
    arms:
      - {key: one, steps: [{key: slow, action: http.request, inputs: {url: 'http://x.invalid/slow'}}]}
      - key: two
        steps:
          - {kind: approval, key: ask, assignees: [owner], timeout: 1d}
          - {key: pay, action: http.request, inputs: {url: 'http://x.invalid/pay'}}
      - {key: three, steps: [{key: bad, action: http.request, inputs: {url: 'http://x.invalid/bad'}}]}
"""
    )
    deliver()
    slow = Slow()
    slow.begin()
    assert set(slow.paths()) == {"all/slow", "all/ask", "all/bad"}
    slow.answer("all/ask", json.dumps({"users": [owner.pk], "groups": []}).encode())
    slow.answer("all/bad", error=fatal())
    assert StepRun.objects.get(path="all/ask").status == "cancelled"
    slow.crash()
    assert "all/pay" not in slow.paths()


def test_a_crash_while_a_parallel_winds_down_passes_a_cancelled_wait(workflow, deliver):
    workflow(
        HEAD
        + """
  - kind: parallel
    key: all
    arms:
      - {key: one, steps: [{key: slow, action: http.request, inputs: {url: 'http://x.invalid/slow'}}]}
      - key: two
        steps:
          - {kind: wait, key: nap, duration: 1d}
          - {key: pay, action: http.request, inputs: {url: 'http://x.invalid/pay'}}
      - {key: three, steps: [{key: bad, action: http.request, inputs: {url: 'http://x.invalid/bad'}}]}
"""
    )
    deliver()
    slow = Slow()
    slow.begin()
    slow.answer("all/bad", error=fatal())
    assert StepRun.objects.get(path="all/nap").status == "cancelled"
    slow.crash()
    assert "all/pay" not in slow.paths()


def test_error_in_scope_is_the_same_after_a_resume(publish, run, later, drain, sink):
    sink.answer = lambda number, path: (400, {}, {})
    publish(f"""
  - kind: try
    key: t
    steps:
      - kind: branch
        key: b
        arms: [{{key: one, when: true, steps: [{{key: bad, action: http.request, inputs: {{url: '{sink.url}/x'}}}}]}}]
    on_error:
      - {{key: first, action: data.set, inputs: {{code: '{{{{ error.code }}}}', message: '{{{{ error.message }}}}'}}}}
      - {{kind: wait, key: nap, duration: 1h}}
      - {{key: second, action: data.set, inputs: {{code: '{{{{ error.code }}}}', message: '{{{{ error.message }}}}'}}}}
""")
    done = run()
    later(3600)
    settle(drain)
    assert output(done, "t/first") == output(done, "t/second")


def test_collected_errors_are_the_same_after_a_resume(publish, run, later, drain, sink):
    sink.answer = lambda number, path: (400, {}, {})
    publish(f"""
  - kind: for_each
    key: each
    items: [0, 1]
    on_item_error: collect
    steps:
      - {{kind: wait, key: nap, duration: 1h}}
      - kind: branch
        key: b
        arms: [{{key: one, when: true, steps: [{{key: bad, action: http.request, inputs: {{url: '{sink.url}/x'}}}}]}}]
""")
    done = run()
    later(3600)
    settle(drain)
    later(3600)
    settle(drain)
    assert {each["error"]["code"] for each in output(done, "each")} == {"http_400"}


@pytest.mark.extended
def test_a_default_value_is_the_same_after_a_resume(publish, run, later, drain, sink):
    sink.answer = lambda number, path: (400, {}, {})
    publish(f"""
  - key: bad
    action: http.request
    inputs: {{url: '{sink.url}/x'}}
    on_error: {{value: '{{{{ now() | string }}}}'}}
  - {{key: first, action: data.set, inputs: {{at: '{{{{ steps.bad.output }}}}'}}}}
  - {{kind: wait, key: nap, duration: 1h}}
  - {{key: second, action: data.set, inputs: {{at: '{{{{ steps.bad.output }}}}'}}}}
""")
    import time

    done = run()
    time.sleep(1.2)
    later(3600)
    settle(drain)
    assert output(done, "first") == output(done, "second")


def test_items_are_the_same_after_a_resume(publish, run, later, drain, monkeypatch):
    known = Redactor()
    known.learn("hunter2hunter2")
    monkeypatch.setattr("automate_core.engine.version_secrets.Redactor", lambda: known)
    publish("""
  - kind: for_each
    key: each
    items: '{{ event.payload.list }}'
    steps:
      - {key: note, action: data.set, inputs: {n: '{{ item | length }}'}}
      - {kind: wait, key: nap, duration: 1h}
""")
    done = run({"list": ["hunter2hunter2", "hunter2hunter2"]})
    later(3600)
    settle(drain)
    assert output(done, "each[0]/note") == output(done, "each[1]/note")


@pytest.mark.extended
def test_a_review_is_asked_for_after_a_retry(publish, run, later, drain, sink):
    gate = threading.Event()
    sink.answer = lambda number, path: (503, {}, {}) if number == 1 else (gate.wait(60), (200, {}, {}))[1]
    publish(f"""
  - key: pay
    action: http.request
    inputs: {{method: POST, url: '{sink.url}/pay'}}
    timeout: 3
    at_most_once: true
    retry: {{attempts: 3, base: 0}}
""")
    done = run()
    gate.set()
    done.refresh_from_db()
    assert (done.status, done.error) == ("waiting", None)
    wait = Wait.objects.get(status="open")
    assert (wait.kind, wait.data["error"]["code"]) == ("review", "timeout")


def test_a_review_beside_a_failure_is_withdrawn_after_a_resume(publish, run, later, drain, sink):
    gate = threading.Event()
    sink.answer = lambda number, path: (gate.wait(60), (200, {}, {}))[1]
    publish(f"""
  - kind: parallel
    key: all
    arms:
      - key: one
        steps:
          - {{key: pay, action: http.request, inputs: {{url: '{sink.url}/pay'}}, timeout: 1, at_most_once: true}}
      - key: two
        steps:
          - {{kind: wait, key: nap, duration: 1h}}
          - {{kind: stop, key: stop, outcome: failed}}
""")
    done = run()
    gate.set()
    assert states(done)["all/pay"] == "waiting"
    later(3600)
    settle(drain)
    done.refresh_from_db()
    assert done.status == "failed"
    assert "waiting" not in states(done).values(), states(done)
    assert not Wait.objects.filter(status="open").exists()


def test_what_a_withdrawn_arm_just_opened_is_closed(publish, run):
    publish("""
  - kind: try
    key: t
    steps:
      - kind: parallel
        key: all
        arms:
          - {key: one, steps: [{kind: wait, key: hook, callback: true, timeout: 1d}]}
          - {key: three, steps: [{key: bad, action: data.pick, inputs: {source: '{{ 1 }}', fields: [a]}}]}
    on_error: [{kind: wait, key: nap, duration: 1h}]
""")
    done = run()
    assert done.status == "waiting"
    assert states(done)["t/all/hook"] == "cancelled"
    assert list(Wait.objects.filter(status="open").values_list("path", flat=True)) == ["t/nap"]


def test_a_loop_whose_outputs_are_large_fails_in_words(publish, run):
    publish("""
  - kind: try
    key: t
    steps:
      - kind: for_each
        key: each
        items: '{{ range(12) | list }}'
        steps: [{key: note, action: data.set, inputs: {n: '{{ event.payload.big }}'}}]
    on_error: [{key: caught, action: data.set, inputs: {code: '{{ error.code }}'}}]
""")
    done = run({"big": "x" * 500_000})
    assert "running" not in states(done).values(), (done.error, states(done))
    assert done.status == "succeeded", done.error


def test_withdrawn_child_is_not_left_alone(publish, run, workflow, later, drain):
    publish("  - {kind: wait, key: nap, duration: 1d}", slug="other", triggers="[]")
    publish("""
  - kind: parallel
    key: all
    arms:
      - {key: one, steps: [{kind: workflow, key: child, workflow: other}]}
      - {key: two, steps: [{kind: wait, key: nap, duration: 1h}, {kind: stop, key: stop, outcome: failed}]}
""")
    done = run()
    Wait.objects.filter(run=done, kind="timer").update(due_at="2020-01-01T00:00Z")
    settle(drain)
    done.refresh_from_db()
    assert done.status == "failed"
    assert ExecutionRun.objects.get(parent=done).status == "cancelled"
