"""Numbers of approvals and of runs that wait for a person."""

from __future__ import annotations

from automate_core.models import Wait, Workflow
from automate_core.runs.waits import approvals
from automate_governance.people.role_giving import has_staff_status
from automate_governance.permissions import User, holds_anywhere, holds_for_any, permitted
from automate_operations.runs.open_reviews import runs_to_review

MOST_COUNTED = 100


def may_reassign_tasks(user: User) -> bool:
    """Whether this person may reassign tasks of some workflow: they may operate it and view its payloads.

    A role alone is not enough: without a workflow of theirs, the list of all tasks would be empty for ever.
    """
    if not holds_anywhere(user, "operate", Wait):
        return False
    if holds_for_any(user, "operate", Wait) and holds_for_any(user, "view_payload", Wait):
        return True
    workflows = permitted(user, "operate", Workflow.objects.all())
    return permitted(user, "view_payload", workflows).exists()


def task_count(user: User) -> str:
    """Number of approvals for this person's badge; empty for none."""
    found = len(approvals.open_approvals_for(user).values_list("pk")[: MOST_COUNTED + 1])
    return f"{MOST_COUNTED}+" if found > MOST_COUNTED else str(found or "")


def review_count(user: User) -> int:
    """Number of runs with a step whose outcome this person may set, and whose pages they may open."""
    if not has_staff_status(user):
        return 0
    return permitted(user, "view", permitted(user, "run", runs_to_review())).count()
