"""What authors do with a workflow: store a draft, read it back, publish it. Screens and commands call these."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Max, QuerySet

from automate_connectors.models import Connection
from automate_core import schedules, validation
from automate_core.definition import (
    TIMEOUT,
    ActionStep,
    Definition,
    DefinitionError,
    ModelTrigger,
    Problem,
    RunTrigger,
    WebhookTrigger,
    WorkflowStep,
    parse,
    slots,
    to_document,
    walk,
)
from automate_core.definition import Step as StepPart
from automate_core.definition import Trigger as TriggerPart
from automate_core.models import ActiveTrigger, Step, Trigger, WebhookEndpoint, Workflow, WorkflowVersion
from automate_core.watched import view_permission
from automate_governance import audit
from automate_governance.permissions import Person, can, permitted

_OWN_COLUMNS = {"kind", "key", "name", "action", "connection", "inputs", "notes", "disabled"}
_POLICY = {"retry", "timeout", "on_error", "at_most_once"}


class NotPermittedError(Exception):
    """The person may not do that; the message says what is missing."""


@transaction.atomic
def save_definition(definition: Definition, *, owner: Person) -> Workflow:
    """Create or replace the workflow `definition.slug` as a draft. Raises DefinitionError, NotPermittedError.

    `owner` becomes owner and run-as of a new workflow, and is the actor in the audit trail. All or nothing; a draft
    that says the same already stays as it is.
    """
    if found := validation.problems(definition):
        raise DefinitionError(found)
    workflow = Workflow.objects.select_for_update().filter(slug=definition.slug).first()
    if workflow is None:
        if not can(owner, "add", Workflow):
            raise NotPermittedError(f"{owner.get_username()} may not add workflows")
        workflow = Workflow(slug=definition.slug, owner=owner, run_as=owner)
    elif not can(owner, "change", workflow):
        raise NotPermittedError(f"{owner.get_username()} may not change the workflow {definition.slug}")
    elif load_definition(workflow) == definition:
        return workflow
    created = workflow.pk is None
    workflow.name, workflow.description = definition.name, definition.description
    workflow.tags, workflow.timezone = definition.tags, definition.timezone
    workflow.priority, workflow.vars = definition.priority, definition.vars
    workflow.concurrency = msgspec.to_builtins(definition.concurrency)
    workflow.rev += 1
    workflow.save()
    _store_triggers(workflow, definition)
    workflow.steps.all().delete()
    _store_steps(workflow, definition.steps, parent=None, slot="")
    audit.record(owner, "workflow.created" if created else "workflow.changed", workflow)
    return workflow


def _store_triggers(workflow: Workflow, definition: Definition) -> None:
    workflow.triggers.all().delete()
    Trigger.objects.bulk_create(
        Trigger(workflow=workflow, position=position, **_trigger_columns(trigger))
        for position, trigger in enumerate(definition.triggers)
    )


def _trigger_columns(trigger: TriggerPart) -> dict[str, Any]:
    """A trigger's document as columns: what only its kind has goes to `config`."""
    fields: dict[str, Any] = msgspec.to_builtins(trigger)
    columns = {"kind": fields.pop("kind"), "key": trigger.key, "filter": fields.pop("filter", None)}
    fields.pop("key", None)
    return {**columns, "config": fields}


def _store_steps(workflow: Workflow, steps: list[StepPart], *, parent: Step | None, slot: str) -> None:
    for position, part in enumerate(steps):
        row = Step.objects.create(workflow=workflow, parent=parent, slot=slot, position=position, **_columns(part))
        for inner in slots(part):
            _store_steps(workflow, inner.steps, parent=row, slot=inner.key)


def _columns(part: StepPart) -> dict[str, Any]:
    """A step's document as columns: what only its kind has goes to `settings`, its children are rows of their own."""
    fields: dict[str, Any] = _without_steps(msgspec.to_builtins(part), part)
    columns = {name: fields.pop(name) for name in _OWN_COLUMNS & fields.keys()}
    policy = {name: fields.pop(name) for name in _POLICY & fields.keys()} if isinstance(part, ActionStep) else {}
    return {**columns, "policy": policy, "settings": fields}


