"""Style of a step's card: icon and tint, summary with data as chips, and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.drafts.values import KIND_LABELS
from automate_connectors.registry import find_action
from automate_core.definition.document import (
    ActionStep,
    ApprovalStep,
    BranchStep,
    ForEachStep,
    ParallelStep,
    RepeatStep,
    ReplyStep,
    Step,
    StopStep,
    Trigger,
    TryStep,
    WaitStep,
    WorkflowStep,
)
from automate_core.definition.step_names import title_of_key
from automate_core.expressions.durations import parse_duration
from automate_governance.people.labels import group_label
from automate_governance.texts import translated
from automate_ui.describe import describe_condition
from automate_ui.formatting import format_count, format_round_duration

_EXPRESSION = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_PATH = re.compile(r"[\w.\[\]'\"]+")
_SCHEME = re.compile(r"^https?://(?=[^/{])")
_LONGEST_TITLE = 300  #: characters of a card's title
_LONGEST = 48  #: characters of a card's sentence: about two lines of it
TRIGGER_ICONS = {
    "webhook": "webhook",
    "schedule": "schedule",
    "model": "table_rows",
    "manual": "touch_app",
    "event": "bolt",
    "run": "account_tree",
    "poll": "sync",
    "service": "webhook",
    "form": "list_alt",
    "mail": "mail",
}


@dataclass(frozen=True)
class TextPart:
    """A part of a card's sentence; a `chip` is data."""

    text: str
    chip: bool = False


@dataclass(frozen=True)
class CardStyle:
    """Title and tile of a step; a connector has its own icon and hue."""

    title: str
    icon: str
    tint: str = ""
    hue: int = 264


def trigger_icon(trigger: Trigger) -> str:
    """Icon of a trigger kind."""
    return TRIGGER_ICONS[str(trigger.__struct_config__.tag)]


def card_style(step: Step) -> CardStyle:
    """Style of a step."""
    match step:
        case BranchStep():
            title = _("Branch, first match") if step.match == "first" else _("Branch, all matches")
            return CardStyle(title, *_ICONS[type(step)])
        case RepeatStep():
            words = ngettext("Repeat, at most %(count)s time", "Repeat, at most %(count)s times", step.maximum)
            return CardStyle(words % {"count": format_count(step.maximum)}, *_ICONS[type(step)])
        case WaitStep():
            if step.form:
                return CardStyle(_("Form page"), "list_alt", "tint-logic")
            return CardStyle(_("Wait for a callback") if step.callback else _("Wait"), *_ICONS[type(step)])
        case WorkflowStep():
            return CardStyle(_("Workflow %(name)s") % {"name": step.workflow}, *_ICONS[type(step)])
        case StopStep():
            title = _("Stop as succeeded") if step.outcome == "succeeded" else _("Stop as failed")
            return CardStyle(title, *_ICONS[type(step)])
        case ActionStep():
            return _action_style(step.action)
        case _:
            return CardStyle(translated(KIND_LABELS[str(step.__struct_config__.tag)]), *_ICONS[type(step)])


_ICONS: dict[type[Any], tuple[str, str]] = {
    BranchStep: ("alt_route", "tint-logic"),
    ParallelStep: ("call_split", "tint-logic"),
    ForEachStep: ("repeat", "tint-logic"),
    RepeatStep: ("sync", "tint-logic"),
    WaitStep: ("hourglass_top", "tint-logic"),
    ApprovalStep: ("how_to_reg", "tint-logic"),
    WorkflowStep: ("account_tree", "tint-logic"),
    TryStep: ("shield", "tint-logic"),
    StopStep: ("stop_circle", "tint-logic"),
    ReplyStep: ("reply", "tint-logic"),
}


def _action_style(reference: str) -> CardStyle:
    try:
        adapter, action = find_action(reference)
    except LookupError:
        return CardStyle(_("%(action)s, not installed") % {"action": reference}, "extension_off", "tint-logic")
    connector = translated(adapter.name)
    if len(adapter.actions) == 1:
        return CardStyle(connector, adapter.icon, "", adapter.hue)
    title = _("%(connector)s: %(action)s") % {"connector": connector, "action": translated(action.label or action.name)}
    return CardStyle(title, adapter.icon, "", adapter.hue)


# --- the sentence -----------------------------------------------------------------------------------------------------


def card_detail(step: Step) -> tuple[TextPart, ...]:
    """The step's key values, data as chips."""
    return tuple(_truncate_parts(_detail_parts(step)))


def card_sentence(step: Step) -> str:
    """The same as one text, which is longer than what a card has room for."""
    words = " ".join("".join(part.text for part in _detail_parts(step)).split())
    return words if len(words) <= _LONGEST_TITLE else f"{words[:_LONGEST_TITLE].rstrip()}…"


