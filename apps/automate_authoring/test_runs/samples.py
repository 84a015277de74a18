"""Sample data of tests: events to start from, and known outputs of steps."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, Func, IntegerField, JSONField, OuterRef, Q, QuerySet, Value

from automate_authoring.test_runs import decisions
from automate_authoring.usability import may_read_events
from automate_connectors.mail.message import SAMPLE
from automate_connectors.registry import find_poll, find_webhook
from automate_connectors.triggers.registry import emitted_sample
from automate_core.definition.document import (
    Definition,
    EventTrigger,
    FormTrigger,
    MailTrigger,
    ManualTrigger,
    ModelTrigger,
    PollTrigger,
    ScheduleTrigger,
    ServiceTrigger,
    Trigger,
)
from automate_core.definition.step_paths import key_of
from automate_core.engine.test_options import NOT_WAITED
from automate_core.events.endpoints import source_condition
from automate_core.models import Event, ExecutionRun, ForeseenEffect, StepRun, StepSample, Workflow
from automate_core.states import StepStatus
from automate_governance.permissions import Person
from automate_plugins.typed_values import write_moment

MAX_OUTPUT = 200_000  # bytes as they are stored: a larger output is no sample
MAX_ROWS = 1_000
NEWEST_RUNS = 20  #: in which a callback is looked for
LATER_ITEM = r"\[[1-9]"  #: in the path of a step: an item of a loop that is not its first
HELD_BACK = ("call", "unknown")  #: the kinds of effects of a dry run that describe a call in place of making it


# --- events -----------------------------------------------------------------------------------------------------------


def sample_events(workflow: Workflow, definition: Definition, person: Person) -> QuerySet[Event]:
    """Stored events that the draft's triggers take by source and type, and that the person may read, newest first."""
    found = Event.objects.none()
    for trigger in definition.triggers:
        if may_read_events(trigger, person):
            source, kind = trigger_source(trigger, workflow)
            found |= Event.objects.filter(source_condition(source), emptied_at=None, **({"type": kind} if kind else {}))
    return found.order_by("-id")


def newest_event(workflow: Workflow, definition: Definition, person: Person) -> Event | None:
    """The newest of them, found by one look-up for each trigger."""
    readable = [trigger for trigger in definition.triggers if may_read_events(trigger, person)]
    found = [_newest(*trigger_source(trigger, workflow)) for trigger in readable]
    return max(filter(None, found), key=lambda event: event.pk, default=None)


def _newest(source: str, kind: str) -> Event | None:
    events = Event.objects.filter(source_condition(source), emptied_at=None, **({"type": kind} if kind else {}))
    return events.order_by("-id").first()


def trigger_source(trigger: Trigger, workflow: Workflow) -> tuple[str, str]:
    """(source, type) of the events that a trigger takes; an empty type takes all."""
    source, kind = trigger.matches
    return source or f"{trigger.__struct_config__.tag}:{workflow.slug}", kind


def example_event(definition: Definition) -> tuple[str, Any]:
    """(type, payload) of an event that the first trigger might bring, where none ever came."""
    trigger = definition.triggers[0] if definition.triggers else None
    now = write_moment(dt.datetime.now(dt.UTC))
    match trigger:
        case ManualTrigger() | FormTrigger():
            return trigger.key, {field.name: decisions.example_answer(field) for field in trigger.inputs}
        case ScheduleTrigger():
            return trigger.key, {"scheduled_for": now, "key": trigger.key}
        case PollTrigger() | ServiceTrigger():
            return trigger.key, connector_sample(trigger)
        case MailTrigger():
            return trigger.key, SAMPLE
        case EventTrigger():
            return trigger.event, dict(emitted_sample(trigger.event))
        case ModelTrigger():
            kind = trigger.on[0] if trigger.on else "updated"
            names = dict.fromkeys(trigger.fields, "example")
            states = {"before": names, "after": names, "changed": list(names)}
            return kind, {"model": trigger.model.lower(), "pk": 1, "operation": kind, **states}
    return (trigger.matches[1] if trigger else ""), {}


def connector_sample(trigger: PollTrigger | ServiceTrigger) -> dict[str, Any]:
    """The payload of an event that a trigger might bring, as its connector describes it."""
    find = find_poll if isinstance(trigger, PollTrigger) else find_webhook
    try:
        _, described = find(trigger.reference)
    except LookupError:
        return {}
    return dict(described.sample)


