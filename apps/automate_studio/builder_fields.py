"""The fields of a step, a trigger or the workflow as a form: drawn from FieldSpecs, and read back as typed values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from automate_plugins.fields import FieldKind, FieldSpec

_K = FieldKind
_JSON = {_K.JSON, _K.MAPPING}
_MISSING = object()


def _choice(name: str, label: str, *choices: tuple[str, str]) -> FieldSpec:
    return FieldSpec(name=name, label=label, kind=_K.CHOICE, choices=choices, default=choices[0][0])


_SPAN = "Seconds, or such as 15m or 2h 30m."
_FILTER = FieldSpec(name="filter", label="Only when", kind=_K.JSON, help="A rule; empty lets every event pass.")

STEP_FIELDS: dict[str, tuple[FieldSpec, ...]] = {
    "action": (FieldSpec(name="save_as", label="Keep the output as variable", help="vars.NAME in later steps."),),
    "branch": (_choice("match", "Take", ("first", "The first route that fits"), ("all", "All routes that fit")),),
    "parallel": (FieldSpec(name="limit", label="Tracks at once", kind=_K.INTEGER, default=10),),
    "for_each": (
        FieldSpec(name="items", label="List", required=True, help="Such as {{ event.payload.items }}."),
        FieldSpec(name="concurrency", label="Items at once", kind=_K.INTEGER, default=1),
        _choice(
            "on_item_error",
            "When an item fails",
            ("stop", "Stop there"),
            ("continue", "Go on, with nothing in its place"),
            ("collect", "Go on, with its error in its place"),
        ),
    ),
    "repeat": (
        FieldSpec(name="until", label="Until", kind=_K.JSON, required=True, help="A rule."),
        FieldSpec(name="maximum", label="At most so many times", kind=_K.INTEGER, required=True),
    ),
    "wait": (
        FieldSpec(name="duration", label="For so long", help=_SPAN),
        FieldSpec(name="until", label="Until a time", help="Such as 2026-12-24T18:00, or an expression."),
        FieldSpec(name="callback", label="For a callback", kind=_K.BOOLEAN, default=False),
        FieldSpec(name="timeout", label="Give up after", help=_SPAN),
    ),
    "approval": (
        FieldSpec(name="assignees", label="People", kind=_K.LIST, help="User names, one a line."),
        FieldSpec(name="groups", label="Groups", kind=_K.LIST, help="One a line."),
        FieldSpec(name="message", label="Message", kind=_K.LONG_TEXT),
        FieldSpec(name="form", label="Form", kind=_K.JSON, help="Fields that they fill in."),
        FieldSpec(name="timeout", label="Due after", required=True, help=_SPAN),
        FieldSpec(name="remind_after", label="Remind after", help=_SPAN),
    ),
    "workflow": (
        FieldSpec(name="workflow", label="Workflow", required=True, help="Its short name."),
        FieldSpec(name="payload", label="Payload", kind=_K.JSON),
        FieldSpec(name="wait", label="Wait for its end", kind=_K.BOOLEAN, default=True),
    ),
    "try": (),
    "stop": (
        _choice("outcome", "The run has", ("succeeded", "Succeeded"), ("failed", "Failed")),
        FieldSpec(name="message", label="Message", kind=_K.LONG_TEXT),
    ),
}
POLICY_FIELDS = (
    FieldSpec(name="retry", label="Tries", kind=_K.JSON, help='Such as {"attempts": 3, "base": 2}.'),
    FieldSpec(name="timeout", label="Seconds for each try", kind=_K.NUMBER),
    FieldSpec(
        name="on_error",
        label="When it failed for good",
        kind=_K.JSON,
        help='Empty fails the run. {"value": 0} goes on with that; {"steps": []} runs steps in its place.',
    ),
    FieldSpec(name="at_most_once", label="Never repeat a try in doubt", kind=_K.BOOLEAN, default=False),
)
NOTES = FieldSpec(name="notes", label="Notes", kind=_K.LONG_TEXT)
NAME = FieldSpec(name="name", label="Name")
TRIGGER_FIELDS: dict[str, tuple[FieldSpec, ...]] = {
    "webhook": (
        FieldSpec(name="endpoint", label="Endpoint", required=True),
        FieldSpec(name="event", label="Type of event", help="Empty takes all."),
        _FILTER,
    ),
    "schedule": (
        FieldSpec(name="cron", label="Times", help="Five fields, such as 30 8 * * 1-5 for 8:30 on working days."),
        FieldSpec(name="every", label="Or every", help=_SPAN),
        FieldSpec(name="timezone", label="Time zone", help="Empty is the workflow's."),
        _choice("missed", "Times at which nothing ran", ("once", "Once"), ("skip", "Skip"), ("all", "All of them")),
        _FILTER,
    ),
    "model": (
        FieldSpec(name="model", label="Model", required=True, help="Such as shop.Order."),
        FieldSpec(name="on", label="When", kind=_K.LIST, help="created, updated, deleted; one a line."),
        FieldSpec(name="fields", label="Only when these changed", kind=_K.LIST, help="One a line."),
        FieldSpec(name="own_changes", label="Also by its own changes", kind=_K.BOOLEAN, default=False),
        _FILTER,
    ),
    "manual": (FieldSpec(name="inputs", label="Inputs", kind=_K.JSON, help="Fields that are filled in."), _FILTER),
    "event": (FieldSpec(name="event", label="Event", required=True, help="Such as order.paid."), _FILTER),
    "run": (
        FieldSpec(name="workflow", label="Workflow", required=True, help="Its short name."),
        _choice("on", "When it has", ("ended", "Ended"), ("succeeded", "Succeeded"), ("failed", "Failed")),
        _FILTER,
    ),
}
SETTINGS_FIELDS = (
    FieldSpec(name="name", label="Name", required=True),
    FieldSpec(name="description", label="Description", kind=_K.LONG_TEXT),
    FieldSpec(name="tags", label="Tags", kind=_K.LIST, help="One a line."),
    FieldSpec(name="timezone", label="Time zone", required=True, help="Such as Europe/Berlin."),
    FieldSpec(name="priority", label="Priority", kind=_K.INTEGER, default=0, help="-10 to 10; more is sooner."),
    FieldSpec(name="vars", label="Variables", kind=_K.MAPPING),
    FieldSpec(name="concurrency", label="Runs at once", kind=_K.JSON, help='Such as {"limit": 1, "policy": "queue"}.'),
    FieldSpec(name="run_as", label="Runs as", required=True, help="A user name."),
)


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """One field as it is drawn. `widget` is text, area, choice or check."""

    spec: FieldSpec
    name: str
    widget: str
    text: str
    error: str = ""

    @property
    def id(self) -> str:
        """Its element's id."""
        return f"field-{self.name.replace('.', '-')}"

    @property
    def label(self) -> str:
        """What people call it."""
        return self.spec.label or self.spec.name.replace("_", " ").capitalize()


