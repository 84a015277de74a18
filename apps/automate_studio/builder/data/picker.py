"""Data picker: a tree of values that can be inserted into a field of a step, each with a sample.

Levels are built when opened, and bounded. Without a sample, or without permission to see one, declared names and
types take its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_authoring.definitions.scope import NameScope, scope_at
from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.values import StepNode
from automate_core.definition.document import ActionStep, ForEachStep, StopStep
from automate_core.definition.slots import walk
from automate_core.expressions.json_path import ABSENT, Path
from automate_governance.texts import translated
from automate_studio.builder.data import declared_types
from automate_studio.builder.data.declared_types import TypeOnly
from automate_studio.builder.panel.setup import TRIGGERS
from automate_ui.describe import describe_run_condition, step_label
from automate_ui.formatting import format_count
from automate_ui.json import expressions
from automate_ui.json.expressions import one_line, path_expression, split_label, type_glyph
from automate_ui.json.tree import value_at

MAX_ROWS = 50  #: of one level
OPEN_STEPS = 2  #: the nearest steps, whose data are there at once
_DEFAULTS: dict[type, str] = {str: "''", bool: "false", int: "0", float: "0", list: "[]"}


@dataclass(frozen=True, kw_only=True)
class PickerRow:
    """One value. `path` is None for a value derived from its parent; `action` is an extra action in the browser."""

    label: str
    path: Path | None
    insert: str
    glyph: str = ""
    type_words: str = ""
    value: str = ""
    level: int = 2
    is_optional: bool = False
    is_expandable: bool = False
    action: str = ""
    rows: tuple[PickerRow, ...] = ()

    @property
    def place(self) -> str:
        """The path as a parameter."""
        return json.dumps(self.path) if self.path else ""

    @property
    def label_parts(self) -> tuple[str, str]:
        """The label in two parts, of which the first is cut off at its end where there is no room."""
        return split_label(self.label)

    @property
    def name(self) -> str:
        """Name in conditions; empty where conditions cannot use it."""
        parts = [str(part) for part in self.path or ()]
        return "" if any("." in part or not part for part in parts) else ".".join(parts)


@dataclass(frozen=True, kw_only=True)
class PickerGroup:
    """The trigger, a step, a loop's item or the variables. `only_if` says when it exists."""

    label: str
    path: Path
    note: str = ""
    icon: str = "data_object"
    number: int | None = None
    only_if: str = ""
    open: bool = False
    rows: tuple[PickerRow, ...] = ()
    hint: str = ""
    words: str = ""  # by which its rows are found, apart from their labels; without them a row is found by its value

    @property
    def place(self) -> str:
        """The path as a parameter."""
        return json.dumps(self.path)


@dataclass(frozen=True, kw_only=True)
class PickerData:
    """Sources of rows: the scope, the declared shape and past samples.

    `others` are past samples of the same group, by the group's path.
    """

    scope: Mapping[str, Any] | None
    shape: Mapping[str, Any]
    others: Mapping[Path, list[Any]] = field(default_factory=dict)

    def at(self, path: Path) -> Any:
        """The value at a path, a shape where there is none, or ABSENT."""
        found = value_at(self.scope, path) if self.scope is not None else ABSENT
        return value_at(self.shape, path) if found is ABSENT else found


# --- groups -----------------------------------------------------------------------------------------------------------


def picker_groups(state: DraftState, node: StepNode, data: PickerData) -> list[PickerGroup]:
    """Groups in scope at a step, without rows; the trigger and the nearest steps are open."""
    scope = scope_at(state.parsed.definition, node.key)
    found = [_trigger_group(state, data)]
    numbers = {step.key: number for number, (_, step) in enumerate(walk(state.parsed.definition.steps), 1)}
    with_output = [each for each in scope.steps if not isinstance(each.step, StopStep)]  # nothing comes after a stop
    for at, available in enumerate(with_output):
        only_if = describe_run_condition(available.condition)
        path = ("steps", available.step.key, "output")
        is_open = at >= len(with_output) - OPEN_STEPS
        group = PickerGroup(
            label=step_label(available.step),
            path=path,
            note=_("only if %(condition)s") % {"condition": only_if} if only_if else "",
            number=numbers.get(available.step.key),
            only_if=only_if,
            open=is_open,
        )
        found.append(with_rows(group, data) if is_open else group)
    lists = [loop for loop in scope.loops if isinstance(loop, ForEachStep)]
    if lists:
        label = _("Current item of %(step)s") % {"step": step_label(lists[-1])}
        found.append(with_rows(PickerGroup(label=label, path=("item",), icon="repeat", open=True), data))
    names = [_group_of_names(*names, data) for names in _name_groups(state, scope) if names[2]]
    return [*found, *_callback_groups(state, scope, data), *names]


