"""Handover of a person's open approvals to others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet

from automate_core.models import Wait, WaitAssignee
from automate_core.runs.waits import approvals
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, User
from automate_operations.offboarding import holdings
from automate_operations.queries.approval_tasks import undecidable_approvals
from automate_plugins import text
from automate_plugins.errors import AutomateError


@dataclass
class ApprovalHandover:
    """The number of approvals that were handed over, and (task, reason) of those that were not."""

    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def open_approvals_of(absent: Person, by: User) -> QuerySet[Wait]:
    """The open approvals that name a person as an assignee, among those that `by` may reassign."""
    return approvals.reassignable_approvals(by).filter(pk__in=holdings.open_approvals(absent).values("pk"))


def hand_over_approvals(
    absent: Person | None, *, by: Person, users: Iterable[Person] = (), groups: Iterable[Group] = ()
) -> ApprovalHandover:
    """Assign a person's open approvals to others, each in a transaction of its own; of None, those no one can decide.

    Approvals assigned to a group of theirs stay with the group. Raises HandOverError without new assignees.
    """
    people, teams = list(users), list(groups)
    if (not people and not teams) or absent in people:
        raise approvals.HandOverError(text("Choose a person or group other than the one whose tasks you hand over."))
    result = ApprovalHandover()
    lost = undecidable_approvals(approvals.reassignable_approvals(by))
    found = open_approvals_of(absent, by) if absent else lost
    for wait in found.select_related("run__workflow").order_by("id"):
        try:
            if absent:
                _replace(wait, absent, people, teams, by=by)
            else:
                approvals.reassign_approval(wait, by=by, users=people, groups=teams)
        except AutomateError as error:
            result.refused.append((approvals.approval_label(wait), str(error)))
        else:
            result.done += 1
    return result


@transaction.atomic
def _replace(wait: Wait, absent: Person, people: list[Person], teams: list[Group], *, by: Person) -> None:
    """Replace one assignee by others; the remaining assignees stay."""
    run, wait = approvals.lock_to_reassign(wait, by)
    approvals.check_assignable(wait, people)
    before = approvals.assignee_names(wait)
    if not wait.assignees.filter(user=absent, excluded=False).delete()[0]:
        raise approvals.NotOpenError(
            text("%(person)s can no longer decide this approval.", person=sign_in_name(absent))
        )
    for person in people:
        WaitAssignee.objects.get_or_create(wait=wait, user=person, excluded=False)
    for team in teams:
        WaitAssignee.objects.get_or_create(wait=wait, group=team, excluded=False)
    changes = {"step": wait.path, "from": before, "to": approvals.assignee_names(wait)}
    audit.record(by, "approval.reassigned", run, changes=changes, trace_id=run.trace_id)
