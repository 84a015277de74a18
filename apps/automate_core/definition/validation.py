"""Validation of a definition: problems with their places, for imports, publishing and the builder."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from automate_connectors.adapters.base import Action
from automate_connectors.registry import find_action
from automate_core.definition.document import (
    MAX_NESTING,
    MAX_SEARCH_TERMS,
    MAX_STEPS,
    OTHERWISE,
    TIMEOUT,
    ActionStep,
    ApprovalStep,
    BranchStep,
    Definition,
    ForEachStep,
    FormField,
    ManualTrigger,
    NamedSlot,
    ParallelStep,
    Problem,
    RepeatStep,
    Route,
    RunTrigger,
    ScheduleTrigger,
    Step,
    StopStep,
    TryStep,
    WaitStep,
    WorkflowStep,
)
from automate_core.definition.literal_inputs import literal_input_problems
from automate_core.definition.plain_secrets import plain_secrets
from automate_core.definition.scope import BEFORE_A_RUN, ERROR_NAMES, EVENT_NAMES, NameScope, root_scope
from automate_core.definition.slots import slots, walk
from automate_core.definition.validators import registered_problems
from automate_core.expressions.durations import parse_duration
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.expressions.json_path import Path, TemplateError, describe
from automate_core.expressions.operators import ORDERING
from automate_core.expressions.templating import Template, as_template, compile_value, expressions
from automate_core.expressions.templating.limits import MAX_WRITTEN
from automate_governance.secrets.resolver import NOT_A_REFERENCE, is_reference
from automate_plugins.fields import FieldSpec


@dataclass(frozen=True)
class _Here:
    """A place of the workflow `slug`: the names that expressions there can use."""

    slug: str
    scope: NameScope

    def after(self, step: Step) -> _Here:
        return replace(self, scope=self.scope.after(step))

    def inside(self, step: Step, slot_key: str) -> _Here:
        return replace(self, scope=self.scope.inside(step, slot_key))

    def with_names(self, names: frozenset[str]) -> _Here:
        return replace(self, scope=replace(self.scope, names=names))


def find_problems(definition: Definition) -> list[Problem]:
    """Every fault of `definition` that can be seen without the database, in reading order."""
    steps = list(walk(definition.steps))
    if len(steps) > MAX_STEPS:
        return [Problem("steps", f"a workflow has at most {MAX_STEPS:,} steps, not {len(steps):,}")]
    written = sum(map(len, expressions(msgspec.to_builtins(definition))))
    if written > MAX_WRITTEN:
        return [
            Problem("steps", f"the expressions of a workflow are at most {MAX_WRITTEN:,} characters, not {written:,}")
        ]
    here = _Here(definition.slug, root_scope(definition))
    return [*_about_the_whole(definition, here), *_in_order(definition.steps, "steps", here)]


def _about_the_whole(definition: Definition, here: _Here) -> Iterator[Problem]:
    yield from _zone(definition.timezone, "timezone")
    seen: dict[str, str] = {}
    for place, step in walk(definition.steps):
        if step.key in seen:
            yield Problem(f"{place}.key", f"{step.key!r} is taken by {seen[step.key]}")
        seen.setdefault(step.key, place)
    if definition.concurrency and definition.concurrency.key:
        event_only = here.with_names(BEFORE_A_RUN)
        yield from _in_template(definition.concurrency.key, "concurrency.key", event_only, light=True)
    yield from _search_terms(definition, here)
    keys: set[str] = set()
    for index, trigger in enumerate(definition.triggers):
        place = f"triggers[{index}]"
        if trigger.key in keys:
            yield Problem(f"{place}.key", f"{trigger.key!r} is taken by another trigger")
        keys.add(trigger.key)
        if trigger.filter is not None:
            yield from _in_rule(trigger.filter, f"{place}.filter", here.with_names(frozenset({"event"})))
        yield from registered_problems(trigger, place)
        match trigger:
            case ScheduleTrigger():
                yield from _schedule(trigger, place)
            case ManualTrigger():
                yield from _form(trigger.inputs, f"{place}.inputs")
            case RunTrigger() if trigger.workflow == definition.slug:
                yield Problem(f"{place}.workflow", "a workflow cannot be started by its own end")


def _search_terms(definition: Definition, here: _Here) -> Iterator[Problem]:
    declared = definition.search_terms
    if len(declared) > MAX_SEARCH_TERMS:
        yield Problem("search_terms", f"there are at most {MAX_SEARCH_TERMS}, not {len(declared)}")
    event_only = here.with_names(BEFORE_A_RUN)
    if definition.subject.strip():
        yield from _in_template(as_template(definition.subject), "subject", event_only, light=True)
    for name, expression in declared.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            yield Problem("search_terms", f"the name {name!r} is not lower-case letters, digits and underscores")
        yield from _in_template(as_template(expression), f"search_terms.{name}", event_only, light=True)


def _zone(name: str, place: str) -> Iterator[Problem]:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        yield Problem(place, f"{name!r} is not a time zone such as Europe/Berlin")


def _schedule(trigger: ScheduleTrigger, place: str) -> Iterator[Problem]:
    if trigger.timezone:
        yield from _zone(trigger.timezone, f"{place}.timezone")
    if bool(trigger.cron) == (trigger.every is not None):
        yield Problem(place, "a schedule needs one of cron and every")
    elif trigger.cron and len(trigger.cron.split()) != 5:
        yield Problem(f"{place}.cron", f"a cron expression has five fields, not {len(trigger.cron.split())}")
    elif trigger.cron:
        try:
            CronSim(trigger.cron, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        except CronSimError as error:
            yield Problem(f"{place}.cron", f"{trigger.cron!r} is no cron expression: {error}")
    else:
        yield from _in_duration(trigger.every, f"{place}.every", least=1)


def _in_duration(value: Any, place: str, *, least: float = 0) -> Iterator[Problem]:
    """A span that is known now; an expression's is known when it runs."""
    if isinstance(value, str) and "{{" in value:
        return
    try:
        if parse_duration(value) < least:
            yield Problem(place, f"at least {least:g} seconds are needed")
    except ValueError as error:
        yield Problem(place, str(error))