def _without_steps(fields: dict[str, Any], part: StepPart) -> dict[str, Any]:
    """The document with empty lists where its inner steps stand."""
    for slot in slots(part):
        holder, name = _holder(fields, slot.key)
        holder[name] = []
    return fields


def _holder(document: dict[str, Any], slot: str) -> tuple[dict[str, Any], str]:
    """Where the steps of a slot stand in a step's document: (mapping, name)."""
    for lane in document.get("arms") or document.get("outcomes") or ():
        if lane["key"] == slot:
            return lane, "steps"
    if slot == TIMEOUT:
        return document, "on_timeout"
    if slot == "on_error" and document["kind"] == Step.Kind.ACTION:
        return document["on_error"], "steps"
    return document, slot


def published_definition(workflow: Workflow) -> Definition | None:
    """What runs, if anything does. No query when `published` is loaded."""
    return parse(workflow.published.definition) if workflow.published else None


def load_definition(workflow: Workflow) -> Definition:
    """The draft as a definition. Two queries."""
    children: dict[tuple[int | None, str], list[Step]] = {}
    for step in workflow.steps.all():
        children.setdefault((step.parent_id, step.slot), []).append(step)
    triggers = [
        {"kind": trigger.kind, "key": trigger.key, "filter": trigger.filter, **trigger.config}
        for trigger in workflow.triggers.all()
    ]
    return parse(
        {
            "name": workflow.name,
            "slug": workflow.slug,
            "description": workflow.description,
            "tags": workflow.tags,
            "timezone": workflow.timezone,
            "priority": workflow.priority,
            "concurrency": workflow.concurrency,
            "vars": workflow.vars,
            "triggers": triggers,
            "steps": _document_steps(children, None, ""),
        }
    )


def _document_steps(children: dict[tuple[int | None, str], list[Step]], parent: int | None, place: str) -> list[Any]:
    documents = []
    for step in children.get((parent, place), []):
        document: dict[str, Any] = {"kind": step.kind, "key": step.key, "name": step.name, "notes": step.notes}
        document |= {"disabled": step.disabled, **copy.deepcopy(step.settings), **copy.deepcopy(step.policy)}
        if step.kind == Step.Kind.ACTION:
            document |= {"action": step.action, "connection": step.connection, "inputs": step.inputs}
        for slot in [slot for holder, slot in children if holder == step.pk]:
            holder, name = _holder(document, slot)
            holder[name] = _document_steps(children, step.pk, slot)
        documents.append(document)
    return documents


@transaction.atomic
def publish(workflow: Workflow, *, author: Person, message: str = "") -> WorkflowVersion:
    """Freeze the draft into a version and match events against it from now on. One that is published already stays.

    Raises DefinitionError with every fault, and NotPermittedError. Runs in progress stay on their version.
    """
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if not can(author, "publish", workflow):
        raise NotPermittedError(f"{author.get_username()} may not publish the workflow {workflow.slug}")
    if workflow.run_as_id != author.pk and not author.is_superuser:
        raise NotPermittedError(f"the workflow runs as {workflow.run_as}, who has to publish it")
    definition = load_definition(workflow)
    if found := [*validation.problems(definition), *_unusable(definition, workflow, author)]:
        raise DefinitionError(found)
    document, present = to_document(definition), workflow.published
    workflow.published_rev = workflow.rev
    runs = workflow.status in {Workflow.Status.ACTIVE, Workflow.Status.PAUSED}
    if present is not None and runs and present.definition == document:
        workflow.save(update_fields=["published_rev"])
        return present
    number = (workflow.versions.aggregate(Max("number"))["number__max"] or 0) + 1
    version = WorkflowVersion.objects.create(
        workflow=workflow, number=number, definition=document, author=author, message=message
    )
    workflow.published = version
    if workflow.status != Workflow.Status.PAUSED:  # what is paused stays so until it is resumed
        workflow.status = Workflow.Status.ACTIVE
    workflow.save(update_fields=["published", "published_rev", "status", "updated_at"])
    _activate(workflow, version, definition)
    audit.record(author, "workflow.published", workflow, changes={"version": number, "message": message})
    return version