def views(
    specs: Iterable[FieldSpec], values: Mapping[str, Any], errors: Mapping[str, str], prefix: str = ""
) -> list[FieldView]:
    """The fields with their present values; errors come by the field's full name, `inputs.url`."""
    found = []
    for spec in specs:
        name, value = f"{prefix}{spec.name}", values.get(spec.name, _MISSING)
        at = next(
            (error for field, error in errors.items() if field == name or field.startswith((f"{name}.", f"{name}["))),
            "",
        )
        found.append(FieldView(spec=spec, name=name, widget=_widget(spec, value), text=_text(spec, value), error=at))
    return found


def is_about(field: str, name: str) -> bool:
    """Whether a problem's field is that of this name, or a part of it."""
    return field == name or field.startswith((f"{name}.", f"{name}["))


def with_choices(specs: Iterable[FieldSpec], name: str, choices: Iterable[tuple[str, str]]) -> tuple[FieldSpec, ...]:
    """The same specs, in which one offers these choices."""
    return tuple(
        replace(spec, kind=_K.CHOICE, choices=(("", "Choose"), *choices)) if spec.name == name else spec
        for spec in specs
    )


def _widget(spec: FieldSpec, value: Any) -> str:
    if isinstance(value, str) and "{" in value and spec.kind not in {_K.LONG_TEXT, *_JSON}:
        return "text" if "\n" not in value else "area"
    if spec.kind is _K.BOOLEAN:
        return "check"
    if spec.kind is _K.CHOICE:
        return "choice"
    return "area" if spec.kind in {_K.LONG_TEXT, _K.LIST, *_JSON} else "text"


def _text(spec: FieldSpec, value: Any) -> str:
    if value is _MISSING:
        value = spec.default
    if value is None:
        return ""
    if spec.kind is _K.LIST and isinstance(value, list) and all(isinstance(item, str) and item for item in value):
        return "\n".join(value)
    if isinstance(value, str) and (spec.kind is not _K.JSON or "{{" in value):
        return value
    return json.dumps(value, indent=2 if isinstance(value, dict | list) else None, ensure_ascii=False)


def changed(
    specs: Iterable[FieldSpec], present: Mapping[str, Any], post: Mapping[str, str], prefix: str = ""
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """(what is set, what is left empty, what cannot be read), by full names: of what differs from the present."""
    found: dict[str, Any] = {}
    unset: list[str] = []
    errors: dict[str, str] = {}
    for spec in specs:
        name, value = f"{prefix}{spec.name}", present.get(spec.name, _MISSING)
        widget = _widget(spec, value)
        text = post.get(name)
        if text is None or text.replace("\r\n", "\n") == _text(spec, value).replace("\r\n", "\n"):
            continue
        if widget == "check":
            if bool(text) != (spec.default if value is _MISSING else value):
                found[name] = bool(text)
            continue
        try:
            given = _value(spec, text.replace("\r\n", "\n"))
        except ValueError as error:
            errors[name] = f"Not saved: {error}."
            continue
        if given is _MISSING:
            unset += [name] if value is not _MISSING else []
        elif value is _MISSING or json.dumps(given) != json.dumps(value):
            found[name] = given
    return found, unset, errors


def _value(spec: FieldSpec, text: str) -> Any:
    """The typed value of a text; an expression stays one. Raises ValueError."""
    if text.strip() == "":
        return "" if spec.kind in {_K.TEXT, _K.LONG_TEXT} and text else _MISSING
    if spec.kind in _JSON and not ("{{" in text and not text.lstrip().startswith(("[", '{"', "{\n", "{ "))):
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"this is no JSON: {error}") from error
    if spec.kind is _K.LIST and "{{" not in text:
        if text.lstrip().startswith("["):
            return json.loads(text, parse_constant=_refuse)
        return [line.strip() for line in text.splitlines() if line.strip()]
    if spec.kind in {_K.NUMBER, _K.INTEGER} and "{" not in text:
        try:
            return int(text) if spec.kind is _K.INTEGER or text.strip().lstrip("-").isdigit() else float(text)
        except ValueError:
            return text  # kept, and told at its field
    return text


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def as_json(value: Any) -> str:
    """A value as people edit it."""
    return json.dumps(value, indent=2, ensure_ascii=False)
