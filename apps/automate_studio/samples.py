"""What a draft's expressions would see: the newest stored event, and what the steps gave in the newest run.

Nothing here asks whether somebody may see it: `for_trigger` and `for_step` do, and give None when they may not.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Func, IntegerField

from automate_core.authoring import may_read_events
from automate_core.definition import Definition, Trigger
from automate_core.drafts.commands import State
from automate_core.drafts.values import StepNode
from automate_core.models import Event, ExecutionRun, StepRun, Workflow
from automate_core.validation import EVENT_NAMES
from automate_governance.permissions import Person, can

MAX_OUTPUT = 200_000  # bytes as they are stored: a larger output is no sample
MAX_PATHS = 300
MAX_PATHS_DEEP = 7
_ITERATION = re.compile(r"\[\d+\]")
_LOOPS = {"for_each", "repeat"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What expressions see. `what` says in words where it comes from; `at` is when that was."""

    scope: dict[str, Any] = field(default_factory=dict)
    what: str = ""
    at: dt.datetime | None = None


@dataclass(frozen=True)
class Withheld:
    """A sample that this person may not see."""


def for_trigger(state: State, key: str, person: Person) -> Sample | Withheld | None:
    """The newest event that the trigger looks at, whatever its filter says of it. None when there is none."""
    found = next((trigger for trigger in state.reading.definition.triggers if trigger.key == key), None)
    if not can(person, "view_payload", state.workflow) or (found and not may_read_events(found, person)):
        return Withheld()
    event = _newest(found, state.workflow) if found else None
    return _of(event) if event else None


def for_step(state: State, node: StepNode, person: Person) -> Sample | Withheld | None:
    """The event and the outputs of the newest run; where nothing ran yet, the newest event alone."""
    workflow, definition = state.workflow, state.reading.definition
    if not can(person, "view_payload", workflow):
        return Withheld()
    runs = ExecutionRun.objects.filter(workflow=workflow, parent=None).exclude(cause=ExecutionRun.Cause.TEST)
    run = runs.select_related("event").order_by("-id").first()
    if run is None:
        readable = [trigger for trigger in definition.triggers if may_read_events(trigger, person)]
        event = next(filter(None, (_newest(trigger, workflow) for trigger in readable)), None)
        return _with_steps(_of(event), definition, {}) if event else None
    sample = _of(run.event) if run.event else Sample(scope={"event": {}}, what="the newest run", at=run.created_at)
    return _with_steps(sample, definition, _outputs(run, set(steps_before(state, node))))


def _with_steps(sample: Sample, definition: Definition, steps: Mapping[str, Any]) -> Sample:
    scope = {**sample.scope, "steps": steps, "vars": definition.vars}
    return Sample(scope=scope, what=f"{sample.what} and its run" if steps else sample.what, at=sample.at)


def _newest(trigger: Trigger, workflow: Workflow) -> Event | None:
    source, kind = trigger.matches
    source = source or f"{trigger.__struct_config__.tag}:{workflow.slug}"
    events = Event.objects.filter(source=source, **({"type": kind} if kind else {}))
    return events.order_by("-id").first()


def _of(event: Event) -> Sample:
    seen = {
        "payload": event.payload,
        "type": event.type,
        "source": event.source,
        "headers": event.headers,
        "id": str(event.pk),
        "time": event.received_at.isoformat(),
    }
    return Sample(scope={"event": seen}, what=f"the newest event, {event}", at=event.received_at)


def _outputs(run: ExecutionRun, keys: set[str]) -> dict[str, Any]:
    """What these steps gave, by key; of loops the last iteration's."""
    size = Func(F("output"), function="pg_column_size", output_field=IntegerField())
    rows = StepRun.objects.filter(run=run, status="succeeded").alias(size=size).filter(size__lt=MAX_OUTPUT)
    found = {}
    for path, output in rows.order_by("id").values_list("path", "output")[:1_000]:
        key = _ITERATION.sub("", path).rpartition("/")[2]
        if key in keys:
            found[key] = {"output": output}
    return found


# --- what can be named ------------------------------------------------------------------------------------------------


def steps_before(state: State, node: StepNode) -> Iterator[str]:
    """The keys of the steps whose output is known at the step's own condition; of a loop, those inside it too."""
    lists = state.draft.lists()

    def inside(outer: StepNode) -> Iterator[str]:
        for slot in outer.slots:
            for inner in lists.get((outer.key, slot), ()):
                yield inner.key
                if inner.kind not in _LOOPS:
                    yield from inside(inner)

    at: StepNode | None = node
    if node.kind == "repeat":
        yield from inside(node)
    while at is not None:
        for other in lists.get(at.place, ()):
            if other.key == at.key:
                break
            yield other.key
            if other.kind not in _LOOPS:
                yield from inside(other)
        at = state.draft.steps.get(at.parent)


def known_paths(state: State, node: StepNode | None) -> list[str]:
    """What can be named without having seen any data: by a trigger's filter (None), or by a step's condition."""
    names = [f"event.{name}" for name in EVENT_NAMES]
    if node is None:
        return names
    names += [f"steps.{key}.output" for key in steps_before(state, node)]
    return names + [f"vars.{name}" for name in state.reading.definition.vars]


def paths(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of all that a name can reach in a value; of a list itself and its first item."""
    if prefix:
        yield prefix, value
    if depth >= MAX_PATHS_DEEP:
        return
    items = value.items() if isinstance(value, dict) else [("0", value[0])] if isinstance(value, list) and value else ()
    for name, inner in items:
        if name and "." not in name and name == name.strip():
            yield from paths(inner, f"{prefix}.{name}" if prefix else name, depth + 1)