def _activate(workflow: Workflow, version: WorkflowVersion, definition: Definition) -> None:
    """Rebuild the workflow's part of the match index. People and other workflows may always start it."""
    workflow.active_triggers.all().delete()
    for trigger in definition.triggers:
        source, kind = trigger.matches
        columns = _trigger_columns(trigger)
        ActiveTrigger.objects.create(
            workflow=workflow,
            version=version,
            source=source or f"{columns['kind']}:{workflow.slug}",
            event_type=kind,
            priority=definition.priority,
            **columns,
        )
    for kind in ("call", "manual"):
        source = f"{kind}:{workflow.slug}"
        if not workflow.active_triggers.filter(source=source).exists():
            ActiveTrigger.objects.create(
                workflow=workflow, version=version, key=kind, kind=kind, source=source, priority=definition.priority
            )
    schedules.activate(workflow, definition)


def _uncallable(definition: Definition, people: list[Person]) -> Iterator[Problem]:
    """Calls of workflows that these people may not run, and calls that come back to this workflow."""
    for place, step in walk(definition.steps):
        if not isinstance(step, WorkflowStep):
            continue
        called = Workflow.objects.filter(slug=step.workflow)
        if not all(permitted(person, "run", called).exists() for person in people):
            yield Problem(f"{place}.workflow", f"there is no workflow {step.workflow!r} that {people[-1]} may run")
        elif _comes_back(step.workflow, definition.slug):
            yield Problem(f"{place}.workflow", f"{step.workflow} calls this workflow in turn")


def _comes_back(slug: str, target: str) -> bool:
    """Whether `slug`, or a workflow that it calls by way of what is published, calls `target`."""
    way, seen = [slug], {slug}
    while way:
        called = _published_calls(way.pop())
        if target in called:
            return True
        way += called - seen
        seen |= called
    return False


def _published_calls(slug: str) -> set[str]:
    """The workflows that the published version of a workflow calls."""
    workflow = Workflow.objects.select_related("published").filter(slug=slug).first()
    definition = published_definition(workflow) if workflow else None
    steps = walk(definition.steps) if definition else ()
    return {step.workflow for _, step in steps if isinstance(step, WorkflowStep)}


def _unusable(definition: Definition, workflow: Workflow, author: Person) -> list[Problem]:
    """What the definition names and the site does not have, or these people may not use."""
    people = sorted({author, workflow.run_as}, key=str)
    found = [] if definition.steps else [Problem("steps", "a workflow that is published needs at least one step")]
    found += _uncallable(definition, people)
    for index, trigger in enumerate(definition.triggers):
        found += _unreadable(trigger, f"triggers[{index}]", people)
    named = {step.connection for _, step in walk(definition.steps) if isinstance(step, ActionStep) and step.connection}
    connections = Connection.objects.filter(slug__in=named)
    usable = [set(permitted(person, "use", connections).values_list("slug", flat=True)) for person in people]
    for place, step in walk(definition.steps):
        if not isinstance(step, ActionStep) or not step.connection:
            continue
        if not all(step.connection in slugs for slugs in usable):
            found.append(Problem(f"{place}.connection", f"there is no connection {step.connection!r} that may be used"))
    return found


def _unreadable(trigger: TriggerPart, place: str, people: list[Person]) -> Iterator[Problem]:
    """What a trigger hands on has to be theirs to read."""
    for person in people:
        match trigger:
            case WebhookTrigger(endpoint=slug) if not _may_read(person, WebhookEndpoint.objects.filter(slug=slug)):
                reason = f"there is no webhook endpoint {slug!r} whose deliveries {person} may read"
                yield Problem(f"{place}.endpoint", reason)
            case RunTrigger(workflow=slug) if not _may_read(person, Workflow.objects.filter(slug=slug)):
                yield Problem(f"{place}.workflow", f"there is no workflow {slug!r} whose payloads {person} may read")
            case ModelTrigger(model=label) if not person.has_perm(view_permission(label)):
                yield Problem(f"{place}.model", f"there is no model {label} that {person} may view")


def _may_read(person: Person, queryset: QuerySet[Any]) -> bool:
    return permitted(person, "view_payload", queryset).exists()