# --- outputs ----------------------------------------------------------------------------------------------------------


def known_outputs(workflow: Workflow, keys: Iterable[str]) -> dict[str, Any]:
    """Known outputs of these steps: those of `outputs_of_tests`, else those of the newest run.

    Steps of which nothing is known are missing.
    """
    wanted = set(keys)
    found = outputs_of_tests(workflow, wanted)
    if wanted - found.keys():
        found = {**_read(_newest_run(workflow), wanted), **found}
    return found


def outputs_of_tests(workflow: Workflow, keys: Iterable[str], *, in_first_items: bool = False) -> dict[str, Any]:
    """Outputs of these steps: a pinned result, else a mock, else that of the newest test. Two queries.

    With `in_first_items`, those of steps in loops are of the first item, and of no other.
    """
    wanted = set(keys)
    rows = StepSample.objects.filter(workflow=workflow, key__in=wanted).order_by("kind")  # a mock, then a pin
    found = dict(rows.values_list("key", "output"))
    if wanted - found.keys():
        tests = StepRun.objects.filter(run__workflow=workflow, run__cause=ExecutionRun.Cause.TEST)
        tests = tests.exclude(path__regex=LATER_ITEM) if in_first_items else tests
        found = {**_read(tests.exclude(run__version__test__mode="preview"), wanted), **found}
    return found


def _newest_run(workflow: Workflow) -> QuerySet[StepRun]:
    runs = ExecutionRun.objects.filter(workflow=workflow, parent=None).exclude(cause=ExecutionRun.Cause.TEST)
    run = runs.order_by("-id").values_list("pk", flat=True).first()
    return StepRun.objects.filter(run=run) if run else StepRun.objects.none()


def _read(rows: QuerySet[StepRun], keys: set[str]) -> dict[str, Any]:
    """The newest successful output of each of these steps."""
    size = Func(F("output"), function="pg_column_size", output_field=IntegerField())
    good = rows.filter(status=StepStatus.SUCCEEDED, output__isnull=False, output_file=None)
    good = good.alias(size=size).filter(size__lt=MAX_OUTPUT)
    good = good.exclude(is_held_back(), output=Value(None, JSONField()))  # a call that was not made gave nothing
    found: dict[str, Any] = {}
    for path, output in good.order_by("-id").values_list("path", "output")[:MAX_ROWS]:
        if (key := key_of(path)) in keys:
            found.setdefault(key, output)
    return found


def is_held_back() -> Exists:
    """Whether a dry run described the call of an attempt in place of making it."""
    described = Q(*[Q(effects__contains=[{"kind": kind}]) for kind in HELD_BACK], _connector=Q.OR)
    of_attempt = {"run": OuterRef("run"), "path": OuterRef("path"), "attempt": OuterRef("attempt")}
    return Exists(ForeseenEffect.objects.filter(described, **of_attempt))


def received_callbacks(workflow: Workflow, keys: Iterable[str]) -> dict[str, Any]:
    """Outputs of waits to which a callback came: a pinned result, else a mock, else of the newest runs that waited.

    Other tests than real ones do not wait, so what they give is no sample.
    """
    wanted = set(keys)
    if not wanted:
        return {}
    kept = StepSample.objects.filter(workflow=workflow, key__in=wanted).order_by("kind")
    waited = ExecutionRun.objects.filter(workflow=workflow).exclude(version__test__mode__in=["preview", "dry"])
    newest = list(waited.order_by("-id").values_list("pk", flat=True)[:NEWEST_RUNS])
    came = StepRun.objects.filter(run__in=newest, output__outcome="received")
    found = _read(came, wanted) | dict(kept.values_list("key", "output"))
    return {key: output for key, output in found.items() if output != NOT_WAITED}


def keep_sample(
    workflow: Workflow, key: str, kind: StepSample.Kind, output: Any, *, by: Person, run: uuid.UUID | None = None
) -> None:
    """Pin a result of a step, or make a mock of it, in place of what was pinned or mocked before."""
    values = {"output": output, "run": run, "author": by}
    StepSample.objects.update_or_create(workflow=workflow, key=key, kind=kind, defaults=values)


def delete_sample(workflow: Workflow, key: str, kind: StepSample.Kind) -> None:
    """Take a pin or a mock back."""
    StepSample.objects.filter(workflow=workflow, key=key, kind=kind).delete()
