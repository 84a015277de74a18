"""Triggers that start other workflows as well: two workflows on one webhook or poll run for the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q

from automate_core.definition.document import Definition, PollTrigger, ServiceTrigger, Trigger, WebhookTrigger
from automate_core.models import ActiveTrigger, Workflow
from automate_core.runs.activation import trigger_columns
from automate_governance.permissions import User, permitted
from automate_plugins import text

_SAME = {"poll": ("poll", "connection", "inputs"), "service": ("webhook", "connection", "inputs")}


def find_shared_triggers(definition: Definition, slug: str) -> dict[str, list[Workflow]]:
    """Return the workflows that run and that an enabled trigger of `definition` would start with, by its key.

    `slug` is that of the workflow itself. Two triggers with different conditions are taken to mean different things.
    One query, where there are such triggers.
    """
    kinds = WebhookTrigger | PollTrigger | ServiceTrigger
    wanted = [each for each in definition.enabled_triggers if isinstance(each, kinds)]
    if not wanted:
        return {}
    sources = [each.matches[0] for each in wanted if isinstance(each, WebhookTrigger)]
    running = ActiveTrigger.objects.filter(workflow__status__in=[Workflow.Status.ACTIVE, Workflow.Status.PAUSED])
    others = list(
        running.filter(Q(source__in=sources) | Q(kind__in=_SAME))
        .exclude(workflow__slug=slug)
        .select_related("workflow__published")
        .defer("workflow__published__definition")
        .order_by("workflow__name", "workflow", "pk")
    )
    found = {part.key: list(dict.fromkeys(each.workflow for each in others if _is_same(part, each))) for part in wanted}
    return {key: shared for key, shared in found.items() if shared}


def shared_trigger_reasons(definition: Definition, slug: str, viewer: User | None = None) -> Iterator[tuple[str, str]]:
    """Yield (key of the trigger, sentence) for triggers that start other workflows, named as far as `viewer` may view
    them."""
    shared = find_shared_triggers(definition, slug)
    pks = {each.pk for found in shared.values() for each in found}
    seen: set[int] = set()
    if viewer is not None and pks:
        seen = set(permitted(viewer, "view", Workflow.objects.filter(pk__in=pks)).values_list("pk", flat=True))
    kinds = {each.key: each for each in definition.triggers}
    for key, found in shared.items():
        names = ", ".join(f"{each.name} ({each.published})" for each in found if each.pk in seen)
        yield key, _reason(isinstance(kinds[key], PollTrigger), names)


def _reason(is_poll: bool, names: str) -> str:
    match is_poll, bool(names):
        case True, True:
            return text("This poll also starts %(workflows)s: each item runs in all of them.", workflows=names)
        case True, False:
            return text("This poll also starts another workflow, which you cannot view.")
        case False, True:
            return text("This webhook also starts %(workflows)s: each event runs in all of them.", workflows=names)
    return text("This webhook also starts another workflow, which you cannot view.")


def _is_same(part: Trigger, other: ActiveTrigger) -> bool:
    """Whether both take the same events, as far as can be told without any."""
    if part.filter is not None and other.filter is not None and part.filter != other.filter:
        return False
    columns = trigger_columns(part)
    if columns["kind"] != other.kind:
        return False
    if isinstance(part, WebhookTrigger):
        return part.matches[0] == other.source and _overlap(part.event, other.event_type)
    if any(columns["config"].get(name) != other.config.get(name) for name in _SAME[other.kind]):
        return False
    return _events_overlap(columns["config"], other.config)


def _overlap(one: str, two: str) -> bool:
    """Whether two event types have events in common; an empty one is all."""
    return not one or not two or one == two


def _events_overlap(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    mine: Sequence[str] = one.get("events") or ()
    others: Sequence[str] = two.get("events") or ()
    return not mine or not others or bool({*mine} & {*others})
