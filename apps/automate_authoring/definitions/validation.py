"""Validation of a definition: problems with their places, for imports, publishing and the builder."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from automate_authoring.definitions import form_rules
from automate_authoring.definitions.compared_values import refuse_value, refused_texts, refused_values
from automate_authoring.definitions.missing_names import describe_missing_name
from automate_authoring.definitions.scope import BEFORE_A_RUN, NameScope, root_scope
from automate_authoring.definitions.side_by_side import refuse_side_by_side
from automate_connectors.adapters.base import Action, ActionVersionError
from automate_connectors.conditions import are_on_items
from automate_connectors.registry import find_action
from automate_core.definition import reply_rules
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
    FormTrigger,
    ManualTrigger,
    NamedSlot,
    ParallelStep,
    Problem,
    RepeatStep,
    ReplyStep,
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
from automate_core.definition.parsing import too_deep
from automate_core.definition.plain_secrets import plain_secrets
from automate_core.definition.slots import slots, walk
from automate_core.definition.validators import registered_problems
from automate_core.expressions.durations import parse_duration
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.expressions.json_path import Path, TemplateError
from automate_core.expressions.operators import ORDERING
from automate_core.expressions.templating import Template, as_template, compile_value, expressions
from automate_core.expressions.templating.limits import MAX_WRITTEN
from automate_governance.secrets.resolver import NOT_A_REFERENCE, is_reference
from automate_llm.schemas import Schema, SchemaError
from automate_plugins import ntext, text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined, marked


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


def find_problems(definition: Definition, deleted_name: Callable[[str], str] | None = None) -> list[Problem]:
    """Every fault of `definition` that can be seen without the database, in reading order.

    `deleted_name` gives the name that a deleted step of a draft had, by its key.
    """
    steps = list(walk(definition.steps))
    if len(steps) > MAX_STEPS:
        return [
            Problem(
                "steps",
                text(
                    "A workflow can have at most %(maximum)s steps, not %(count)s.", maximum=MAX_STEPS, count=len(steps)
                ),
            )
        ]
    written = sum(map(len, expressions(msgspec.to_builtins(definition))))
    if written > MAX_WRITTEN:
        return [
            Problem(
                "steps",
                text(
                    "The expressions of a workflow can have at most %(maximum)s characters in total, not %(count)s.",
                    maximum=MAX_WRITTEN,
                    count=written,
                ),
            )
        ]
    scope = root_scope(definition)
    here = _Here(definition.slug, replace(scope, deleted_name=deleted_name) if deleted_name else scope)
    return [*_about_the_whole(definition, here), *_in_order(definition.steps, "steps", here)]


def _about_the_whole(definition: Definition, here: _Here) -> Iterator[Problem]:
    yield from _zone(definition.timezone, "timezone")
    seen: dict[str, str] = {}
    for place, step in walk(definition.steps):
        if step.key in seen:
            yield Problem(
                f"{place}.key",
                text("The key %(key)s is already used by %(place)s.", key=repr(step.key), place=seen[step.key]),
            )
        seen.setdefault(step.key, place)
    if definition.concurrency and definition.concurrency.key:
        event_only = here.with_names(BEFORE_A_RUN)
        yield from _in_template(definition.concurrency.key, "concurrency.key", event_only, light=True)
    yield from _search_terms(definition, here)
    yield from _agent_tool(definition)
    keys: set[str] = set()
    for index, trigger in enumerate(definition.triggers):
        place = f"triggers[{index}]"
        if trigger.key in keys:
            yield Problem(
                f"{place}.key", text("The key %(key)s is already used by another trigger.", key=repr(trigger.key))
            )
        keys.add(trigger.key)
        if trigger.filter is not None:
            yield from _in_rule(trigger.filter, f"{place}.filter", here.with_names(frozenset({"event"})))
        yield from registered_problems(trigger, place)
        match trigger:
            case ScheduleTrigger():
                yield from _schedule(trigger, place)
            case ManualTrigger():
                yield from form_rules.field_problems(trigger.inputs, f"{place}.inputs")
            case FormTrigger():
                yield from form_rules.form_problems(trigger, place)
            case RunTrigger() if trigger.workflow == definition.slug:
                yield Problem(f"{place}.workflow", text("A workflow cannot be started by the end of its own runs."))


def _search_terms(definition: Definition, here: _Here) -> Iterator[Problem]:
    declared = definition.search_terms
    if len(declared) > MAX_SEARCH_TERMS:
        yield Problem(
            "search_terms",
            text(
                "At most %(maximum)s search terms are allowed, not %(count)s.",
                maximum=MAX_SEARCH_TERMS,
                count=len(declared),
            ),
        )
    event_only = here.with_names(BEFORE_A_RUN)
    if definition.subject.strip():
        yield from _in_template(as_template(definition.subject), "subject", event_only, light=True)
    for name, expression in declared.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            yield Problem(
                "search_terms",
                text(
                    "%(term)s: use lowercase letters, digits and underscores, starting with a letter.", term=repr(name)
                ),
            )
        yield from _in_template(as_template(expression), f"search_terms.{name}", event_only, light=True)


def _agent_tool(definition: Definition) -> Iterator[Problem]:
    if definition.agents is None or not definition.agents.enabled:
        return
    if not any(isinstance(trigger, ManualTrigger) for trigger in definition.triggers):
        yield Problem("agents", text("Add a manual trigger: agents start the workflow with its inputs."))
    if definition.agents.output is not None:
        try:
            Schema(definition.agents.output)
        except SchemaError as error:
            yield Problem("agents.output", str(error))


def _zone(name: str, place: str) -> Iterator[Problem]:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        yield Problem(place, text("%(value)s is not a time zone such as Europe/Berlin.", value=repr(name)))


_CRON_FAULT = text("check its fields")
_CRON_FAULTS = {
    "minute": text("check the minute, the first field (0 to 59)"),
    "hour": text("check the hour, the second field (0 to 23)"),
    "day-of-month": text("check the day, the third field (1 to 31, L or LW)"),
    "month": text("check the month, the fourth field (1 to 12 or JAN to DEC)"),
    "day-of-week": text("check the weekday, the fifth field (0 to 7 or SUN to SAT)"),
}


def _schedule(trigger: ScheduleTrigger, place: str) -> Iterator[Problem]:
    if trigger.timezone:
        yield from _zone(trigger.timezone, f"{place}.timezone")
    if bool(trigger.cron) == (trigger.every is not None):
        reason = text("Set either a cron expression (cron) or an interval (every).")
        yield Problem(place, reason, missing=not trigger.cron)
    elif trigger.cron and len(trigger.cron.split()) != 5:
        yield Problem(
            f"{place}.cron",
            text("A cron expression has five fields, not %(count)s.", count=len(trigger.cron.split())),
        )
    elif trigger.cron:
        try:
            CronSim(trigger.cron, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        except CronSimError as error:
            yield Problem(
                f"{place}.cron",
                text(
                    "%(value)s is not a valid cron expression: %(reason)s",
                    value=repr(trigger.cron),
                    reason=marked(_CRON_FAULTS.get(str(error).removeprefix("Bad "), _CRON_FAULT)),
                ),
            )
    else:
        yield from _in_duration(trigger.every, f"{place}.every", least=1)


def _in_duration(value: Any, place: str, *, least: float = 0) -> Iterator[Problem]:
    """A span that is known now; an expression's is known when it runs."""
    if isinstance(value, str) and "{{" in value:
        return
    try:
        if parse_duration(value) < least:
            yield Problem(
                place,
                ntext("Must be at least %(count)s second.", "Must be at least %(count)s seconds.", int(least)),
            )
    except ValueError as error:
        yield Problem(place, str(error))


