"""As whom the versions of a workflow ran: a handover changes the run-as user of all of them, and the trail has when."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, TextField
from django.db.models.functions import Cast

from automate_core.models import ExecutionRun, Workflow
from automate_governance import audit
from automate_governance.models import AuditEntry
from automate_governance.people.names import sign_in_name

HANDED_OVER = "workflow.run_as_handed_over"
_PUBLISHED = "workflow.published"


@dataclass(frozen=True)
class FormerRunAs:
    """The user name that a version ran as until a handover."""

    name: str
    until: dt.datetime


def find_former_run_as(workflow: Workflow) -> Mapping[int, Sequence[FormerRunAs]]:
    """By version number, the earlier run-as users, oldest first. Two queries; one without a handover.

    The entries are followed in their order, as the handovers changed the versions; names that an erasure emptied are
    left out.
    """
    about = AuditEntry.objects.filter(object_type=workflow._meta.label_lower, object_id=str(workflow.pk))
    former: dict[int, list[FormerRunAs]] = defaultdict(list)
    if not about.filter(verb=HANDED_OVER).exists():
        return former
    names: dict[int, str] = {}
    for entry in about.filter(verb__in=(_PUBLISHED, HANDED_OVER)).order_by("pk"):
        changes = audit.readable_changes(entry)
        run_as = changes.get("run_as") or {}
        if entry.verb == HANDED_OVER:
            moved = [number for number, name in names.items() if name and name == run_as.get("from")]
            for number in moved:
                former[number].append(FormerRunAs(names[number], entry.at))
                names[number] = run_as["to"]
        elif isinstance(version := changes.get("version"), int):
            before = "" if "content" in entry.erased else names.get(changes.get("previous", version - 1), "")
            names[version] = run_as.get("to", before)  # recorded where it differs from the version before
    return former


def has_handover() -> Exists:
    """Condition on runs: the run-as user of their workflow was handed over at some time."""
    entries = AuditEntry.objects.filter(object_type=Workflow._meta.label_lower, verb=HANDED_OVER)
    return Exists(entries.filter(object_id=Cast(OuterRef("workflow_id"), TextField())))


def names_during(run: ExecutionRun, *, has_handover: bool = True) -> list[str]:
    """The user names that a run acted as, in their order; empty for a test run, which no version is published for.

    No query where it is known that there was no handover.
    """
    if not run.version.number:
        return []
    start = run.started_at or run.created_at
    names = []
    former = find_former_run_as(run.workflow) if has_handover else {}
    for each in former.get(run.version.number, ()):
        if each.until > start:
            names.append(each.name)
        if run.finished_at is not None and run.finished_at <= each.until:
            return names
    return [*names, sign_in_name(run.version.run_as)]