def _detail_parts(step: Step) -> Iterator[TextPart]:
    match step:
        case ActionStep():
            yield from _key_inputs(step)
        case ForEachStep() if step.items:
            yield from _sentence(_("of %(value)s"), value_parts(step.items))
        case RepeatStep() if step.until is not None:
            yield TextPart(_("until %(value)s") % {"value": describe_condition(step.until)})
        case WaitStep() if step.duration is not None:
            yield TextPart(_("for %(value)s") % {"value": span_text(step.duration)})
        case WaitStep() if step.until:
            yield from _sentence(_("until %(value)s"), value_parts(step.until))
        case ApprovalStep() if step.assignees or step.groups:
            yield from _sentence(_("by %(value)s"), _approver_parts([*step.assignees, *map(group_label, step.groups)]))
        case StopStep() if step.message:
            yield from value_parts(step.message)
        case ReplyStep():
            yield from _sentence(_("with %(value)s"), value_parts(step.status))


def _sentence(message: str, parts: Iterable[TextPart]) -> Iterator[TextPart]:
    """A translated message with parts in place of its `%(value)s`."""
    before, _placeholder, after = message.partition("%(value)s")
    yield from [TextPart(before)] * bool(before)
    yield from parts
    yield from [TextPart(after)] * bool(after)


def _approver_parts(names: Iterable[str]) -> Iterator[TextPart]:
    for number, who in enumerate(names):
        yield from [TextPart(", ")] * bool(number)
        yield from value_parts(who) if "{{" in who else [TextPart(who, chip=True)]


def _key_inputs(step: ActionStep) -> Iterator[TextPart]:
    """Required inputs of an action; else the first set one."""
    try:
        _, action = find_action(step.action)
    except LookupError:
        return
    names = [spec.name for spec in action.fields or () if spec.required and spec.name in step.inputs]
    if "url" in names and isinstance(step.inputs.get("method"), str):
        yield TextPart(f"{step.inputs['method']} ")
    labels = {spec.name: translated(spec.label) for spec in action.fields or ()}
    for number, name in enumerate(names[:2] or list(step.inputs)[:1]):
        value = step.inputs[name]
        if isinstance(value, dict | list):
            continue
        yield from [TextPart(", ")] * bool(number)
        if not names:  # a value alone says nothing
            yield TextPart(f"{labels.get(name) or name} = ")
        yield from value_parts(_SCHEME.sub("", value) if name == "url" and isinstance(value, str) else value)


def value_parts(value: Any) -> Iterator[TextPart]:
    """A value in parts: its expressions are chips with their last name."""
    text = value if isinstance(value, str) else describe_condition(value)
    end = 0
    for match in _EXPRESSION.finditer(text):
        if text[end : match.start()]:
            yield TextPart(text[end : match.start()])
        yield TextPart(_short_expression(match[1]), chip=True)
        end = match.end()
    if text[end:]:
        yield TextPart(text[end:], chip=not end and " " not in text)


def _short_expression(expression: str) -> str:
    path = _PATH.match(expression.removeprefix("first("))  # of several places the first
    parts = path[0].rstrip(".").split(".") if path else []
    if parts[:1] == ["steps"] and parts[2:] == ["output"]:
        return title_of_key(parts[1])
    return (parts[-1] if parts else "") or expression[:_LONGEST]


def _truncate_parts(parts: Iterable[TextPart]) -> Iterator[TextPart]:
    left = _LONGEST
    for part in parts:
        text = " ".join(part.text[: _LONGEST * 4].split("\n"))
        if len(text) > left:
            yield TextPart(f"{text[: max(left, 1)].rstrip()}…", part.chip)
            return
        left -= len(text)
        yield TextPart(text, part.chip)


def card_notes(step: Step, connections: Mapping[str, str]) -> str:
    """Further settings of a step in words. `connections` names them by slug."""
    found: list[str] = []
    match step:
        case ActionStep():
            if step.connection:
                found.append(connections.get(step.connection, step.connection))
            if step.retry and step.retry.attempts > 1:
                attempts = step.retry.attempts
                words = ngettext("%(count)s attempt", "%(count)s attempts", attempts)
                found.append(words % {"count": format_count(attempts)})
            if step.timeout is not None:
                found.append(_("timeout %(duration)s per attempt") % {"duration": span_text(step.timeout)})
            if step.on_error:
                found.append(_("continues on error"))
        case WaitStep() | ApprovalStep() if step.timeout is not None:
            found.append(_("waits up to %(duration)s") % {"duration": span_text(step.timeout)})
        case ForEachStep():
            if step.concurrency > 1:
                found.append(_("%(count)s at a time") % {"count": format_count(step.concurrency)})
            if step.on_item_error != "stop":
                found.append(_("continues when an item fails"))
    return " · ".join(found)


def span_text(value: float | str) -> str:
    """A duration in words: `2 days`, `30.0 s`; an expression stays as it is."""
    try:
        length = parse_duration(value)
    except ValueError:
        return "".join(part.text for part in value_parts(value))
    days, rest = divmod(length, 86_400)
    if days and not rest:
        return ngettext("%(count)s day", "%(count)s days", int(days)) % {"count": format_count(int(days))}
    return format_round_duration(length)
