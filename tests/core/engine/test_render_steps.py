"""Steps whose inputs a render worker evaluates: by the front door, beside everything else that a worker does."""

from __future__ import annotations

import json
import threading

import pytest

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.registry import connectors
from automate_core.engine.outcomes import EffectOutcome
from automate_core.expressions.templating import pool
from automate_core.models import ExecutionRun, RunLog, StepRun, Wait
from automate_core.runs import control
from tests.support.processes import wait_for
from tests.support.walks import Slow, fatal, output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

ENDLESS = (
    "{% for a in range(1000) %}{% for b in range(100) %}{{ range(1000) | list | sort | first }}{% endfor %}{% endfor %}"
)


@pytest.mark.extended
def test_every_kind_of_step_takes_what_a_worker_evaluates(publish, run, later, drain, owner):
    publish("""
  - {key: sum, action: data.set, inputs: {n: '{{ event.payload.number + 1 }}', t: '{{ 1 + 1 }}!'}, save_as: kept}
  - kind: for_each
    key: loop
    items: '{{ event.payload.rows | select("open") }}'
    steps: [{key: each, action: data.set, inputs: {v: '{{ item.n * 10 + index }}'}}]
  - kind: for_each
    key: all
    concurrency: 5
    items: '{{ range(8) }}'
    steps: [{key: one, action: data.set, inputs: {v: '{{ item * item }}'}}]
  - {kind: wait, key: nap, duration: '{{ 60 * 60 }}'}
  - key: fails
    action: data.set
    inputs: {x: '{{ event.payload.nothing + 1 }}'}
    on_error: {value: {code: '{{ error.code }}', n: '{{ 20 + 1 }}'}}
  - {kind: approval, key: ask, assignees: ['{{ "own" ~ "er" }}'], message: '{{ 2 * 3 }} apples?', timeout: '{{ 24 * 60 }}m',
     on_timeout: [{key: late, action: data.set, inputs: {n: '{{ vars.kept.n + 1 }}'}}]}
  - {kind: stop, key: end, outcome: succeeded, message: '{{ 40 + 2 }} of {{ steps.loop.output | length }}'}
""")
    done = run({"number": 7, "rows": [{"n": 1, "open": True}, {"n": 2}, {"n": 3, "open": True}]})
    assert output(done, "sum") == {"n": 8, "t": "2!"}
    assert output(done, "loop") == [{"v": 10}, {"v": 31}]
    assert output(done, "all") == [{"v": n * n} for n in range(8)]
    assert (
        3_500
        < (Wait.objects.get(path="nap").due_at - StepRun.objects.get(path="nap").started_at).total_seconds()
        < 3_700
    )
    later(3_601)
    settle(drain)
    assert StepRun.objects.get(path="fails").output == {"code": "template_error", "n": 21}
    wait = Wait.objects.get(path="ask")
    assert wait.data["message"] == "6 apples?"
    later(86_400)
    settle(drain)
    done.refresh_from_db()
    assert StepRun.objects.get(path="ask/late").output == {"n": 9}
    assert done.status == "succeeded"
    assert StepRun.objects.get(path="end").output == {"message": "42 of 2"}


def test_another_workflow_is_called_with_what_a_worker_evaluated(workflow, publish, run):
    workflow(
        "name: Inner\nslug: inner\ntriggers: []\nsteps: [{key: got, action: data.set, inputs: {n: '{{ event.payload.n }}'}}]"
    )
    publish(
        "  - {kind: workflow, key: call, workflow: inner, wait: true, payload: {n: '{{ event.payload.number * 2 }}'}}"
    )
    done = run({"number": 21})
    assert done.status == "succeeded", done.error
    assert StepRun.objects.get(path="got").output == {"n": 42}


def test_an_error_is_the_steps_with_line_and_nearest_names(publish, run):
    publish("""
  - {key: a, action: data.set, inputs: {text: "Hello\\n{{ event.payload.nam }} {{ 1 + 1 }}"}}
""")
    done = run({"name": "Ada"})
    assert (done.status, done.error["code"], done.error["step"]) == ("failed", "template_error", "a")
    assert done.error["message"] == "Line 2: event.payload.nam does not exist. Did you mean 'name'?"


def test_what_takes_too_long_fails_its_step_alone(publish, run):
    publish(f"""
  - key: long
    action: data.set
    inputs: {{x: '{ENDLESS}'}}
    on_error: {{value: late}}
  - {{key: after, action: data.set, inputs: {{n: '{{{{ 1 + 1 }}}}'}}}}
""")
    done = run()
    assert done.status == "succeeded"
    assert StepRun.objects.get(path="long").error["message"] == "The expression takes longer than 1 s."
    assert output(done, "after") == {"n": 2}