def _trigger_group(state: DraftState, data: PickerData) -> PickerGroup:
    triggers = state.parsed.definition.triggers
    kind = triggers[0].__struct_config__.tag if len(triggers) == 1 else ""
    label = _("Trigger: %(kind)s") % {"kind": translated(TRIGGERS[str(kind)])} if kind else _("Trigger")
    return with_rows(PickerGroup(label=label, path=("event", "payload"), icon="webhook", open=True), data)


def _name_groups(state: DraftState, scope: NameScope) -> Iterator[tuple[str, str, list[Path]]]:
    """(title, icon, paths) of the groups of single names."""
    definition = state.parsed.definition
    steps = [step for _, step in walk(definition.steps)]
    saved = [step.save_as for step in steps if isinstance(step, ActionStep) and step.save_as]
    if "error" in scope.names:
        yield _("Error"), "warning", [("error", name) for name in ("message", "code", "step", "details")]
    yield _("Variables"), "tune", [("vars", name) for name in dict.fromkeys([*definition.vars, *saved])]
    event: list[Path] = [("event", name) for name in ("headers", "type", "source", "id", "time")]
    index: list[Path] = [("index",)] if scope.loops else []
    run: list[Path] = [("run", "id"), ("run", "trace_id"), ("run", "workflow")]
    yield _("Event details"), "info", event
    yield _("This run"), "play_arrow", [*index, *run]


def _callback_groups(state: DraftState, scope: NameScope, data: PickerData) -> Iterator[PickerGroup]:
    """The URLs that answer the workflow's waits, if it has any."""
    waits = [step for _, step in walk(state.parsed.definition.steps) if step.key in scope.callbacks]
    if not waits:
        return
    rows = []
    for step in waits:
        path = ("callbacks", step.key)
        label = _("URL that answers %(step)s") % {"step": step_label(step)}
        rows.append(picker_row(label, path, data.at(path), None))
    yield PickerGroup(
        label=_("Callback URLs"),
        path=("callbacks",),
        icon="link",
        note=str(len(rows)),
        rows=tuple(rows),
        words=_("callback url webhook answer address"),
    )


def _group_of_names(title: str, icon: str, paths: list[Path], data: PickerData) -> PickerGroup:
    rows = tuple(picker_row(str(path[-1]), path, data.at(path), None) for path in paths)
    return PickerGroup(label=title, path=paths[0][:-1], icon=icon, note=str(len(rows)), rows=rows)


def with_rows(group: PickerGroup, data: PickerData) -> PickerGroup:
    """The group with the rows of its first level."""
    value = data.at(group.path)
    whole = picker_row(_("All data"), group.path, value, data, only_if=group.only_if)
    if value is ABSENT or not isinstance(value, dict | list) or not value:
        label = _("All data") if value is ABSENT or isinstance(value, dict | list) else _("Value")
        return replace(group, rows=(replace(whole, label=label),), hint=_type_hint(value))
    return replace(
        group, rows=(*picker_level(group.path, data, only_if=group.only_if), replace(whole, is_expandable=False))
    )


def _type_hint(value: Any) -> str:
    return (
        _("No sample yet. Fields appear after the first event or test.")
        if value is ABSENT or isinstance(value, TypeOnly)
        else ""
    )


# --- rows -------------------------------------------------------------------------------------------------------------


