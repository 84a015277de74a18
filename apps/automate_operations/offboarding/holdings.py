"""The objects that a person holds, and their traces in the site's history: such an account is never deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet

from automate_connectors.stored.models import DeclaredConnectorDraft
from automate_core import database
from automate_core.models import (
    DraftCommand,
    ExecutionRun,
    NotificationRule,
    Wait,
    WaitAssignee,
    Workflow,
    WorkflowVersion,
)
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_governance.governed import Governed
from automate_governance.models import AuditEntry
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_plugins import text
from automate_plugins.texts import marked

_NAMING = """
SELECT workflow.id FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
WHERE jsonb_path_exists(
    version.definition::jsonb, '$.** ? (@.assignees[*] == $name)', jsonb_build_object('name', %(name)s::text)
)
"""


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """Objects of one kind that stay with a person who leaves; `effect` says what happens to them."""

    title: str
    effect: str
    objects: QuerySet[Any]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Objects of one kind that a person holds, such as the workflows that they own."""

    title: str
    objects: QuerySet[Any]

    def __str__(self) -> str:
        return f"{self.title}: {self.objects.count()}"


def find_holdings(person: Person) -> list[Holding]:
    """The objects that a person holds, by kind; empty kinds are left out. One query for each kind."""
    found = [
        Holding(title=text("Open approvals"), objects=open_approvals(person)),
        *(
            Holding(
                title=text("Owned: %(kinds)s", kinds=marked(str(model._meta.verbose_name_plural))),
                objects=owned_objects(model, person),
            )
            for model in governed_models()
        ),
        Holding(title=text("Workflows that run as this person"), objects=workflows_running_as(person)),
        Holding(
            title=text("Owned workflows whose run-as user is not active"), objects=workflows_stopped_for_owner(person)
        ),
        Holding(title=text("Notification rules that name this person"), objects=rules_naming(person)),
        Holding(title=text("Drafts of connectors"), objects=connector_drafts(person)),
    ]
    return [each for each in found if each.objects.exists()]


_remainders: list[Callable[[Person], Remainder]] = []


def register_remainder(find: Callable[[Person], Remainder]) -> None:
    """Register objects of another app that stay with a person who leaves."""
    _remainders.append(find)


def find_remainders(person: Person) -> list[Remainder]:
    """The objects that no handover moves, by kind; empty kinds are left out."""
    found = [*(find(person) for find in _remainders), _given_shares(person)]
    return [each for each in found if each.objects.exists()]


def _given_shares(person: Person) -> Remainder:
    shared = AuditEntry.objects.filter(actor_id=str(person.pk), verb__endswith=".shared").order_by("-id")
    return Remainder(
        title=text("Shared by this person"),
        effect=text("These permissions stay. The owners of the objects can revoke them."),
        objects=shared,
    )


def governed_models() -> Iterator[type[Governed]]:
    """Every model whose objects have an owner: our own, and those of plug-ins."""
    yield from (model for model in apps.get_models() if issubclass(model, Governed))


def owned_objects(model: type[Governed], person: Person) -> QuerySet[Governed]:
    """The objects of that kind that the person owns."""
    return model._default_manager.filter(owner=person).order_by("pk")


def open_approvals(person: Person) -> QuerySet[Wait]:
    """The open approvals for which the person was asked by name."""
    assigned = WaitAssignee.objects.filter(user=person, excluded=False)
    waits = Wait.objects.filter(pk__in=assigned.values("wait"), kind=Wait.Kind.APPROVAL, status=WaitStatus.OPEN)
    return waits.exclude(run__status__in=FINAL_RUN_STATES).order_by("id")


def workflows_running_as(person: Person) -> QuerySet[Workflow]:
    """The workflows whose draft or any version runs as the person: a version may be published again."""
    versions = WorkflowVersion.snapshots.filter(workflow=OuterRef("pk"), run_as=person)
    return Workflow.objects.filter(Q(run_as=person) | Exists(versions)).order_by("pk")


def workflows_stopped_for_owner(person: Person) -> QuerySet[Workflow]:
    """The workflows that the person owns and that are stopped, because their run-as user has left."""
    stopped = Workflow.objects.filter(owner=person, published__run_as__is_active=False)
    return stopped.exclude(published__run_as=person).order_by("pk")


def workflows_to_stop(person: Person) -> QuerySet[Workflow]:
    """The published workflows that stop when the account is deactivated."""
    published = [Workflow.Status.ACTIVE, Workflow.Status.PAUSED]
    return Workflow.objects.filter(published__run_as=person, status__in=published).order_by("name", "pk")


def open_runs(person: Person) -> QuerySet[ExecutionRun]:
    """The runs in progress that act as the person. They wait while the account is not active."""
    return ExecutionRun.objects.filter(version__run_as=person).exclude(status__in=FINAL_RUN_STATES)


def rules_naming(person: Person) -> QuerySet[NotificationRule]:
    """The notification rules that name the person."""
    return NotificationRule.objects.filter(people=person, removed_at=None).order_by("pk")


def connector_drafts(person: Person) -> QuerySet[DeclaredConnectorDraft]:
    """The person's drafts of connectors, which no other person can open."""
    return DeclaredConnectorDraft.objects.filter(author=person).order_by("pk")


def workflows_naming(person: Person) -> QuerySet[Workflow]:
    """The workflows whose published version names the person as an assignee: an edit alone changes that."""
    rows = database.run(None, _NAMING, {"name": sign_in_name(person)})
    return Workflow.objects.filter(pk__in=[row.id for row in rows]).order_by("pk")


def is_in_history(person: Person) -> bool:
    """Whether the history names the person: an audit entry, a version, an edit, a decision."""
    return (
        AuditEntry.objects.filter(actor_id=str(person.pk)).exists()
        or WorkflowVersion.snapshots.filter(author=person).exists()
        or Wait.objects.filter(decided_by=person).exists()
        or WaitAssignee.objects.filter(user=person).exists()
        or DraftCommand.objects.filter(Q(author=person) | Q(changed_by=person)).exists()
    )


def may_be_deleted(person: Person) -> bool:
    """Whether the account may be deleted: it holds no objects, and the history does not name it."""
    return not is_in_history(person) and not find_holdings(person)