@pytest.mark.extended
def test_the_worker_goes_on_with_others_meanwhile(workflow, publish, deliver, working, monkeypatch):
    """Two runs hold both render workers; others, whose inputs are look-ups, end before them."""
    held, real = threading.Event(), pool.RenderProcess.render

    def render(worker, *args):
        assert held.wait(180)
        return real(worker, *args)

    monkeypatch.setattr(pool.RenderProcess, "render", render)
    publish(f"  - {{key: long, action: data.set, inputs: {{x: '{ENDLESS}'}}}}", slug="slow")
    working(concurrency=10)
    deliver({"number": 0})
    deliver({"number": 0})
    wait_for(lambda: ExecutionRun.objects.filter(status="running").count() == 2)
    workflow(
        "name: Quick\nslug: quick\ntriggers: [{endpoint: github, event: push}]\n"
        "steps: [{key: a, action: data.set, inputs: {n: '{{ event.payload.number }}'}}]"
    )
    for number in range(5):
        deliver({"number": number}, event="push")
    wait_for(
        lambda: ExecutionRun.objects.filter(workflow__slug="quick", status="succeeded").count() == 5,
        every=0.01,
    )
    assert set(ExecutionRun.objects.filter(workflow__slug="slow").values_list("status", flat=True)) == {"running"}
    held.set()
    wait_for(lambda: ExecutionRun.objects.filter(workflow__slug="slow", status="failed").count() == 2)


@pytest.mark.extended
def test_no_render_worker_is_an_error_that_is_tried_again(publish, run, later, drain, monkeypatch):
    own = pool.RenderPool()
    monkeypatch.setattr(pool, "POOL", own)
    real = pool._BOOT
    monkeypatch.setattr(pool, "_BOOT", "raise SystemExit(1)")
    publish("  - {key: a, action: data.set, inputs: {n: '{{ 1 + 1 }}'}, retry: {attempts: 2, base: 60}}")
    done = run()
    step = StepRun.objects.get(path="a")
    assert (done.status, step.error["code"], step.error["retryable"]) == ("waiting", "render_unavailable", True)
    monkeypatch.setattr(pool, "_BOOT", real)
    later(3_600)
    settle(drain)
    done.refresh_from_db()
    assert done.status == "succeeded" and StepRun.objects.filter(path="a").count() == 2
    own.close()


# --- in slow motion ---------------------------------------------------------------------------------------------------

HEAD = "name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\nsteps:\n"


def test_a_crash_while_rendering_asks_nobody_of_an_attempt_that_never_was(workflow, deliver):
    workflow(
        HEAD
        + "  - {key: pay, action: http.request, at_most_once: true, inputs: {url: 'http://x.invalid/{{ 1 + 1 }}'}}\n"
    )
    deliver()
    slow = Slow()
    slow.begin()
    assert slow.paths() == ["pay"]
    assert not StepRun.objects.exists(), "nothing is recorded of what is only being evaluated"
    slow.crash()
    slow.perform()
    assert slow.paths() == ["pay"] and slow.calls[0].effect.params == {"url": "http://x.invalid/2"}
    step = StepRun.objects.get()
    assert (step.status, step.attempt, step.input) == ("running", 1, {"url": "http://x.invalid/2"})


def test_a_crash_while_a_waits_time_is_evaluated_loses_no_wait(workflow, deliver):
    workflow(
        HEAD + "  - {kind: wait, key: nap, duration: '{{ 10 * 60 }}'}\n  - {key: a, action: data.set, inputs: {}}\n"
    )
    deliver()
    slow = Slow()
    slow.begin()
    slow.crash()
    slow.perform()
    assert Wait.objects.get(path="nap").kind == "timer"
    assert ExecutionRun.objects.get().status == "waiting"


def test_a_run_that_is_cancelled_meanwhile_records_no_step(workflow, deliver, owner):
    workflow(HEAD + "  - {key: pay, action: http.request, inputs: {url: 'http://x.invalid/{{ 1 + 1 }}'}}\n")
    deliver()
    slow = Slow()
    slow.begin()
    control.cancel(ExecutionRun.objects.get(), by=owner)
    slow.engine.poll_external_changes()
    slow.answer("pay", output=b'{"url": "http://x.invalid/2"}')
    assert ExecutionRun.objects.get().status == "cancelled"
    assert not StepRun.objects.exclude(status="cancelled").exists()
    assert slow.calls == []


def test_a_sibling_that_failed_meanwhile_withdraws_it(workflow, deliver):
    workflow(
        HEAD
        + """
  - kind: parallel
    key: all
    arms:
      - {key: one, steps: [{key: pay, action: http.request, inputs: {url: 'http://x.invalid/{{ 1 + 1 }}'}}]}
      - {key: two, steps: [{key: bad, action: http.request, inputs: {url: 'http://x.invalid/bad'}}]}
"""
    )
    deliver()
    slow = Slow()
    slow.begin()
    [call] = [c for c in slow.calls if c.effect.step.path == "all/pay"]
    slow.answer("all/bad", error=fatal())
    slow.calls.remove(call)
    slow.engine.deliver_results([(call, EffectOutcome(output=json.dumps({"url": "http://x.invalid/2"}).encode()))])
    slow.go_on()
    assert slow.calls == [], "it does not start"
    assert states(ExecutionRun.objects.get())["all/pay"] == "cancelled"
    assert ExecutionRun.objects.get().status == "failed"