def _form(fields: list[FormField], place: str) -> Iterator[Problem]:
    names: set[str] = set()
    for index, field in enumerate(fields):
        if field.name in names:
            yield Problem(f"{place}[{index}].name", f"{field.name!r} is taken by another field")
        names.add(field.name)
        if (field.kind == "choice") != bool(field.choices):
            yield Problem(f"{place}[{index}].choices", "a choice, and nothing else, needs choices")


def _in_order(steps: list[Step], place: str, here: _Here) -> Iterator[Problem]:
    """The faults of a list of steps."""
    if here.scope.depth > MAX_NESTING:
        yield Problem(place, f"nested more than {MAX_NESTING} deep")
        return
    for index, step in enumerate(steps):
        yield from _in_step(step, f"{place}[{index}]", here)
        here = here.after(step)


def _in_step(step: Step, place: str, here: _Here) -> Iterator[Problem]:
    """The faults of one step and of all inside it."""
    yield from _hollow(step, place)
    match step:
        case ActionStep():
            yield from _in_action(step, place, here)
        case BranchStep():
            yield from _in_slot_keys(step.arms, f"{place}.arms", OTHERWISE)
            for index, route in enumerate(step.arms):
                yield from _in_rule(route.when, f"{place}.arms[{index}].when", here)
        case ParallelStep():
            yield from _in_slot_keys(step.arms, f"{place}.arms", "")
        case ForEachStep():
            if not (isinstance(step.items, list) or (isinstance(step.items, str) and "{{" in step.items)):
                reason = "For each needs a list, or an expression that gives one"
                yield Problem(f"{place}.items", reason, missing=not step.items)
            yield from _in_template(step.items, f"{place}.items", here)
        case RepeatStep():
            yield from _in_rule(step.until, f"{place}.until", replace(here, scope=here.scope.at_condition(step)))
        case WaitStep():
            yield from _in_wait(step, place, here)
        case ApprovalStep():
            yield from _in_approval(step, place, here)
        case WorkflowStep():
            yield from _in_template(step.payload, f"{place}.payload", here)
            if step.workflow == here.slug:
                yield Problem(f"{place}.workflow", "a workflow cannot start itself")
        case StopStep():
            yield from _in_template(step.message, f"{place}.message", here)
    for slot in slots(step):
        yield from _in_order(slot.steps, f"{place}.{slot.place}", here.inside(step, slot.key))


