"""The main job: a signed webhook becomes a finished run."""

from __future__ import annotations

import pytest

from automate_core.models import Event, ExecutionRun, OutboxJob, RunLog, StepRun

pytestmark = pytest.mark.django_db(transaction=True)

TRIAGE = """
name: Triage
slug: triage
triggers:
  - endpoint: github
    event: issues
    filter: {'==': [{var: event.payload.action}, opened]}
steps:
  - key: title
    action: data.set
    inputs: {title: '{{ event.payload.issue.title }}', number: '{{ event.payload.issue.number }}'}
  - kind: branch
    key: route
    arms:
      - key: bug
        when: {'contains': [{var: steps.title.output.title}, bug]}
        steps: [{key: incident, action: data.log, inputs: {message: 'Incident {{ steps.title.output.number }}'}}]
    otherwise: [{key: note, action: data.set, inputs: {noted: true}}]
  - key: done
    action: data.set
    inputs: {route: '{{ steps.route.output.route }}', issue: '{{ event.payload.issue }}'}
"""
OPENED = {"action": "opened", "issue": {"title": "a bug", "number": 7}}


def test_a_delivery_becomes_a_finished_run(workflow, deliver, drain):
    triage = workflow(TRIAGE)
    answer = deliver(OPENED)

    assert answer.status_code == 202
    event = Event.objects.get(pk=answer.json()["event_id"])
    assert (event.source, event.type, event.trace_id) == ("webhook:github", "issues", answer.json()["trace_id"])
    assert OutboxJob.objects.get().status == OutboxJob.Status.READY

    drain()

    run = ExecutionRun.objects.get()
    assert (run.status, run.workflow, run.version, run.trace_id) == (
        "succeeded",
        triage,
        triage.published,
        event.trace_id,
    )
    assert OutboxJob.objects.get().status == OutboxJob.Status.COMPLETED
    steps = {step.path: step for step in StepRun.objects.all()}
    assert set(steps) == {"title", "route", "route/incident", "done"}
    assert {step.status for step in steps.values()} == {"succeeded"}
    assert steps["title"].output == {"title": "a bug", "number": 7}
    assert steps["done"].output == {"route": "bug", "issue": {"title": "a bug", "number": 7}}
    assert RunLog.objects.get().message == "Incident 7"


def test_otherwise_is_taken_when_no_route_matches(workflow, deliver, drain):
    workflow(TRIAGE)
    deliver({"action": "opened", "issue": {"title": "a wish", "number": 8}})
    drain()
    assert StepRun.objects.get(path="route").output == {"route": "otherwise"}
    assert StepRun.objects.get(path="route/note").output == {"noted": True}


def test_an_event_that_matches_nothing_makes_no_run(workflow, deliver, drain):
    workflow(TRIAGE)
    deliver({"action": "closed"})
    deliver({"zen": "Keep it logically awesome."}, event="ping")
    drain()
    assert ExecutionRun.objects.count() == 0
    assert set(OutboxJob.objects.values_list("status", flat=True)) == {"completed"}


def test_an_event_starts_each_workflow_it_matches_once(workflow, deliver, drain):
    workflow(TRIAGE)
    workflow(TRIAGE.replace("slug: triage", "slug: second").replace("name: Triage", "name: Second"))
    twice = TRIAGE.replace("slug: triage", "slug: third").replace(
        "triggers:", "triggers:\n  - {key: more, endpoint: github}"
    )
    workflow(twice)
    deliver(OPENED)
    drain()
    runs = ExecutionRun.objects.all()
    assert sorted(run.workflow.slug for run in runs) == ["second", "third", "triage"]
    assert {run.status for run in runs} == {"succeeded"}


def test_unpublished_edits_do_not_run(workflow, deliver, drain):
    workflow(TRIAGE)
    workflow(TRIAGE.replace("a bug", "nothing").replace("noted: true", "noted: false"), publish=False)
    deliver({"action": "opened", "issue": {"title": "a wish", "number": 8}})
    drain()
    assert StepRun.objects.get(path="route/note").output == {"noted": True}


def test_a_missing_name_fails_the_step_and_says_what_is_there(workflow, deliver, drain):
    workflow(TRIAGE)
    deliver({"action": "opened", "issue": {"titel": "a bug", "number": 7}})
    drain()
    run, step = ExecutionRun.objects.get(), StepRun.objects.get()
    assert (run.status, run.error["step"], step.status) == ("failed", "title", "failed")
    assert step.error["code"] == "template_error"
    assert "event.payload.issue.title does not exist. Did you mean 'titel'?" in step.error["message"]


def test_stop_ends_the_run_with_its_message(workflow, deliver, drain):
    workflow("""
name: Stop
slug: stop
triggers: [{endpoint: github}]
steps:
  - {kind: stop, key: enough, outcome: failed, message: 'Enough of {{ event.type }}'}
  - {key: never, action: data.set}
""")
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    assert (run.status, run.error["message"], run.error["step"]) == ("failed", "Enough of issues", "enough")
    assert not StepRun.objects.filter(path="never").exists()


def test_a_run_in_progress_keeps_its_version(workflow, deliver, drain, owner):
    """What was matched runs as it was matched, whatever is published before a worker comes to it."""
    text = """
name: Two
slug: two
triggers: [{endpoint: github}]
steps: [{key: only, action: data.set, inputs: {version: 1}}]
"""
    workflow(text)
    deliver()
    drain()
    workflow(text.replace("version: 1", "version: 2"))
    deliver()
    drain()
    assert [step.output["version"] for step in StepRun.objects.order_by("id")] == [1, 2]
    assert [run.version.number for run in ExecutionRun.objects.order_by("id")] == [1, 2]
