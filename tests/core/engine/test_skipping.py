"""Steps that wait are tried now, or passed over: what later steps see, what is refused, and what stands afterwards."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from guardian.shortcuts import assign_perm

from automate_core.models import ExecutionRun, StepRun, Wait
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_core.webhooks.callback_urls import callback_url
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from tests.support.processes import wait_for
from tests.support.walks import output, settle, states

pytestmark = pytest.mark.django_db(transaction=True)

WAITING = """
  - kind: parallel
    key: all
    arms:
      - key: one
        steps:
          - {{key: call, action: http.request, inputs: {{method: POST, url: '{url}/call'}}, retry: {{attempts: 3, base: 900}}}}
          - {{key: seen, action: data.set, inputs: {{what: '{{{{ steps.call.output }}}}'}}}}
      - {{key: two, steps: [{{kind: wait, key: nap, duration: 1d}}]}}
      - key: three
        steps:
          - {{kind: wait, key: answer, callback: true, timeout: 1d}}
          - {{key: heard, action: data.set, inputs: {{what: '{{{{ steps.answer.output.who }}}}'}}}}
      - {{key: four, steps: [{{kind: workflow, key: other, workflow: other, payload: {{}}}}]}}
  - {{kind: approval, key: ask, assignees: [owner], timeout: 1d}}
  - {{key: late, action: http.request, inputs: {{method: POST, url: '{url}/late'}}}}
"""


def _wait(run, path):
    return Wait.objects.get(run=run, path=path, status="open")


@pytest.mark.extended
def test_what_waits_is_passed_over_and_stays_so(publish, run, workflow, drain, sink, owner):
    workflow("{name: Other, slug: other, steps: [{kind: wait, key: long, duration: 1d}]}")
    publish(WAITING.format(url=sink.url))
    sink.answer = lambda number, path: (503, {"error": "busy"}, {}) if number == 1 else (400, {}, {})
    made = run()
    approvals.skip_step(_wait(made, "all/call"), by=owner, output={"id": 2**63 - 1}, reason="done by hand")
    approvals.skip_step(_wait(made, "all/answer"), by=owner, output={"who": "nobody"})
    settle(drain)
    assert states(made)["all/call"] == "skipped" and StepRun.objects.filter(run=made, path="all/call").count() == 2
    assert output(made, "all/seen") == {"what": {"id": 2**63 - 1}}
    assert output(made, "all/heard") == {"what": "nobody"}
    address = urlsplit(callback_url(made.pk, "all/answer")).path
    assert Client().post(address, "{}", content_type="application/json").status_code == 410
    child = made.children.get()
    for path in ("all/nap", "all/other"):
        approvals.skip_step(_wait(made, path), by=owner)
    settle(drain)
    child.refresh_from_db()
    assert child.status == "waiting", "a run that nobody waits for any more goes on"
    with pytest.raises(approvals.NotOpenError, match="An approval cannot be skipped"):
        approvals.skip_step(_wait(made, "ask"), by=owner)
    approvals.decide_approval(_wait(made, "ask"), by=owner, outcome="approved")
    settle(drain)
    made.refresh_from_db()
    assert (made.status, len(sink.calls)) == ("failed", 2), "called once by each step, and the second was refused"
    entry = AuditEntry.objects.filter(verb="step.skipped").order_by("id").first()
    assert (entry.actor, entry.changes) == ("owner", {"step": "all/call", "reason": "done by hand"})

    again = control.rerun(made, by=owner, start="failed")
    sink.answer = lambda number, path: (200, {"ok": True}, {})
    settle(drain)
    again.refresh_from_db()
    assert again.status == "succeeded" and [path for path, *_ in sink.calls] == ["/call", "/late", "/late"]
    assert {path: state for path, state in states(again).items() if state == "skipped"}.keys() == {
        "all/call", "all/nap", "all/answer", "all/other",
    }, "what was passed over is not done by a re-run from a later step"  # fmt: skip


def test_the_next_try_is_made_now_by_who_may_run(publish, run, drain, sink, owner, colleague):
    sink.answer = lambda number, path: (503, {"error": "busy"}, {}) if number == 1 else (200, {"ok": True}, {})
    publish(
        f"  - {{key: call, action: http.request, inputs: {{method: POST, url: '{sink.url}/x'}}, retry: {{attempts: 3, base: 900}}}}"
    )
    made = run()
    wait = _wait(made, "call")
    assign_perm("view_workflow", colleague, made.workflow)
    for act in (approvals.retry_step_now, approvals.skip_step):
        with pytest.raises(NotPermittedError):
            act(wait, by=colleague)
    approvals.retry_step_now(wait, by=owner)
    settle(drain)
    made.refresh_from_db()
    assert (made.status, len(sink.calls)) == ("succeeded", 2)
    for act in (approvals.retry_step_now, approvals.skip_step):
        with pytest.raises(approvals.NotOpenError, match="Already resolved by owner: tried now"):
            act(wait, by=owner)
    assert AuditEntry.objects.get(verb="step.tried_now").changes == {"step": "call"}


def test_a_worker_that_holds_the_run_hears_of_it(publish, deliver, working, sink, owner):
    """One track goes on outside while the other's retry is passed over: the walk is in the worker's memory."""
    gate = threading.Event()
    sink.answer = lambda number, path: (
        (gate.wait(120), (200, {}, {}))[1] if path == "/slow" else (503, {"error": "busy"}, {})
    )
    publish(f"""
  - kind: parallel
    key: all
    arms:
      - {{key: one, steps: [{{key: slow, action: http.request, inputs: {{method: POST, url: '{sink.url}/slow'}}}}]}}
      - key: two
        steps:
          - {{key: call, action: http.request, inputs: {{method: POST, url: '{sink.url}/x'}}, retry: {{attempts: 3, base: 900}}}}
          - {{key: seen, action: data.set, inputs: {{what: '{{{{ steps.call.output }}}}'}}}}
""")
    deliver()
    working()
    wait = wait_for(lambda: Wait.objects.filter(path="all/call", status="open").first())
    approvals.skip_step(wait, by=owner, output="by hand")
    wait_for(lambda: StepRun.objects.filter(path="all/seen", output={"what": "by hand"}).first())
    gate.set()
    wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").first())


def test_an_attempt_in_doubt_and_a_broken_connection_are_passed_over(workflow, drain, owner, colleague, capsys, admin):
    made = workflow("{name: A, slug: a, steps: [{key: pay, action: data.set}]}")
    run = ExecutionRun.objects.create(workflow=made, version=made.published, status="waiting", trace_id="1" * 32)
    StepRun.objects.create(run=run, path="pay", status="waiting", idempotency_key="k", started_at="2026-01-01T00:00Z")
    Wait.objects.create(run=run, path="pay", kind="review")
    with pytest.raises(CommandError, match="Choose the step"):
        call_command("automate_runs", "skip", str(run.pk))
    with pytest.raises(CommandError, match="not valid JSON"):
        call_command("automate_runs", "skip", str(run.pk), step="pay", output="{")
    with pytest.raises(CommandError, match="1 refused"):
        call_command("automate_runs", "retry", str(run.pk), step="pay")
    assert capsys.readouterr().out == "0 retried now\n"
    call_command("automate_runs", "skip", str(run.pk), step="pay", output='{"id": 7}', reason="paid by hand")
    assert capsys.readouterr().out == "1 skipped\n"
    settle(drain)
    run.refresh_from_db()
    step = StepRun.objects.get(run=run)
    assert (run.status, step.status, step.output) == ("succeeded", "skipped", {"id": 7})