def picker_level(path: Path, data: PickerData, *, only_if: str = "", depth: int = 2) -> tuple[PickerRow, ...]:
    """Rows inside the value at a path."""
    value = data.at(path)
    if isinstance(value, list):
        return _list_rows(path, value, data, only_if, depth)
    if not isinstance(value, dict):
        return ()
    names = [name for name in value if isinstance(name, str)]
    rows = [
        picker_row(name, (*path, name), value[name], data, only_if=only_if, depth=depth) for name in names[:MAX_ROWS]
    ]
    if len(names) > MAX_ROWS:
        more = len(names) - MAX_ROWS
        label = ngettext("%(count)s more. Search to find it.", "%(count)s more. Search to find them.", more)
        rows.append(PickerRow(label=label % {"count": format_count(more)}, path=None, insert="", level=depth))
    return tuple(rows)


def picker_row(
    label: str, path: Path, value: Any, data: PickerData | None, *, only_if: str = "", depth: int = 2
) -> PickerRow:
    maybe = data is not None and _is_sometimes_missing(path, data)
    typed = declared_types.ANYTHING if value is ABSENT else value if isinstance(value, TypeOnly) else None
    expression = path_expression(path)
    if only_if or maybe:
        expression += f" | default({_DEFAULTS.get(type(value), 'none')})"
    return PickerRow(
        label=label,
        path=path,
        insert=f"{{{{ {expression} }}}}",
        glyph=typed.glyph if typed else type_glyph(value),
        type_words=translated(typed.words) if typed else expressions.type_words(value),
        value="" if typed else one_line(value),
        level=depth,
        is_optional=maybe,
        is_expandable=isinstance(value, dict | list) and bool(value),
    )


def _list_rows(path: Path, value: list[Any], data: PickerData, only_if: str, depth: int) -> tuple[PickerRow, ...]:
    """The first item, and values derived from a list."""
    name = path_expression(path) + (" | default([])" if only_if or _is_sometimes_missing(path, data) else "")
    first = value[0] if value else None

    def made(label: str, expression: str, shown: str = "", act: str = "") -> PickerRow:
        return PickerRow(
            label=label, path=None, insert=f"{{{{ {expression} }}}}", glyph="ƒ", value=shown, level=depth, action=act
        )

    rows = [
        replace(picker_row(_("First item"), (*path, 0), first, data, depth=depth), insert=f"{{{{ {name} | first }}}}")
    ]
    rows.append(made(_("Count"), f"{name} | length", str(len(value))))
    by = _identifying_field(first) if isinstance(first, dict) else ""
    if isinstance(first, dict) and by:
        of_each = [item.get(by, "") for item in value[:3] if isinstance(item, dict)]
        rows.append(
            made(
                _("All %(field)s values, joined") % {"field": by},
                f"{name} | join(', ', {json.dumps(by)})",
                _join_values(of_each),
            )
        )
        found = f"{name} | find({json.dumps(by)}, {json.dumps(first[by])})"
        rows.append(made(_("Item where %(field)s is …") % {"field": by}, found, one_line(first[by], 20)))
    elif not isinstance(first, dict | list):
        rows.append(made(_("All items, joined"), f"{name} | join(', ')", _join_values(value[:3])))
    rows.append(made(_("Repeat this step for each item"), name, act="each"))
    return tuple(rows)


def _identifying_field(item: dict[str, Any]) -> str:
    """Field that identifies an item to people: a short text, else a number; empty when there is none."""
    short = [name for name, value in item.items() if len(str(value)) <= expressions.MAX_SHOWN]
    texts = [name for name in short if isinstance(item[name], str)]
    return next(iter([*texts, *(name for name in short if isinstance(item[name], int | float))]), "")


def _join_values(values: list[Any]) -> str:
    return ", ".join(one_line(value, 20) for value in values)


def _is_sometimes_missing(path: Path, data: PickerData) -> bool:
    """Whether a past sample of the group has nothing at the path."""
    root = next((group for group in data.others if path[: len(group)] == group and len(path) > len(group)), None)
    if root is None:
        return False
    inner = path[len(root) :]
    return any(value_at(other, inner) is ABSENT for other in data.others[root])
