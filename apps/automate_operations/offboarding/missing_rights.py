"""Permissions that published workflows need and that their run-as users lack, whatever took them away."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import QuerySet

from automate_authoring.lint_rules.lint import is_plain
from automate_connectors.adapters.models import rights
from automate_connectors.models import Connection
from automate_core.definition.document import (
    CONNECTOR_TRIGGERS,
    ActionStep,
    Definition,
    DefinitionError,
    EventTrigger,
    ModelTrigger,
    RunTrigger,
    Trigger,
    WaitStep,
    WebhookTrigger,
    WorkflowStep,
)
from automate_core.definition.parsing import parse
from automate_core.definition.slots import StepIndex
from automate_core.events import event_types
from automate_core.models import WebhookEndpoint, Workflow, WorkflowVersion
from automate_core.triggers.model_registry import view_permission
from automate_governance.governed import Governed
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, holds_anywhere, permitted_to_outer
from automate_plugins import ntext, text

_PUBLISHED = [Workflow.Status.ACTIVE, Workflow.Status.PAUSED]
_MODELS = "models."  #: how the actions on the project's models begin
_ANY_SECRET = "automate_governance.use_any_storedsecret"  # noqa: S105 - the name of a permission


@dataclass(frozen=True, kw_only=True)
class NeededRight:
    """A permission that a published version needs: `verb` on the object `name` of `model`.

    Without a model it is a permission of Django, called `name`, or `listen` to events of the type `name`.
    """

    name: str
    verb: str = ""
    model: type[Governed] | None = None

    def sentence(self, person: Person) -> str:
        """Says that the person needs it."""
        values = {"user": sign_in_name(person), "name": self.name}
        match self.model, self.verb:
            case None, "listen":
                return event_types.listen_problem(person, self.name)
            case None, _:
                return text("%(user)s needs the permission %(permission)s.", user=values["user"], permission=self.name)
            case (model, _) if model is Connection:
                return text("%(user)s needs the permission to use the connection %(name)s.", **values)
            case (model, _) if model is StoredSecret:
                return text("%(user)s needs the permission to use the secret %(name)s.", **values)
            case (model, _) if model is WebhookEndpoint:
                return text("%(user)s needs the permission to view payloads of the webhook %(name)s.", **values)
            case _, "run":
                return text("%(user)s needs the permission to run the workflow %(name)s.", **values)
        return text("%(user)s needs the permission to view payloads of the workflow %(name)s.", **values)


@dataclass(frozen=True, kw_only=True)
class MissingRights:
    """What the run-as user of a published workflow lacks."""

    workflow: Workflow
    person: Person
    rights: tuple[NeededRight, ...]

    @property
    def sentences(self) -> list[str]:
        """One for each permission, and what to do."""
        advice = ntext(
            "Steps and triggers that need it fail. Give the permission, or hand over the work of the run-as user.",
            "Steps and triggers that need them fail. Give the permissions, or hand over the work of the run-as user.",
            len(self.rights),
        )
        return [*(each.sentence(self.person) for each in self.rights), advice]

    @property
    def shared_object(self) -> Governed | None:
        """The object to share with the user, who has the role for it; None where another permission is missing."""
        right = self.rights[0]
        if right.model not in {Connection, Workflow} or not holds_anywhere(self.person, right.verb, right.model):
            return None
        return right.model._default_manager.filter(slug=right.name).first()


def find_missing_rights(workflows: QuerySet[Workflow], *, of_triggers: bool = False) -> list[MissingRights]:
    """Those of these published workflows whose active run-as users lack permissions, in the order of their names.

    The permissions are those of steps and of connections; `of_triggers` adds what triggers need to read their events,
    which `events.stops` reports. The number of queries grows with the kinds of objects alone.
    """
    found = list(
        workflows.filter(status__in=_PUBLISHED, published__run_as__is_active=True)
        .order_by("name", "pk")
        .values_list("pk", "published", "published__run_as", "published__run_as__is_superuser")
    )
    needed = _needed_by_version([version for _, version, *_ in found])
    wanted: dict[NeededRight, set[Any]] = defaultdict(set)
    for _pk, version, person, is_superuser in found:
        steps, triggers = needed.get(version, ((), ()))
        for right in () if is_superuser else (*steps, *(triggers if of_triggers else ())):
            wanted[right].add(person)
    lacked = _lacked_rights(wanted)
    missing = {
        pk: tuple(
            right
            for part in needed.get(version, ())[: 2 if of_triggers else 1]
            for right in part
            if person in lacked.get(right, ())
        )
        for pk, version, person, _ in found
        if any(person in people for people in lacked.values())
    }
    missing = {pk: rights for pk, rights in missing.items() if rights}
    rows = Workflow.objects.filter(pk__in=missing).select_related("published__run_as").defer("published__definition")
    return [
        MissingRights(workflow=row, person=row.published.run_as, rights=missing[row.pk])
        for row in rows.order_by("name", "pk")
        if row.published is not None
    ]


# --- what versions need -----------------------------------------------------------------------------------------------

type _Needed = tuple[tuple[NeededRight, ...], tuple[NeededRight, ...]]  #: of steps and connections, of triggers

_MOST_KNOWN = 10_000
_known: dict[int, _Needed] = {}  #: by version, which never changes


def _needed_by_version(versions: Iterable[int]) -> Mapping[int, _Needed]:
    wanted = set(versions)
    if unknown := wanted - _known.keys():
        if len(_known) + len(unknown) > _MOST_KNOWN:
            _known.clear()
            unknown = wanted
        for row in WorkflowVersion.snapshots.filter(pk__in=unknown).only("definition").iterator(100):
            _known[row.pk] = _needed_rights(row.definition)
    return _known


def _needed_rights(document: Any) -> _Needed:
    try:
        definition = parse(document)
    except DefinitionError:
        return (), ()
    connections = [
        each.connection for each in definition.triggers if isinstance(each, CONNECTOR_TRIGGERS) and not each.disabled
    ]
    steps = [*map(_connection_right, filter(None, connections)), *_step_rights(definition)]
    triggers = [right for each in definition.triggers if not each.disabled for right in _trigger_rights(each)]
    return tuple(dict.fromkeys(steps)), tuple(dict.fromkeys(triggers))


def _connection_right(slug: str) -> NeededRight:
    return NeededRight(name=slug, verb="use", model=Connection)


def _step_rights(definition: Definition) -> Iterator[NeededRight]:
    for position in StepIndex(definition.steps, enabled_only=True):
        match position.step:
            case ActionStep() as step:
                if step.connection:
                    yield _connection_right(step.connection)
                if step.action.startswith(_MODELS) and is_plain(label := step.inputs.get("model")):
                    names = rights.action_permissions(step.action.removeprefix(_MODELS), str(label))
                    yield from (NeededRight(name=name) for name in names)
            case WorkflowStep(workflow=slug):
                yield NeededRight(name=slug, verb="run", model=Workflow)
            case WaitStep(secret=reference) if reference:
                backend, _, name = reference.partition(":")
                stored = NeededRight(name=name, verb="use", model=StoredSecret)
                yield stored if backend == "database" else NeededRight(name=_ANY_SECRET)


def _trigger_rights(trigger: Trigger) -> Iterator[NeededRight]:
    match trigger:
        case WebhookTrigger(endpoint=slug):
            yield NeededRight(name=slug, verb="view_payload", model=WebhookEndpoint)
        case RunTrigger(workflow=slug):
            yield NeededRight(name=slug, verb="view_payload", model=Workflow)
        case EventTrigger(event=event_type):
            yield NeededRight(name=event_type, verb="listen")
        case ModelTrigger(model=label):
            with contextlib.suppress(LookupError, ValueError):
                yield NeededRight(name=view_permission(label))


# --- what people lack -------------------------------------------------------------------------------------------------


def _lacked_rights(wanted: Mapping[NeededRight, Collection[Any]]) -> dict[NeededRight, set[Any]]:
    """The people, none of them a superuser, who lack each of these permissions."""
    of_objects: dict[tuple[type[Governed], str], dict[str, NeededRight]] = defaultdict(dict)
    for right in wanted:
        if right.model is not None:
            of_objects[right.model, right.verb][right.name] = right
    lacked = {}
    for (model, verb), named in of_objects.items():
        people = {person for right in named.values() for person in wanted[right]}
        there, held = _held_objects(model, verb, named, people)
        for name, right in named.items():
            if name in there:  # what was deleted is no matter of permissions
                lacked[right] = {person for person in wanted[right] if name not in held.get(person, ())}
    of_django = {right: wanted[right] for right in wanted if right.model is None}
    return lacked | _lacked_permissions(of_django)


def _held_objects(
    model: type[Governed], verb: str, names: Iterable[str], people: Iterable[Any]
) -> tuple[set[str], dict[Any, list[str]]]:
    """Those of these names that there are, and by person those that the person may do the verb on. Two queries."""
    key = "name" if model is StoredSecret else "slug"
    rows = model._default_manager.filter(**{f"{key}__in": list(names)}).order_by()
    held = ArraySubquery(permitted_to_outer("pk", verb, rows).values(key))
    found = get_user_model()._default_manager.filter(pk__in=people).annotate(held=held)
    return set(rows.values_list(key, flat=True)), dict(found.values_list("pk", "held"))


def _lacked_permissions(wanted: Mapping[NeededRight, Collection[Any]]) -> dict[NeededRight, set[Any]]:
    """The people who lack these permissions of Django. Backends of the site are asked where the database says no."""
    keys = {person for people in wanted.values() for person in people}
    held = _held_permissions({right.name for right in wanted if not right.verb}, keys) if keys else set()
    doubted = {right: {each for each in people if (each, right.name) not in held} for right, people in wanted.items()}
    people = get_user_model()._default_manager.in_bulk({each for doubt in doubted.values() for each in doubt})
    return {
        right: {key for key in doubt if key in people and not _may(people[key], right)}
        for right, doubt in doubted.items()
    }


def _held_permissions(names: Iterable[str], people: Iterable[Any]) -> set[tuple[Any, str]]:
    """(person, permission) as Django's own tables say. Two queries."""
    labels = {name.partition(".")[0] for name in names}
    codenames = {name.partition(".")[2] for name in names}
    permissions = Permission.objects.filter(content_type__app_label__in=labels, codename__in=codenames)
    held = set()
    for path in ("user", "group__user"):
        rows = permissions.filter(**{f"{path}__in": list(people)}).order_by()
        for person, label, codename in rows.values_list(path, "content_type__app_label", "codename"):
            held.add((person, f"{label}.{codename}"))
    return held


def _may(person: Person, right: NeededRight) -> bool:
    if right.verb:
        return event_types.may_listen(person, right.name)
    return person.has_perm(right.name) or rights.is_granted_rows(person, right.name)