def _in_order(steps: list[Step], place: str, here: _Here) -> Iterator[Problem]:
    """The faults of a list of steps."""
    if here.scope.depth > MAX_NESTING:
        yield Problem(place, too_deep())
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
                reason = text("For each needs a list, or an expression that returns one.")
                yield Problem(f"{place}.items", reason, missing=not step.items)
            yield from _in_json(step.items, f"{place}.items", of_list=True)
            yield from _in_template(step.items, f"{place}.items", here)
        case RepeatStep():
            yield from _in_rule(step.until, f"{place}.until", replace(here, scope=here.scope.at_condition(step)))
        case WaitStep():
            yield from _in_wait(step, place, here)
        case ApprovalStep():
            yield from _in_approval(step, place, here)
        case WorkflowStep():
            yield from _in_json(step.payload, f"{place}.payload")
            yield from _in_template(step.payload, f"{place}.payload", here)
            if step.workflow == here.slug:
                yield Problem(f"{place}.workflow", text("A workflow cannot start itself."))
        case StopStep():
            yield from _in_template(step.message, f"{place}.message", here)
        case ReplyStep():
            yield from _in_reply(step, place, here)
    for slot in slots(step):
        yield from _in_order(slot.steps, f"{place}.{slot.place}", here.inside(step, slot.key))


