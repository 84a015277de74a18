"""Published workflows that a change of permissions would stop: it is made, compared with before, and rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from automate_core.models import Wait, Workflow
from automate_governance.admin_site import reverse
from automate_governance.texts import translated
from automate_operations.offboarding.lost_approvals import find_lost_approvals
from automate_operations.offboarding.missing_rights import MissingRights, find_missing_rights
from automate_operations.queries.approval_tasks import undecidable_approvals

type _Missing = dict[Workflow, MissingRights]


@dataclass(frozen=True, kw_only=True)
class LostRights:
    """What a change takes away: `reasons` by workflow of its run-as user, approvals without an approver.

    `approvals` are workflows whose published approvals would ask nobody, `open_approvals` the number of open ones.
    """

    reasons: list[tuple[Workflow, list[str]]]
    approvals: list[Workflow]
    open_approvals: int

    def __bool__(self) -> bool:
        return bool(self.reasons or self.approvals or self.open_approvals)

    def page_context(self) -> dict[str, Any]:
        """Variables of the page that asks, `people/lost_rights.html`, in the active language."""
        return {
            "workflows": [
                (workflow.name, _workflow_url(workflow), [translated(reason) for reason in reasons])
                for workflow, reasons in self.reasons
            ],
            "approvals": [(workflow.name, _workflow_url(workflow)) for workflow in self.approvals],
            "open_approvals": self.open_approvals,
        }


def _workflow_url(workflow: Workflow) -> str:
    return reverse("admin:automate_core_workflow_change", args=[workflow.pk])


def find_lost_rights(people: Iterable[Any], change: Callable[[], object]) -> LostRights:
    """What would stop if `change` were made, which takes permissions from these people. It is rolled back."""
    keys = [person.pk for person in people]
    with transaction.atomic():
        before, open_before, lost_before = _missing(keys), _undecidable(), set(_lost_approvals())
        change()
        after, open_after, lost_after = _missing(keys), _undecidable(), _lost_approvals()
        transaction.set_rollback(True)
    return LostRights(
        reasons=[
            (workflow, [right.sentence(found.person) for right in added])
            for workflow, found in after.items()
            if (
                added := [
                    each for each in found.rights if workflow not in before or each not in before[workflow].rights
                ]
            )
        ],
        approvals=[workflow for workflow in lost_after if workflow not in lost_before],
        open_approvals=max(open_after - open_before, 0),
    )


def _missing(people: list[Any]) -> _Missing:
    """What the published workflows of these people may not do."""
    found = find_missing_rights(Workflow.objects.filter(published__run_as__in=people), of_triggers=True)
    return {each.workflow: each for each in found}


def _lost_approvals() -> list[Workflow]:
    return [workflow for workflow, _sentence in find_lost_approvals(Workflow.objects.all())]


def _undecidable() -> int:
    return undecidable_approvals(Wait.objects.all()).count()