# --- saving -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "{{ ''.__class__.mro() }}": "Only the functions first, now, range and the text methods",
    "{{ 'x' | attr('y') }}": "There is no filter 'attr'",
    "{% include 'x' %}": "include is not allowed here",
    "{{ event.payload | truncat(3) }}": "Did you mean 'truncate'?",
    "{{ event.payload | truncate(size=3) }}": "unexpected keyword argument 'size'",
    "a\n{{ b c }}": "Line 2",
    "{% for loop in event.payload %}{% endfor %}": "loop",
    "{{ 1" + "1" * 5_000 + " }}": "Invalid expression",
}


@pytest.mark.parametrize("source", REFUSED, ids=range(len(REFUSED)))
def test_saving_refuses_what_rendering_would(owner, endpoint, source):
    text = f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps: [{{key: a, action: data.set, inputs: {{x: {json.dumps(source)}}}}}]"
    with pytest.raises(Exception, match=r"inputs\.x") as caught:
        workflows.publish(workflows.save_definition(yaml_files.read_workflow(text), owner=owner), author=owner)
    assert REFUSED[source] in str(caught.value)


def test_a_limits_key_is_only_what_can_be_had_at_once(owner, endpoint):
    text = "name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\nconcurrency: {limit: 1, key: '%s'}\nsteps: [{key: a, action: data.set, inputs: {}}]"
    with pytest.raises(Exception, match=r"concurrency\.key: This is evaluated before the run starts"):
        workflows.publish(
            workflows.save_definition(yaml_files.read_workflow(text % "{{ 1 + 1 }}"), owner=owner), author=owner
        )
    workflows.publish(
        workflows.save_definition(yaml_files.read_workflow(text % "{{ event.type | upper }}"), owner=owner),
        author=owner,
    )


def test_a_workflow_holds_so_many_expressions(owner, endpoint):
    steps = ", ".join(
        f"{{key: s{n}, action: data.set, inputs: {{x: '{{{{ event.type }}}}{'y' * 19_000}'}}}}" for n in range(11)
    )
    text = f"name: Flow\nslug: flow\ntriggers: [{{endpoint: github}}]\nsteps: [{steps}]"
    with pytest.raises(
        Exception, match="expressions of a workflow can have at most 200,000 characters in total, not 209,1"
    ):
        workflows.publish(workflows.save_definition(yaml_files.read_workflow(text), owner=owner), author=owner)


def test_half_a_character_is_no_input(publish, run):
    publish(
        """  - {key: a, action: data.set, inputs: {x: "{{ '\\\\ud800' }}"}}\n  - {key: b, action: data.set, inputs: {}}"""
    )
    done = run()
    assert done.status == "failed" and done.error["code"] in ("invalid_output", "template_error")


def test_a_hostile_payload_is_never_a_template(publish, run):
    publish("""
  - {key: a, action: data.set, inputs: {x: '{{ event.payload.text }}', y: 'Hi {{ event.payload.text }} {{ 1 + 1 }}'}}
  - {key: b, action: data.set, inputs: {x: '{{ steps.a.output.y }}'}}
""")
    text = "{{ 7 * 7 }}{% for a in b %}{{ ''.__class__ }}"
    done = run({"text": text})
    assert output(done, "b") == {"x": f"Hi {text} 2"}


def test_inputs_that_are_evaluated_hold_no_secret(publish, run, caplog):
    """Nothing of what goes to a render worker is logged."""
    publish("  - {key: a, action: data.set, inputs: {x: '{{ event.payload.text ~ 1 }}'}}")
    run({"text": "canary-of-the-payload"})
    assert "canary-of-the-payload" not in caplog.text
    assert not RunLog.objects.exists()


def test_effects_go_on_in_their_own_threads(publish, deliver, working, monkeypatch):
    """Rendering takes an effect's thread for a moment; none of it is the database's."""
    threads = set()
    real = pool.render
    monkeypatch.setattr(pool, "render", lambda *parts: threads.add(threading.current_thread().name) or real(*parts))
    monkeypatch.setattr(type(connectors.get("http")), "execute", lambda self, action, params, context: params)
    publish("  - {key: a, action: http.request, inputs: {url: 'http://x.invalid/{{ 1 + 1 }}'}}")
    working(concurrency=3)
    deliver()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").exists())
    assert threads and all(name.startswith("automate-effect-") for name in threads)