def _hollow(step: Step, place: str) -> Iterator[Problem]:
    """Problems of containers without steps or routes."""
    match step:
        case BranchStep(arms=[]):
            yield Problem(f"{place}.arms", text("Add at least one route."), missing=True)
        case ParallelStep(arms=[]):
            yield Problem(f"{place}.arms", text("Add at least one branch."), missing=True)
        case ForEachStep(steps=[]) | RepeatStep(steps=[]) | TryStep(steps=[]):
            yield Problem(f"{place}.steps", text("Add at least one step."), missing=True)


def _in_slot_keys(named_slots: Iterable[Route | NamedSlot], place: str, reserved: str) -> Iterator[Problem]:
    keys = {reserved}
    for index, named_slot in enumerate(named_slots):
        if named_slot.key in keys:
            yield Problem(
                f"{place}[{index}].key",
                text("The key %(key)s is already used by another route.", key=repr(named_slot.key)),
            )
        keys.add(named_slot.key)


def _in_wait(step: WaitStep, place: str, here: _Here) -> Iterator[Problem]:
    kinds = [step.duration is not None, step.until is not None, step.callback, bool(step.form)]
    if sum(kinds) != 1:
        reason = text("Choose one: a duration, a time (until), a callback or a form.")
        yield Problem(place, reason, missing=not any(kinds))
    yield from _form_page(step, place, here)
    for name in ("duration", "timeout"):
        if (value := getattr(step, name)) is not None:
            yield from _in_duration(value, f"{place}.{name}")
            yield from _in_template(value, f"{place}.{name}", here)
    if step.until is not None:
        yield from _in_template(step.until, f"{place}.until", here)
        if not step.until:
            yield Problem(f"{place}.until", text("Choose a date and time."), missing=True)
        elif "{{" not in step.until:
            try:
                dt.datetime.fromisoformat(step.until)
            except ValueError:
                yield Problem(
                    f"{place}.until",
                    text("%(value)s is not a date and time such as 2026-12-24T18:00.", value=repr(step.until)),
                )
    has_deadline = step.callback or bool(step.form)
    if has_deadline and step.timeout is None:
        reason = text("A wait for a callback or a form needs a timeout.")
        yield Problem(f"{place}.timeout", reason, missing=True)
    if not has_deadline and (step.timeout is not None or step.on_timeout is not None):
        yield Problem(f"{place}.timeout", text("Only a wait for a callback or a form can have a timeout."))
    yield from _signature(step, place)


def _form_page(step: WaitStep, place: str, here: _Here) -> Iterator[Problem]:
    """The faults of a step that is a page of a hosted form."""
    yield from form_rules.field_problems(step.form, f"{place}.form", hosted=True, is_rendered=True)
    yield from _in_defaults(step.form, f"{place}.form", here)
    for name in ("title", "introduction"):
        if not step.form and getattr(step, name):
            yield Problem(f"{place}.{name}", text("Only a wait for a form can have a title and an introduction."))
        yield from _in_template(getattr(step, name), f"{place}.{name}", here)


def _in_defaults(form: list[FormField], place: str, here: _Here) -> Iterator[Problem]:
    for index, field in enumerate(form):
        yield from _in_template(field.default, f"{place}[{index}].default", here)


