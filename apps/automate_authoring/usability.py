"""Objects that a workflow names and people may not use: connections, secrets, workflows, and events of triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from automate_authoring.lint_rules.lint import is_plain
from automate_authoring.pool_problems import find_pool_problems
from automate_connectors.models import Connection
from automate_connectors.stored.versions import hold_connectors
from automate_core.definition.document import (
    CONNECTOR_TRIGGERS,
    ActionStep,
    ApprovalStep,
    Definition,
    DefinitionError,
    EventTrigger,
    ModelTrigger,
    PollTrigger,
    Problem,
    RunTrigger,
    ServiceTrigger,
    WaitStep,
    WebhookTrigger,
    WorkflowStep,
)
from automate_core.definition.document import Trigger as TriggerPart
from automate_core.definition.published import published_definition
from automate_core.definition.slots import walk
from automate_core.engine import assignees
from automate_core.events import event_types
from automate_core.models import WebhookEndpoint, Workflow
from automate_core.triggers import forms, mail
from automate_core.triggers.model_registry import view_permission
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person, permitted, scope_refusal
from automate_governance.secrets import use
from automate_plugins import text


def _uncallable(definition: Definition, people: list[Person]) -> Iterator[Problem]:
    """Calls of workflows that these people may not run, and calls that come back to this workflow."""
    calls = [(place, step.workflow) for place, step in walk(definition.steps) if isinstance(step, WorkflowStep)]
    if not calls:
        return
    called = {slug for _, slug in calls}
    there = Workflow.objects.filter(slug__in=called)
    runnable = [set(permitted(person, "run", there).values_list("slug", flat=True)) for person in people]
    back = _coming_back(called, definition.slug)
    for place, slug in calls:
        if not all(slug in slugs for slugs in runnable):
            reason = scope_refusal("workflow:run", repr(slug)) or text(
                "There is no workflow %(name)s that %(person)s can run.", name=repr(slug), person=str(people[-1])
            )
            yield Problem(f"{place}.workflow", reason)
        elif slug in back:
            reason = text("%(name)s calls this workflow. Workflows cannot call each other in a circle.", name=slug)
            yield Problem(f"{place}.workflow", reason)


def _coming_back(slugs: set[str], target: str) -> set[str]:
    """The workflows that reach `target` by published calls, directly or not. One query a level."""
    calls: dict[str, set[str]] = {}
    level = slugs
    while level:
        calls |= _published_calls(level)
        level = set().union(*(calls[slug] for slug in level)) - calls.keys()
    found = {slug for slug in calls if target in calls[slug]}
    while more := {slug for slug in calls if calls[slug] & found} - found:
        found |= more
    return found & slugs


def _published_calls(slugs: set[str]) -> dict[str, set[str]]:
    """The workflows that the published versions of these call."""
    calls: dict[str, set[str]] = {slug: set() for slug in slugs}
    for workflow in Workflow.objects.select_related("published").filter(slug__in=slugs, published__isnull=False):
        definition = published_definition(workflow)
        steps = walk(definition.steps) if definition else ()
        calls[workflow.slug] = {step.workflow for _, step in steps if isinstance(step, WorkflowStep)}
    return calls


def unusable(definition: Definition, people: list[Person]) -> list[Problem]:
    """Problems of names that do not exist on the site or that these people may not use."""
    found = [] if definition.steps else [Problem("steps", text("Add at least one step."), missing=True)]
    found += _uncallable(definition, people)
    found += forms.site_problems(definition)
    found += mail.site_problems(definition)
    found += find_pool_problems(definition)
    found += _unknown_groups(definition)
    for index, trigger in enumerate(definition.triggers):
        found += unreadable(trigger, f"triggers[{index}]", people)
    by_connector = [
        (f"triggers[{index}]", trigger)
        for index, trigger in enumerate(definition.triggers)
        if isinstance(trigger, CONNECTOR_TRIGGERS) and trigger.connection
    ]
    named = {step.connection for _, step in walk(definition.steps) if isinstance(step, ActionStep) and step.connection}
    named |= {trigger.connection for _, trigger in by_connector}
    connections = Connection.objects.filter(slug__in=named)
    usable = [set(permitted(person, "use", connections).values_list("slug", flat=True)) for person in people]
    found += _unusable_triggers(by_connector, usable, people)
    for place, step in walk(definition.steps):
        if isinstance(step, WaitStep) and step.secret:
            refused = [
                reason
                for each in people
                for _, reason in use.find_forbidden_references(each, {"secret": [step.secret]})
            ]
            found += [Problem(f"{place}.secret", reason) for reason in refused[:1]]
        if not isinstance(step, ActionStep) or not step.connection:
            continue
        if not all(step.connection in slugs for slugs in usable):
            found.append(_unusable_connection(step.connection, place, people))
    return found


def _unknown_groups(definition: Definition) -> Iterator[Problem]:
    """Groups that an approval names without an expression, and that there are not. One query, where any are named."""
    asked = [(place, step) for place, step in walk(definition.steps) if isinstance(step, ApprovalStep)]
    names = {name for _, step in asked for name in step.groups if is_plain(name)}
    lost = names - assignees.find_groups(names).keys() if names else set()
    for place, step in asked:
        if unknown := [name for name in step.groups if name in lost]:
            yield Problem(f"{place}.groups", text("No group is called %(names)s.", names=", ".join(unknown)))


def check_connectors(definition: Definition) -> None:
    """Keep the connectors of a definition from being deleted until it is published. In a transaction.

    Raises DefinitionError for those that were deleted since the definition was checked.
    """
    named = [(f"{place}.action", step.action) for place, step in walk(definition.steps) if isinstance(step, ActionStep)]
    named += [
        (f"triggers[{index}]", trigger.reference)
        for index, trigger in enumerate(definition.triggers)
        if isinstance(trigger, CONNECTOR_TRIGGERS)
    ]
    gone = hold_connectors({reference.partition(".")[0] for _, reference in named})
    if gone:
        reason = text("The connector %(code)s was deleted or disabled.", code=", ".join(sorted(gone)))
        raise DefinitionError([Problem(place, reason) for place, name in named if name.partition(".")[0] in gone])


def _unusable_connection(slug: str, place: str, people: list[Person]) -> Problem:
    reason = scope_refusal("connection:use", repr(slug)) or text(
        "There is no connection %(name)s that %(people)s can use. Create it, choose another one, or ask"
        " its owner to share it.",
        name=repr(slug),
        people=", ".join(map(sign_in_name, people)),
    )
    return Problem(f"{place}.connection", reason)


def _unusable_triggers(
    by_connector: list[tuple[str, PollTrigger | ServiceTrigger]], usable: list[set[str]], people: list[Person]
) -> Iterator[Problem]:
    """Connections of triggers that these people may not use, or that are of another connector. One query at most."""
    if not by_connector:
        return
    slugs = {trigger.connection for _, trigger in by_connector}
    connectors = dict(Connection.objects.filter(slug__in=slugs).values_list("slug", "connector"))
    for place, trigger in by_connector:
        if not all(trigger.connection in slugs for slugs in usable):
            yield _unusable_connection(trigger.connection, place, people)
        elif connectors.get(trigger.connection) != trigger.reference.partition(".")[0]:
            reason = text("The connection %(name)s is one of another connector.", name=trigger.connection)
            yield Problem(f"{place}.connection", reason)


def may_read_events(trigger: TriggerPart, person: Person) -> bool:
    """Whether the person may read the events of a trigger, independent of the workflow's author."""
    return not any(unreadable(trigger, "", [person]))