def _hollow(step: Step, place: str) -> Iterator[Problem]:
    """Problems of containers without steps or routes."""
    match step:
        case BranchStep(arms=[]):
            yield Problem(f"{place}.arms", "a branch needs at least one route", missing=True)
        case ParallelStep(arms=[]):
            yield Problem(f"{place}.arms", "a parallel step needs at least one track", missing=True)
        case ForEachStep(steps=[]) | RepeatStep(steps=[]) | TryStep(steps=[]):
            yield Problem(f"{place}.steps", "there is no step in it yet", missing=True)


def _in_slot_keys(named_slots: Iterable[Route | NamedSlot], place: str, reserved: str) -> Iterator[Problem]:
    keys = {reserved}
    for index, named_slot in enumerate(named_slots):
        if named_slot.key in keys:
            yield Problem(f"{place}[{index}].key", f"{named_slot.key!r} is taken by another route")
        keys.add(named_slot.key)


def _in_wait(step: WaitStep, place: str, here: _Here) -> Iterator[Problem]:
    if (step.duration is not None) + (step.until is not None) + step.callback != 1:
        is_open = step.duration is None and step.until is None and not step.callback
        yield Problem(place, "a wait needs one of duration, until and callback", missing=is_open)
    for name in ("duration", "timeout"):
        if (value := getattr(step, name)) is not None:
            yield from _in_duration(value, f"{place}.{name}")
            yield from _in_template(value, f"{place}.{name}", here)
    if step.until is not None:
        yield from _in_template(step.until, f"{place}.until", here)
        if "{{" not in step.until:
            try:
                dt.datetime.fromisoformat(step.until)
            except ValueError:
                yield Problem(f"{place}.until", f"{step.until!r} is not a time such as 2026-12-24T18:00")
    if step.callback and step.timeout is None:
        yield Problem(f"{place}.timeout", "a wait for a callback needs a timeout")
    if not step.callback and (step.timeout is not None or step.on_timeout is not None):
        yield Problem(f"{place}.timeout", "only a wait for a callback has a timeout")
    yield from _signature(step, place)


def _signature(step: WaitStep, place: str) -> Iterator[Problem]:
    if not step.scheme:
        for name in ("secret", "scheme_config"):
            if getattr(step, name):
                yield Problem(f"{place}.{name}", "it needs the scheme by which callbacks are signed")
        return
    if not step.callback:
        yield Problem(f"{place}.scheme", "only a wait for a callback has a scheme")
    yield from registered_problems(step, place)
    if not step.secret:
        yield Problem(f"{place}.secret", "name the secret that callbacks are signed with", missing=True)
    elif not is_reference(step.secret):
        yield Problem(f"{place}.secret", NOT_A_REFERENCE)


def _in_approval(step: ApprovalStep, place: str, here: _Here) -> Iterator[Problem]:
    if not step.assignees and not step.groups:
        yield Problem(f"{place}.assignees", "say who decides: people (assignees) or groups", missing=True)
    if not step.outcomes:
        yield Problem(f"{place}.outcomes", "an approval needs at least one outcome")
    yield from _in_slot_keys(step.outcomes, f"{place}.outcomes", TIMEOUT)
    yield from _form(step.form, f"{place}.form")
    for name in ("timeout", "remind_after"):
        if (value := getattr(step, name)) is not None:
            yield from _in_duration(value, f"{place}.{name}")
            yield from _in_template(value, f"{place}.{name}", here)
    for name in ("assignees", "groups", "excluded", "message", "context"):
        yield from _in_template(getattr(step, name), f"{place}.{name}", here)


def _in_action(step: ActionStep, place: str, here: _Here) -> Iterator[Problem]:
    if step.on_error is not None and step.on_error.value is msgspec.UNSET and not step.on_error.steps:
        yield Problem(f"{place}.on_error", "say what to do on an error: give a value, or put a step there")
    elif step.on_error is not None and step.on_error.value is not msgspec.UNSET and step.on_error.steps:
        yield Problem(f"{place}.on_error", "what to do on an error is a value or steps, not both")
    elif step.on_error is not None and step.on_error.value is not msgspec.UNSET:
        yield from _in_template(step.on_error.value, f"{place}.on_error.value", here.inside(step, "on_error"))
    try:
        _, action = find_action(step.action)
    except LookupError as error:
        yield Problem(f"{place}.action", str(error))
        return
    if action.fields is not None:
        yield from _in_fields(step.inputs, {field.name: field for field in action.fields}, f"{place}.inputs")
        yield from _in_choice(step.inputs, action, f"{place}.inputs")
    for name, reason in literal_input_problems(action, step.inputs):
        yield Problem(f"{place}.inputs.{name}", reason)
    for name in plain_secrets(action, step.inputs):
        yield Problem(f"{place}.inputs.{name}", "this is a secret in plain text: keep it in a connection")
    for name, value in step.inputs.items():
        yield from _in_template(value, f"{place}.inputs.{name}", here)


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
                yield Problem(f"{place}.{name}", problem, missing=value is None)


