"""Runs as the engine would have left them."""

from __future__ import annotations

import datetime as dt
import uuid

from django.utils import timezone

from automate_core import database
from automate_core.ids import first_uuid7
from automate_core.models import EndedRun, ExecutionRun, Workflow, WorkflowVersion
from automate_operations.statistics import rollup


def ended_runs(workflow, number=1, *, status="succeeded", hours_ago=0.0, took=2.0, message="No", code="no"):
    """Runs that ended so long ago and are counted."""
    end = database.now() - dt.timedelta(hours=hours_ago)
    for _ in range(number):
        run = ExecutionRun.objects.create(
            workflow=workflow, version=workflow.published, trace_id="1" * 32, status=status, created_at=end,
            started_at=end - dt.timedelta(seconds=took), finished_at=end,
            error={"code": code, "message": message, "step": "send"} if status == "failed" else None,
        )  # fmt: skip
        EndedRun.objects.create(run=run)
    rollup.count_ended_runs()


def published_workflows(owner, *names, status="active", **values):
    """Published workflows, each with one version."""
    found = []
    for name in names:
        fields = {"slug": name.lower(), "owner": owner, "run_as": owner, "status": status, **values}
        workflow = Workflow.objects.create(name=name, **fields)
        if status != "draft":
            version = WorkflowVersion.objects.create(
                workflow=workflow, number=1, author=owner, run_as=owner, definition={"name": name, "slug": name.lower()}
            )
            Workflow.objects.filter(pk=workflow.pk).update(published=version)
            workflow.refresh_from_db()
        found.append(workflow)
    return found


def timed_runs(workflow, *seconds, status="succeeded", ago=60):
    """Runs that took so long each, the first one the oldest."""
    began = timezone.now() - dt.timedelta(seconds=ago)
    for took in seconds:
        ExecutionRun.objects.create(
            workflow=workflow,
            version=workflow.published,
            trace_id="1" * 32,
            status=status,
            started_at=began,
            finished_at=began + dt.timedelta(seconds=took),
        )


def run_of_age(workflow, ago, number=0, **values):
    """A run of that age, with an id of that time."""
    at = timezone.now() - dt.timedelta(seconds=ago)
    fields = {"status": "succeeded", "trace_id": f"{int(ago):032x}", "origin": "webhook", "started_at": at, **values}
    if fields["status"] in {"succeeded", "failed", "cancelled"}:
        fields.setdefault("finished_at", at + dt.timedelta(seconds=1))
    return ExecutionRun.objects.create(
        id=uuid.UUID(int=first_uuid7(at).int + number),
        workflow=workflow,
        version=workflow.published,
        created_at=at,
        **fields,
    )