def _signature(step: WaitStep, place: str) -> Iterator[Problem]:
    if not step.scheme:
        for name in ("secret", "scheme_config"):
            if getattr(step, name):
                yield Problem(f"{place}.{name}", text("Choose a signature scheme first."))
        return
    if not step.callback:
        yield Problem(f"{place}.scheme", text("Only a wait for a callback can have a signature scheme."))
    yield from registered_problems(step, place)
    if not step.secret:
        yield Problem(f"{place}.secret", text("Choose the secret that signs callbacks."), missing=True)
    elif not is_reference(step.secret):
        yield Problem(f"{place}.secret", NOT_A_REFERENCE)


def _in_approval(step: ApprovalStep, place: str, here: _Here) -> Iterator[Problem]:
    if not step.assignees and not step.groups:
        yield Problem(f"{place}.assignees", text("Choose who may decide: people or groups."), missing=True)
    if not step.outcomes:
        yield Problem(f"{place}.outcomes", text("Add at least one outcome."))
    yield from _in_slot_keys(step.outcomes, f"{place}.outcomes", TIMEOUT)
    yield from form_rules.field_problems(step.form, f"{place}.form", is_rendered=True)
    yield from _in_defaults(step.form, f"{place}.form", here)
    for name in ("timeout", "remind_after"):
        if (value := getattr(step, name)) is not None:
            yield from _in_duration(value, f"{place}.{name}")
            yield from _in_template(value, f"{place}.{name}", here)
    for name in ("assignees", "groups", "excluded", "message", "context"):
        yield from _in_template(getattr(step, name), f"{place}.{name}", here)


def _in_reply(step: ReplyStep, place: str, here: _Here) -> Iterator[Problem]:
    """What expressions give is checked when the step runs."""
    for name in ("status", "headers", "body"):
        yield from _in_template(getattr(step, name), f"{place}.{name}", here)
    if reply_rules.is_json_type(step.content_type):
        yield from _in_json(step.body, f"{place}.body")
    if problem := reply_rules.headers_problem(step.headers):
        yield Problem(f"{place}.headers", problem)
    for name, value in step.headers.items():
        if isinstance(value, dict | list):
            yield Problem(f"{place}.headers.{name}", text("The header %(name)s must be text.", name=name))
        elif "{{" not in str(value) and (problem := reply_rules.header_value_problem(name, str(value))):
            yield Problem(f"{place}.headers.{name}", problem)
    if isinstance(step.status, str) and "{{" in step.status:
        return
    try:
        status = reply_rules.read_status(step.status)
    except ValueError as error:
        yield Problem(f"{place}.status", str(error))
        return
    if problem := reply_rules.location_problem(status, step.headers):
        yield Problem(f"{place}.status", problem)
    if step.body is not None and status in reply_rules.WITHOUT_BODY:
        yield Problem(f"{place}.body", text("A reply with the status %(status)s has no body.", status=str(status)))


def _in_action(step: ActionStep, place: str, here: _Here) -> Iterator[Problem]:
    if step.on_error is not None and step.on_error.value is msgspec.UNSET and not step.on_error.steps:
        yield Problem(f"{place}.on_error", text("Choose what to do on an error: a value or steps."))
    elif step.on_error is not None and step.on_error.value is not msgspec.UNSET and step.on_error.steps:
        yield Problem(f"{place}.on_error", text("Use either a value or steps on an error, not both."))
    elif step.on_error is not None and step.on_error.value is not msgspec.UNSET:
        yield from _in_json(step.on_error.value, f"{place}.on_error.value")
        yield from _in_template(step.on_error.value, f"{place}.on_error.value", here.inside(step, "on_error"))
    try:
        _, action = find_action(step.action)
        inputs = action.migrate(step.inputs, step.version)
    except LookupError as error:
        yield Problem(f"{place}.action", str(error))
        return
    except ActionVersionError as error:
        yield Problem(f"{place}.version", str(error))
        return
    if action.fields is not None:
        yield from _in_fields(inputs, {field.name: field for field in action.fields}, f"{place}.inputs")
        yield from _in_choice(inputs, action, f"{place}.inputs")
        yield from _in_conditions(inputs, action.fields, f"{place}.inputs")
    for name, reason in literal_input_problems(action, inputs):
        yield Problem(f"{place}.inputs.{name}", reason)
    for name in plain_secrets(action, inputs):
        yield Problem(f"{place}.inputs.{name}", text("This is a secret in plain text. Store it in a connection."))
    for name, value in inputs.items():
        yield from _in_template(value, f"{place}.inputs.{name}", here)


