"""Published workflows that a change of permissions would stop: it is made, compared with before, and rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from automate_core.authoring.usability import unusable
from automate_core.definition.document import DefinitionError
from automate_core.definition.published import published_definition
from automate_core.models import Wait, Workflow
from automate_core.operations.offboarding import holdings
from automate_core.operations.offboarding.lost_approvals import find_lost_approvals
from automate_core.queries.approval_tasks import undecidable_approvals

type _Reasons = dict[int, dict[str, str]]  #: by workflow and place in its definition


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


def find_lost_rights(people: Iterable[Any], change: Callable[[], object]) -> LostRights:
    """What would stop if `change` were made, which takes permissions from these people. It is rolled back."""
    keys = [person.pk for person in people]
    with transaction.atomic():
        before, open_before, lost_before = _problems(keys), _undecidable(), set(_lost_approvals())
        change()
        after, open_after, lost_after = _problems(keys), _undecidable(), _lost_approvals()
        transaction.set_rollback(True)
    added = {
        pk: [reason for place, reason in found.items() if place not in before.get(pk, {})]
        for pk, found in after.items()
    }
    workflows = Workflow.objects.filter(pk__in=[pk for pk, reasons in added.items() if reasons]).order_by("name", "pk")
    return LostRights(
        reasons=[(workflow, list(dict.fromkeys(added[workflow.pk]))) for workflow in workflows],
        approvals=[workflow for workflow in lost_after if workflow not in lost_before],
        open_approvals=max(open_after - open_before, 0),
    )


def _problems(people: Iterable[Any]) -> _Reasons:
    """What the published workflows of active people may not do, as publishing them would say."""
    found: _Reasons = {}
    for person in get_user_model()._default_manager.filter(pk__in=people, is_active=True):  # read again: no old caches
        for workflow in holdings.workflows_to_stop(person).select_related("published"):
            found[workflow.pk] = dict(_workflow_problems(workflow, person))
    return found


def _workflow_problems(workflow: Workflow, person: Any) -> Iterator[tuple[str, str]]:
    try:
        definition = published_definition(workflow)
    except DefinitionError:
        return
    for problem in unusable(definition, [person]) if definition else ():
        yield problem.path, problem.reason


def _lost_approvals() -> list[Workflow]:
    return [workflow for workflow, _sentence in find_lost_approvals(Workflow.objects.all())]


def _undecidable() -> int:
    return undecidable_approvals(Wait.objects.all()).count()
