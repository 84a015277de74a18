"""Published approvals that nobody can decide: no person that they ask, also as a member of a group, is active."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from automate_authoring.lint_rules.lint import is_plain
from automate_core import database
from automate_core.engine import assignees
from automate_core.models import Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_plugins import text
from automate_plugins.texts import joined

_APPROVALS = """
SELECT DISTINCT workflow.id, step::text AS step FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL jsonb_path_query(version.definition::jsonb, '$.** ? (@.kind == "approval")') step
WHERE workflow.status IN ('active', 'paused')
"""


def find_lost_approvals(workflows: QuerySet[Workflow], leaver: Person | None = None) -> list[tuple[Workflow, str]]:
    """(workflow, a sentence) of those that ask nobody, in the order of their names. Five queries at most.

    With a `leaver`, those that would ask nobody without that person, and ask somebody now.
    """
    asked: list[tuple[int, dict[str, Any]]] = [
        (row.id, json.loads(row.step)) for row in database.run(None, _APPROVALS, {})
    ]
    asked = [(pk, step) for pk, step in asked if not step.get("disabled") and _is_known(step)]
    if not asked:
        return []
    users = set(assignees.find_users({name for _, step in asked for name in step.get("assignees") or ()}))
    named_groups = {name for _, step in asked for name in step.get("groups") or ()}
    groups = _asking_groups(named_groups)
    left = users - {sign_in_name(leaver)} if leaver is not None else users
    left_groups = _asking_groups(named_groups, leaver) if leaver is not None else groups
    lost: dict[int, list[str]] = defaultdict(list)
    for pk, step in asked:
        was_asking = _asks(step, users, groups)
        if not _asks(step, left, left_groups) and was_asking == (leaver is not None):
            lost[pk].append(str(step.get("name") or step.get("key")))
    found = workflows.filter(pk__in=lost).order_by("name", "pk")
    return [(each, _sentence(lost[each.pk])) for each in found]


def _asking_groups(names: set[str], leaver: Person | None = None) -> set[str]:
    """Those of these groups that have an active member, other than the leaver."""
    members = get_user_model()._default_manager.filter(is_active=True)
    members = members.exclude(pk=leaver.pk) if leaver is not None else members
    found = Group.objects.filter(name__in=names, pk__in=members.filter(groups__name__in=names).values("groups"))
    return set(found.values_list("name", flat=True))


def _is_known(step: dict[str, Any]) -> bool:
    """Whether its approvers are known before a run: some are named, and none by an expression."""
    named = [*(step.get("assignees") or ()), *(step.get("groups") or ())]
    return bool(named) and all(map(is_plain, named))


def _asks(step: dict[str, Any], users: set[str], groups: set[str]) -> bool:
    return bool(users.intersection(step.get("assignees") or ()) or groups.intersection(step.get("groups") or ()))


def _sentence(steps: list[str]) -> str:
    return joined(
        [
            text("No approver of %(steps)s is active, so nothing can be decided.", steps=", ".join(sorted(set(steps)))),
            text("Choose other approvers and publish the workflow."),
        ]
    )
