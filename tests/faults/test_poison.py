"""Work that no worker survives, and work that nobody can do: it ends, says why, and harms no neighbour."""

from __future__ import annotations

import pytest
from django.db import connection

from automate_connectors.registry import connectors
from automate_core.models import ExecutionRun, OutboxJob, WorkflowVersion
from tests.faults.harness import wait_for
from tests.support.audit import without_append_only

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

SET = "{{name: {0}, slug: {0}, triggers: [{{endpoint: github}}], steps: [{{key: a, action: data.set, inputs: {{n: 1}}}}]}}"
POISON = """
name: Poison
slug: poison
triggers: [{{endpoint: github, filter: {{'==': [{{var: event.payload.poison}}, true]}}}}]
steps:
  - {{key: poison, action: http.request, inputs: {{method: POST, url: '{url}/poison'}}}}
"""
WELL = """
name: Well
slug: well
triggers: [{{endpoint: github, filter: {{'!=': [{{var: event.payload.poison}}, true]}}}}]
steps:
  - {{key: call, action: http.request, inputs: {{method: POST, url: '{url}/well'}}}}
"""


def runs(status):
    return ExecutionRun.objects.filter(status=status).count()


@pytest.mark.extended
def test_a_version_that_can_no_longer_be_read_fails_its_runs(workflow, mill, deliver):
    """F18: two workflows match, so that the runs are queued first; then one of the versions is damaged."""
    workflow(SET.format("good"))
    bad = workflow(SET.format("bad"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE automate_core_workflowversion DISABLE TRIGGER USER")
        with without_append_only():
            WorkflowVersion.objects.filter(workflow=bad).update(definition={"schema": 99})
        cursor.execute("ALTER TABLE automate_core_workflowversion ENABLE TRIGGER USER")
    deliver()
    mill.worker()
    wait_for(lambda: (runs("succeeded"), runs("failed")) == (1, 1))
    assert ExecutionRun.objects.get(status="failed").error["code"] == "broken_definition"


def test_a_connector_that_is_gone_fails_the_step(workflow, deliver, drain, monkeypatch, evidence):
    """F18: a deploy took the plug-in away between publishing and running."""
    workflow(SET.format("gone"))
    real = type(connectors).get

    def get(self, code):
        if code == "data":
            raise LookupError("no connector is called data")
        return real(self, code)

    deliver()
    monkeypatch.setattr(type(connectors), "get", get)
    drain()
    assert runs("failed") == 1
    assert "data" in ExecutionRun.objects.get().error["message"]


@pytest.mark.extended
def test_an_event_that_cannot_be_decoded_dies_alone(workflow, mill, deliver, evidence):
    """F18: PostgreSQL stores numbers that no float holds; such an event is given up after its attempts."""
    workflow(SET.format("any"))
    evidence.most_attempts = 5
    deliver({"n": 1})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE automate_core_event SET payload = '1e5000'")
    OutboxJob.objects.update(attempts=4)  # the others are behind it
    worker = mill.worker(AUTOMATE_LEASE_SECONDS="4")
    for _ in range(3):
        deliver()
    wait_for(lambda: runs("succeeded") == 3)
    wait_for(lambda: OutboxJob.objects.filter(status="dead").count() == 1)
    assert worker.is_running
    assert OutboxJob.objects.get(status="dead").last_error


@pytest.mark.extended
def test_a_job_that_kills_its_worker_is_dead_after_three_crashes(workflow, mill, deliver, sink):
    """F16, F17: whoever was in the same batch is charged no crash and at most one attempt more."""
    workflow(POISON.format(url=sink.url))
    workflow(WELL.format(url=sink.url))
    deliver({"poison": True})
    for _ in range(9):
        deliver({"poison": False})
    fault = {"AUTOMATE_FAULTS": "effect.starting(poison)=kill", "AUTOMATE_LEASE_SECONDS": "4"}

    def dead():
        if not any(worker.is_running for worker in mill.processes):
            mill.worker("--concurrency", "10", **fault)
        return OutboxJob.objects.filter(status="dead").exists() and runs("succeeded") == 9

    mill.worker("--concurrency", "10", **fault)
    wait_for(dead, seconds=400, every=0.2)
    poison = OutboxJob.objects.get(status="dead")
    assert (poison.crashes, poison.run.status) == (3, "failed")
    assert poison.last_error
    neighbours = OutboxJob.objects.exclude(pk=poison.pk)
    assert {job.crashes for job in neighbours} == {0}
    assert {job.status for job in neighbours} == {"completed"}
    assert max(job.token for job in neighbours) <= 2
    assert "/poison" not in [path for path, _, _ in sink.calls]
