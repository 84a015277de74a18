"""Runs that wait until a person sets the outcome of a step, which may have acted and must not be repeated."""

from __future__ import annotations

from django.db.models import QuerySet

from automate_core.models import ExecutionRun, Wait
from automate_core.states import RunStatus, WaitStatus

#: Parameters of the run list that show them.
RUNS_TO_REVIEW = {"show": "attention", "reason": Wait.Kind.REVIEW.value}


def runs_to_review() -> QuerySet[ExecutionRun]:
    """Waiting runs with an open review, without those of tests: the runs of `RUNS_TO_REVIEW`."""
    waits = Wait.objects.filter(status=WaitStatus.OPEN, kind=Wait.Kind.REVIEW)
    runs = ExecutionRun.objects.filter(pk__in=waits.values("run"), status=RunStatus.WAITING)
    return runs.exclude(cause=ExecutionRun.Cause.TEST)