def _in_fields(inputs: dict[str, Any], fields: dict[str, FieldSpec], place: str) -> Iterator[Problem]:
    for name in inputs:
        if name not in fields:
            yield Problem(f"{place}.{name}", _unknown_input(name, list(fields)))
    for name, field in fields.items():
        value = inputs.get(name)
        if field.kind in _JSON and field.language != "text":
            yield from _in_json(value, f"{place}.{name}", of_list=field.kind is FieldKind.LIST)
        if isinstance(value, str) and "{" in value:
            continue  # an expression: its value is known when it runs
        if name in inputs or field.default is None:
            problem = field.problem(value)
            if problem:
                yield Problem(f"{place}.{name}", problem, missing=value is None)


def _in_conditions(inputs: dict[str, Any], fields: Iterable[FieldSpec], place: str) -> Iterator[Problem]:
    """Values of conditions on items that cannot be compared by order. Expressions are known when it runs."""
    for field in fields:
        listed = inputs.get(field.name)
        if not are_on_items(field) or not isinstance(listed, list):
            continue
        for index, row in enumerate(listed):
            value = row.get("value") if isinstance(row, dict) else None
            if value is None or (isinstance(value, str) and "{" in value):
                continue
            if refusal := refuse_value(str(row.get("op")), value):
                yield Problem(f"{place}.{field.name}[{index}].value", refusal.reason)


def _unknown_input(name: str, known: list[str]) -> str:
    if not known:
        return text("This action has no inputs.")
    return text("This action has no input %(field)s. Available: %(names)s.", field=repr(name), names=", ".join(known))


def _in_choice(inputs: dict[str, Any], action: Action, place: str) -> Iterator[Problem]:
    if action.needs_one_of and not any(inputs.get(name) for name in action.needs_one_of):
        labels = {field.name: marked(field.label or field.name) for field in action.fields or ()}
        named = joined((labels.get(name, name) for name in action.needs_one_of), ", ")
        reason = text("Fill in at least one of these: %(fields)s.", fields=named)
        yield Problem(f"{place}.{action.needs_one_of[0]}", reason, missing=True)


_JSON = {FieldKind.JSON, FieldKind.MAPPING, FieldKind.LIST}


def _in_json(value: Any, place: str, *, of_list: bool = False) -> Iterator[Problem]:
    """Several expressions where one value is wanted: what they give would be one text."""
    if reason := refuse_side_by_side(value, of_list=of_list):
        yield Problem(place, reason)


def _in_template(value: Any, place: str, here: _Here, *, light: bool = False) -> Iterator[Problem]:
    """The faults of the templates in a value; with `light`, it must render at once."""
    try:
        template: Template = _compiled(value) if isinstance(value, str) else compile_value(value)
    except TemplateError as error:
        yield Problem(place, str(error))
        return
    if light and not template.is_light:
        yield Problem(
            place,
            text("This is evaluated before the run starts. Use names and simple filters, no loops or arithmetic."),
        )
    for path in template.paths:
        yield from _in_path(path, place, here)
    for _, refusal in refused_texts(value):
        yield Problem(place, refusal.reason)


@functools.lru_cache(maxsize=4_096)
def _compiled(text: str) -> Template:
    """A text's template: a draft is asked about all of its texts at every edit. Raises TemplateError."""
    return compile_value(text)


def _in_rule(rule: Any, place: str, here: _Here) -> Iterator[Problem]:
    if rule is None:
        yield Problem(place, text("Add a condition."), missing=True)
        return
    if not isinstance(rule, dict | bool):
        yield Problem(
            place,
            text("A condition is true, false or an operator with its values, not %(value)s.", value=repr(rule)),
        )
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
            yield Problem(place, text("One row has no field."), missing=True)
    for refused, reason in refused_values(rule):
        yield Problem(f"{place}.{refused}", reason)
    if _lacks_value(rule):
        yield Problem(place, text("One row has no value."), missing=True)


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
    if reason := describe_missing_name(path, here.scope):
        yield Problem(place, reason)
