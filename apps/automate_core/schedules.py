"""Schedules: when published workflows start by themselves."""

from __future__ import annotations

from automate_core.definition import Definition, ScheduleTrigger
from automate_core.models import Schedule, Workflow


def activate(workflow: Workflow, definition: Definition) -> None:
    """Take over the schedules of a version that was published; one whose times stay the same keeps its next time."""
    wanted = {t.key: t for t in definition.triggers if isinstance(t, ScheduleTrigger)}
    Schedule.objects.filter(workflow=workflow).exclude(key__in=wanted).delete()
