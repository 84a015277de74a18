"""What is wrong with a workflow, in words and places: asked at import, at publish and by the builder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from automate_connectors.registry import find_action
from automate_core.definition import (
    MAX_NESTING,
    MAX_STEPS,
    ActionStep,
    BranchStep,
    Definition,
    Problem,
    Step,
    StopStep,
    slots,
    walk,
)
from automate_core.lookups import Path, TemplateError, describe
from automate_core.rules import RuleError, read
from automate_core.templating import Template, compile_value
from automate_plugins.fields import FieldSpec

NAMES = ("event", "steps", "run")
EVENT_NAMES = ("payload", "type", "source", "headers", "id", "time")


def problems(definition: Definition) -> list[Problem]:
    """Every fault of `definition` that can be seen without the database, in reading order."""
    steps = list(walk(definition.steps))
    if len(steps) > MAX_STEPS:
        return [Problem("steps", f"a workflow has at most {MAX_STEPS:,} steps, not {len(steps):,}")]
    return [*_about_the_whole(definition), *_in_order(definition.steps, "steps", frozenset(), 1)]


def _about_the_whole(definition: Definition) -> Iterator[Problem]:
    try:
        ZoneInfo(definition.timezone)
    except (KeyError, ValueError, OSError):
        yield Problem("timezone", f"{definition.timezone!r} is not a time zone such as Europe/Berlin")
    seen: dict[str, str] = {}
    for place, step in walk(definition.steps):
        if step.key in seen:
            yield Problem(f"{place}.key", f"{step.key!r} is taken by {seen[step.key]}")
        seen.setdefault(step.key, place)
    keys: set[str] = set()
    for index, trigger in enumerate(definition.triggers):
        if trigger.key in keys:
            yield Problem(f"triggers[{index}].key", f"{trigger.key!r} is taken by another trigger")
        keys.add(trigger.key)
        if trigger.filter is not None:
            yield from _in_rule(trigger.filter, f"triggers[{index}].filter", frozenset(), names=("event",))


def _in_order(steps: list[Step], place: str, before: frozenset[str], depth: int) -> Iterator[Problem]:
    """The faults of a list of steps. `before` are the keys whose output can be used."""
    if depth > MAX_NESTING:
        yield Problem(place, f"nested more than {MAX_NESTING} deep")
        return
    for index, step in enumerate(steps):
        here = f"{place}[{index}]"
        match step:
            case ActionStep():
                yield from _in_action(step, here, before)
            case StopStep():
                yield from _in_template(step.message, f"{here}.message", before)
            case BranchStep():
                yield from _in_branch(step, here, before)
        inside: set[str] = set()
        for slot in slots(step):
            yield from _in_order(slot.steps, f"{here}.{slot.place}", before, depth + 1)
            inside |= {inner.key for _, inner in walk(slot.steps)}
        before |= {step.key} | inside


def _in_branch(step: BranchStep, place: str, before: frozenset[str]) -> Iterator[Problem]:
    keys = {"otherwise"}
    for index, arm in enumerate(step.arms):
        if arm.key in keys:
            yield Problem(f"{place}.arms[{index}].key", f"{arm.key!r} is taken by another route")
        keys.add(arm.key)
        yield from _in_rule(arm.when, f"{place}.arms[{index}].when", before)


def _in_action(step: ActionStep, place: str, before: frozenset[str]) -> Iterator[Problem]:
    try:
        _, action = find_action(step.action)
    except LookupError as error:
        yield Problem(f"{place}.action", str(error))
        return
    if action.fields is not None:
        yield from _in_fields(step.inputs, {field.name: field for field in action.fields}, f"{place}.inputs")
    for name, value in step.inputs.items():
        yield from _in_template(value, f"{place}.inputs.{name}", before)


def _in_fields(inputs: dict[str, Any], fields: dict[str, FieldSpec], place: str) -> Iterator[Problem]:
    for name in inputs:
        if name not in fields:
            yield Problem(f"{place}.{name}", f"this action has no such input; it has {', '.join(fields) or 'none'}")
    for name, field in fields.items():
        value = inputs.get(name)
        if isinstance(value, str) and "{" in value:
            continue  # an expression: its value is known when it runs
        if name in inputs or field.default is None:
            problem = field.problem(value)
            if problem:
                yield Problem(f"{place}.{name}", problem)


def _in_template(value: Any, place: str, before: frozenset[str]) -> Iterator[Problem]:
    try:
        template: Template = compile_value(value)
    except TemplateError as error:
        yield Problem(place, str(error))
        return
    for path in template.paths:
        yield from _in_path(path, place, before, NAMES)


def _in_rule(rule: Any, place: str, before: frozenset[str], names: tuple[str, ...] = NAMES) -> Iterator[Problem]:
    if not isinstance(rule, dict | bool):
        yield Problem(place, f"a condition is true, false or an operator with its values, not {rule!r}")
        return
    try:
        paths = read(rule).paths
    except RuleError as error:
        yield Problem(f"{place}.{error.path}" if error.path else place, error.reason)
        return
    for path in paths:
        yield from _in_path(tuple(path.split(".")), place, before, names)


def _in_path(path: Path, place: str, before: frozenset[str], names: tuple[str, ...]) -> Iterator[Problem]:
    """Is there such a name at that place? What payloads hold is known only when they come."""
    shown = describe(path)
    if path[0] not in names:
        yield Problem(place, f"{shown}: there is no {path[0]!r} here; there is {', '.join(names)}")
    elif path[0] == "event" and len(path) > 1 and path[1] not in EVENT_NAMES:
        yield Problem(place, f"{shown}: an event has {', '.join(EVENT_NAMES)}")
    elif path[0] == "steps" and len(path) > 1 and path[1] not in before:
        there = ", ".join(sorted(before)) or "none"
        yield Problem(place, f"{shown}: no step {path[1]!r} comes before; steps before this one: {there}")
    elif path[0] == "steps" and len(path) > 2 and path[2] != "output":
        yield Problem(place, f"{shown}: a step has an output, so write {describe(path[:2])}.output")