def unreadable(trigger: TriggerPart, place: str, people: list[Person]) -> Iterator[Problem]:
    """Problems of a trigger whose events these people may not read."""
    if isinstance(trigger, EventTrigger) and not event_types.is_declared(trigger.event):
        yield Problem(f"{place}.event", event_types.listen_problem(people[0], trigger.event))
        return
    if (forbidden := [person for person in people if not _may_listen(trigger, person)]) and (
        found := _unreadable_problem(trigger, place, forbidden)
    ):
        yield found


def _may_listen(trigger: TriggerPart, person: Person) -> bool:
    match trigger:
        case EventTrigger(event=kind):
            return not event_types.listen_problem(person, kind)
        case WebhookTrigger(endpoint=slug):
            return _may_read(person, WebhookEndpoint.objects.filter(slug=slug))
        case RunTrigger(workflow=slug):
            return _may_read(person, Workflow.objects.filter(slug=slug))
        case ModelTrigger(model=label):
            return _may_view(person, label)
    return True


def _unreadable_problem(trigger: TriggerPart, place: str, people: list[Person]) -> Problem | None:
    """One problem of a trigger whose events these people may not read: they are one cause."""
    person = ", ".join(map(sign_in_name, people))
    match trigger:
        case EventTrigger(event=kind):
            return Problem(f"{place}.event", event_types.listen_problem(people[0], kind))
        case WebhookTrigger(endpoint=slug):
            reason = scope_refusal("webhookendpoint:view_payload", repr(slug)) or text(
                "There is no webhook endpoint %(name)s whose payloads %(person)s can view. Choose a webhook.",
                name=repr(slug),
                person=person,
            )
            return Problem(f"{place}.endpoint", reason)
        case RunTrigger(workflow=slug):
            reason = scope_refusal("workflow:view_payload", repr(slug)) or text(
                "There is no workflow %(name)s whose payloads %(person)s can view.", name=repr(slug), person=person
            )
            return Problem(f"{place}.workflow", reason)
        case ModelTrigger(model=label):
            reason = text("There is no model %(name)s that %(person)s can view.", name=label, person=person)
            return Problem(f"{place}.model", reason)
    return None


def _may_view(person: Person, label: str) -> bool:
    """Whether there is such a model, and Django lets the person view it. A draft may name what is none."""
    try:
        return person.has_perm(view_permission(label))
    except (LookupError, ValueError):
        return False


def _may_read(person: Person, queryset: QuerySet[Any]) -> bool:
    return permitted(person, "view_payload", queryset).exists()