def _in_choice(inputs: dict[str, Any], action: Action, place: str) -> Iterator[Problem]:
    if action.needs_one_of and not any(inputs.get(name) for name in action.needs_one_of):
        labels = {field.name: field.label or field.name for field in action.fields or ()}
        named = " or ".join(labels.get(name, name) for name in action.needs_one_of)
        yield Problem(f"{place}.{action.needs_one_of[0]}", f"fill in {named}", missing=True)


def _in_template(value: Any, place: str, here: _Here, *, light: bool = False) -> Iterator[Problem]:
    """The faults of the templates in a value; with `light`, it must render at once."""
    try:
        template: Template = _compiled(value) if isinstance(value, str) else compile_value(value)
    except TemplateError as error:
        yield Problem(place, str(error))
        return
    if light and not template.is_light:
        yield Problem(place, "this is computed before the run starts: use names and simple filters, no loops or sums")
    for path in template.paths:
        yield from _in_path(path, place, here)


@functools.lru_cache(maxsize=4_096)
def _compiled(text: str) -> Template:
    """A text's template: a draft is asked about all of its texts at every edit. Raises TemplateError."""
    return compile_value(text)


def _in_rule(rule: Any, place: str, here: _Here) -> Iterator[Problem]:
    if rule is None:
        yield Problem(place, "a condition is needed: say when this holds", missing=True)
        return
    if not isinstance(rule, dict | bool):
        yield Problem(place, f"a condition is true, false or an operator with its values, not {rule!r}")
        return
    try:
        paths = read_rule(rule).paths
    except RuleError as error:
        yield Problem(f"{place}.{error.path}" if error.path else place, error.reason)
        return
    for path in paths:
        if path:
            yield from _in_path(tuple(path.split(".")), place, here)
        else:
            yield Problem(place, "one row has no field", missing=True)
    if _lacks_value(rule):
        yield Problem(place, "one row has no value", missing=True)


def _lacks_value(rule: Any) -> bool:
    """Whether something is compared as a number or a time with an empty text, which never holds."""
    if isinstance(rule, list):
        return any(_lacks_value(each) for each in rule)
    if not isinstance(rule, dict):
        return False
    return any(
        (name in ORDERING and isinstance(each, list) and "" in each) or _lacks_value(each)
        for name, each in rule.items()
    )


def _in_path(path: Path, place: str, here: _Here) -> Iterator[Problem]:
    """Is there such a name at that place? What payloads hold is known only when they come."""
    names = here.scope.names
    shown, first, second = describe(path), path[0], path[1] if len(path) > 1 else None
    if first not in names:
        yield Problem(place, f"{shown}: there is no {first!r} here; there is {', '.join(sorted(names))}")
    elif second is None:
        return
    elif first == "event" and second not in EVENT_NAMES:
        yield Problem(place, f"{shown}: an event has {', '.join(EVENT_NAMES)}")
    elif first == "error" and second not in ERROR_NAMES:
        yield Problem(place, f"{shown}: an error has {', '.join(ERROR_NAMES)}")
    elif first == "vars" and second not in here.scope.variables:
        there = ", ".join(sorted(here.scope.variables)) or "none"
        yield Problem(place, f"{shown}: there is no variable {second!r}; variables: {there}")
    elif first == "callbacks" and second not in here.scope.callbacks:
        there = ", ".join(sorted(here.scope.callbacks)) or "none"
        yield Problem(place, f"{shown}: no step {second!r} waits for a callback; steps that do: {there}")
    elif first == "steps" and second not in here.scope.step_keys:
        there = ", ".join(sorted(here.scope.step_keys)) or "none"
        yield Problem(place, f"{shown}: no step {second!r} comes before; steps before this one: {there}")
    elif first == "steps" and len(path) > 2 and path[2] != "output":
        yield Problem(place, f"{shown}: a step has an output, so write {describe(path[:2])}.output")
