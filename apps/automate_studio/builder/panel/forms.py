"""Fields for templates: the widget of each value, and what an untouched form posts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.forms.utils import flatatt
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from automate_authoring.definitions.compared_values import corrected_texts
from automate_governance.numbers import decimal_sign
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.typed_values import number_readings, write_number
from automate_studio.builder.panel import schema_table
from automate_studio.builder.panel.field_messages import concerns_field, message_at, split_cells, with_label
from automate_studio.builder.panel.mapping_records import mapping_records
from automate_studio.builder.panel.schema_table import schema_records, schema_rest, with_schema_columns
from automate_ui.fields import CellMessage, FieldMessage
from automate_ui.json.editor import write_text, write_value

_K = FieldKind
_TEMPLATES = "automate_studio/builder/fields"
_TEMPLATE_OF = {"date": "moment", "time": "moment", "datetime": "moment"}  #: by widget, where it is called otherwise
MISSING: Any = object()  #: what is not set
ROWS = "::rows"  #: ends the name of what says that a field is posted as rows, of which there may be none
_TEXTS = {_K.TEXT, _K.LONG_TEXT, _K.URL, _K.CODE, _K.SECRET}
_PLAIN = {
    _K.TEXT: "text",
    _K.URL: "text",
    _K.LONG_TEXT: "area",
    _K.NUMBER: "number",
    _K.INTEGER: "number",
    _K.BOOLEAN: "check",
    _K.CHOICE: "choice",
    _K.CODE: "code",
    _K.DATE: "date",
    _K.DATETIME: "datetime",
    _K.FILE: "text",
    _K.SECRET: "secret",
}
_LONE_EXPRESSION = re.compile(r"\s*\{\{(?:(?!\}\})[^\n])*\}\}\s*")
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
_TYPE_OF_VALUE = {"text", "area", "code", "json", "secret"}  #: widgets in which an expression stands among other text
#: Fields of steps that are templates, beside an action's inputs and the spans that are called `timeout`.
_RENDERED = {
    "items", "duration", "until", "remind_after", "assignees", "groups", "excluded", "message", "context", "payload",
    "inputs", "status", "headers", "body", "title", "introduction", "form::default",
}  # fmt: skip
MAX_PROPOSED = 200  #: characters of an expression that is proposed as a whole
TYPES = (("text", text("Text")), ("number", text("Number")), ("boolean", text("Yes or no")), ("json", "JSON"))


class FreeInput(FieldSpec):
    """An input with a chosen name: its type is that of its value, and only the engine validates it."""


@dataclass(frozen=True, kw_only=True)
class FieldGroup(FieldSpec):
    """One value edited as several fields. `parts_of` splits it, `whole` joins it."""

    parts: tuple[FieldSpec, ...] = ()
    parts_of: Callable[[Any], Mapping[str, Any]] = lambda value: value if isinstance(value, dict) else {}
    whole: Callable[[dict[str, Any]], Any] = lambda parts: parts or MISSING


@dataclass(frozen=True)
class FixButton:
    """A button that sends a command of the builder."""

    label: str
    command: str


@dataclass(frozen=True, kw_only=True)
class ValueRow:
    """An item of a list, or an entry of a mapping or record. `type` is the type of an entry's value."""

    number: int
    text: str = ""
    key: str = ""
    type: str = "text"
    cells: list[FieldView] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """A field for the template of its widget. `alternative` is the same field as an expression, or as a literal."""

    spec: FieldSpec
    name: str
    widget: str
    text: str = ""
    message: FieldMessage | None = None
    cells: tuple[CellMessage, ...] = ()  #: of its rows, apart from its own message
    is_set: bool = False
    rows: list[ValueRow] = field(default_factory=list)
    parts: list[FieldView] = field(default_factory=list)
    alternative: FieldView | None = None
    extra: bool = False
    id_prefix: str = "field"
    chosen: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    placeholder: str = ""
    marks_missing: bool = True
    fixes: tuple[FixButton, ...] = ()  #: of what its message says
    choices_are_names: bool = False  #: of things, which are not translated
    is_absent: bool = False  #: until the choice that asks for it is made
    is_live = True  #: what is wrong with it is told while it is edited

    @property
    def id(self) -> str:
        """Element id."""
        return f"{self.id_prefix}-{self.name.replace('.', '-')}"

    @property
    def label(self) -> str:
        """Its label; that of a field that people added is its name."""
        if self.extra:
            return self.spec.name
        return translated(self.spec.label) or self.spec.name.replace("_", " ").capitalize()

    @property
    def label_for(self) -> str:
        """Id of the control that the label names."""
        return self.id

    @property
    def mark(self) -> str:
        """What stands behind the label; without it, a missing value is asked for below the field."""
        is_missing = self.marks_missing and self.message is not None and self.message.missing
        return _("required") if self.spec.required or is_missing else ""

    @property
    def label_actions(self) -> str:
        """Template of what can be done with it, beside the label."""
        return f"{_TEMPLATES}/label_actions.html" if self.extra or self.alternative else ""

    @property
    def attributes(self) -> SafeString:
        """Attributes of the element around it."""
        condition = ""
        if self.spec.when:
            choice, values = self.spec.when
            condition = f"{self.name.removesuffix(self.spec.name)}{choice}={'|'.join(values)}"
        return flatatt({"data-field": self.name, "data-when": condition or None, "hidden": self.is_absent})

    @property
    def kind(self) -> str:
        """Whether its label is beside it."""
        return "check" if self.widget == "check" and not self.takes_expression else "text"

    @property
    def help(self) -> str:
        """Help text shown while there is no message."""
        return translated(self.spec.help)

    @property
    def template(self) -> str:
        """Template of the control."""
        return f"{_TEMPLATES}/{_TEMPLATE_OF.get(self.widget, self.widget)}.html"

    @property
    def input_type(self) -> str:
        """Type of the control of a date or a time, by the clock of the workflow."""
        if self.widget != "datetime":
            return self.widget
        return "datetime-local" if not self.text or _LOCAL_TIME.fullmatch(self.text) else "text"

    @property
    def takes_expression(self) -> bool:
        """Whether expressions in it are rendered when the step runs."""
        if self.spec.literal or self.spec.kind is _K.SECRET:
            return False
        is_span = self.name == "timeout" and self.spec.kind is _K.TEXT
        return is_span or self.name.startswith("inputs.") or self.name in _RENDERED

    @property
    def cells_as_json(self) -> str:
        """Messages at cells for the script, which puts them below their controls; empty for none."""
        listed = [
            {
                "row": cell.row,
                "column": cell.column,
                "text": translated(cell.message.text),
                "level": cell.message.level,
                "proposals": self._cell_proposals(cell),
            }
            for cell in self.cells
        ]
        return json.dumps(listed) if listed else ""

    @property
    def proposals(self) -> tuple[str, ...]:
        """Numbers to take instead of a text that is none; an expression with what it compares corrected."""
        if self.message is None:
            return ()
        if "{" in self.text:
            return corrected_texts(self.text) if len(self.text) <= MAX_PROPOSED else ()
        if self.spec.kind not in {_K.NUMBER, _K.INTEGER} or self.widget != "number":
            return ()
        found = number_readings(self.text, decimal_sign())
        wanted = int if self.spec.kind is _K.INTEGER else (int, float)
        return tuple(write_number(number) for number in found if isinstance(number, wanted))

    def _cell_proposals(self, cell: CellMessage) -> list[str]:
        row = self.rows[cell.row] if cell.row < len(self.rows) else ValueRow(number=0)
        texts = [view.text for view in row.cells if view.spec.name == cell.column]
        return [write_number(number) for each in texts for number in number_readings(each, decimal_sign())]

    @property
    def is_main(self) -> bool:
        """Whether it is among the first fields: required, set, or asked for by a choice."""
        spec = self.spec
        return bool(spec.required or spec.shown or spec.when or self.is_set or self.message or self.cells)

    @cached_property
    def choices(self) -> list[tuple[str, str]]:
        """Options, including the current value, and an empty one where the field is optional."""
        found = list(self.spec.choices)
        if not self.choices_are_names:
            found = [(value, translated(label)) for value, label in found]
        if self.text not in dict(found):
            unknown = _("%(value)s (not available)") % {"value": self.text} if self.text else _("Choose")
            found.insert(0, (self.text, unknown))
        return found

    @cached_property
    def columns(self) -> list[FieldView]:
        """Cells of an empty row."""
        return [build_cell(spec, self.name, spec.default) for spec in self.spec.columns]

    @property
    def types(self) -> tuple[tuple[str, str], ...]:
        """Types of an entry's value."""
        return tuple((value, translated(label)) for value, label in TYPES)

    @property
    def entry_types(self) -> tuple[tuple[str, str], ...]:
        """Types of an entry's value, among them that of an expression alone, which gives any."""
        return (*self.types, ("expression", _("Expression")))

    @property
    def new_row(self) -> ValueRow:
        """An empty row."""
        return ValueRow(number=0, cells=self.columns)

    def posted(self) -> dict[str, list[str]]:
        """Texts that a browser posts for the untouched field."""
        match self.widget:
            case "check":
                return {self.name: ["off", "on"] if self.text == "true" else ["off"]}
            case "list":
                return {self.name + ROWS: ["1"], f"{self.name}::item": [row.text for row in self.rows]}
            case "pairs":
                columns = {"key": "key", "value": "text", "type": "type"}
                texts = {
                    f"{self.name}::{name}": [getattr(row, attribute) for row in self.rows]
                    for name, attribute in columns.items()
                }
                return {self.name + ROWS: ["1"], **texts}
            case "records" | "schema":
                cells = {
                    view.name: [row.cells[index].text for row in self.rows] for index, view in enumerate(self.columns)
                }
                rest = {self.name + schema_table.REST: [self.text]} if self.widget == "schema" else {}
                return {self.name + ROWS: ["1"], **cells, **rest}
            case "group":
                return {name: texts for part in self.parts for name, texts in part.posted().items()}
        return {self.name: [self.text]}


def build_field_views(
    specs: Iterable[FieldSpec], values: Mapping[str, Any], messages: Mapping[str, FieldMessage], prefix: str = ""
) -> list[FieldView]:
    """The fields with their current values; messages are keyed by full name, `inputs.url`."""
    specs = list(specs)
    defaults = {spec.name: spec.default for spec in specs}
    choices = {spec.when[0] for spec in specs if spec.when}
    computed = {name for name in choices if is_lone_expression(values.get(name))}
    found = []
    for spec in specs:
        view = build_field_view(spec, f"{prefix}{spec.name}", values.get(spec.name, MISSING), messages)
        is_chosen = spec.name in choices and view.text != spec.choices[0][0]
        is_kept = bool(view.message) or is_chosen or (spec.when is not None and spec.when[0] in computed)
        found.append(replace(view, is_absent=not (is_kept or spec.is_asked({**defaults, **values}))))
    return found


def build_field_view(
    spec: FieldSpec, name: str, value: Any, messages: Mapping[str, FieldMessage] | None = None
) -> FieldView:
    """The field with its current value."""
    messages, spec = messages or {}, with_schema_columns(spec)
    if isinstance(spec, FieldGroup):
        parts = build_field_views(spec.parts, spec.parts_of(None if value is MISSING else value), messages, f"{name}.")
        own = {at: each for at, each in messages.items() if not any(concerns_field(at, part.name) for part in parts)}
        return FieldView(
            spec=spec,
            name=name,
            widget="group",
            parts=parts,
            message=_labelled_message(own, spec, name),
            is_set=value is not MISSING,
        )
    own, cells = split_cells(messages, spec, name)
    found = FieldView(
        spec=spec,
        name=name,
        widget="",
        message=_labelled_message(own, spec, name),
        cells=cells,
        is_set=value is not MISSING,
    )
    if isinstance(spec, FreeInput) and spec.kind is _K.JSON and is_lone_expression(value):
        return replace(found, widget="expression", text=value, alternative=replace(found, widget="typed"))
    if spec.kind is _K.FILE:  # an earlier step's: there is nothing to type
        text = "" if value is MISSING or value is None else value if isinstance(value, str) else write_text(value)
        return replace(found, widget="expression", text=text)
    if found.takes_expression and is_expression(spec, value):
        drawn = replace(found, widget="expression", text=value)
        return replace(drawn, alternative=_literal_view(found, spec.default))
    drawn = _literal_view(found, spec.default if value is MISSING else value)
    if found.takes_expression and drawn.widget not in _TYPE_OF_VALUE:
        written = "" if drawn.rows or drawn.widget in {"check", "schema", "number"} else drawn.text
        return replace(drawn, alternative=replace(found, widget="expression", text=written))
    return drawn


def is_expression(spec: FieldSpec, value: Any) -> bool:
    """Whether the value is an expression instead of the field's own type."""
    is_written = spec.kind in _TEXTS | {_K.JSON} and not spec.options and not spec.columns
    return isinstance(value, str) and "{" in value and not is_written


def is_lone_expression(value: Any) -> bool:
    """Whether the value is one expression and nothing else, which may be of any type."""
    return isinstance(value, str) and _LONE_EXPRESSION.fullmatch(value) is not None


def find_field(specs: Iterable[FieldSpec], name: str, prefix: str = "") -> FieldView | None:
    """Field, or part of a group, that shows a problem of this name; without its value."""
    for spec in specs:
        full = f"{prefix}{spec.name}"
        if concerns_field(name, full):
            part = find_field(spec.parts, name, f"{full}.") if isinstance(spec, FieldGroup) else None
            return part or FieldView(spec=spec, name=full, widget="")
    return None


def build_cell(spec: FieldSpec, name: str, value: Any) -> FieldView:
    """A field of a record: a one-line control that shares its name with its column."""
    if spec.kind is _K.BOOLEAN:
        spec = replace(spec, kind=_K.CHOICE, choices=(("", _("No")), ("true", _("Yes"))))
        return FieldView(spec=spec, name=f"{name}::{spec.name}", widget="choice", text="true" if value is True else "")
    if spec.kind is _K.LIST:
        text = ", ".join(value) if isinstance(value, list) else value or ""
        return FieldView(spec=spec, name=f"{name}::{spec.name}", widget="text", text=text)
    found = FieldView(spec=spec, name=f"{name}::{spec.name}", widget="")
    if spec.kind is _K.JSON:
        return replace(found, widget="text", text="" if value is None else write_text(value, indent=None))
    drawn = _literal_view(found, value)
    return replace(drawn, widget="text") if drawn.widget == "area" else drawn


def _literal_view(drawn: FieldView, value: Any) -> FieldView:
    spec = drawn.spec
    rows = _value_rows(spec, drawn.name, value)
    if rows is not None and spec.language == schema_table.LANGUAGE:
        rest = write_text(schema_rest(value), indent=None)
        return replace(drawn, widget="schema", rows=rows, text=rest)
    if rows is not None:
        widget = "records" if spec.columns else "pairs" if spec.kind is _K.MAPPING else "list"
        return replace(drawn, widget=widget, rows=rows)
    if spec.kind in {_K.LIST, _K.MAPPING, _K.JSON}:
        widget = "area" if spec.language == "text" else "json"
        is_text = widget == "area" or isinstance(spec, FreeInput)
        write = write_text if is_text else write_value
        return replace(drawn, widget=widget, text="" if value is None else write(value))
    widget = _PLAIN[spec.kind]
    text = "" if value is None else value if isinstance(value, str) else write_text(value)
    if widget == "text":
        widget = "area" if "\n" in text else "options" if spec.options else widget
    return replace(drawn, widget=widget, text=text)


def _value_rows(spec: FieldSpec, name: str, value: Any) -> list[ValueRow] | None:
    """The value as rows; None when it has none."""
    if spec.columns:
        records = _records(spec, value)
        return None if records is None else _record_rows(spec, name, records)
    if spec.kind is _K.MAPPING and isinstance(value, dict | None) and not spec.language:
        return [_entry_row(number, key, each) for number, (key, each) in enumerate((value or {}).items(), 1)]
    if spec.kind is not _K.LIST or not isinstance(value, list | None):
        return None
    if all(isinstance(item, str) and item and "\n" not in item for item in value or ()):
        return [ValueRow(number=number, text=item) for number, item in enumerate(value or (), 1)]
    return None


def _entry_row(number: int, key: str, value: Any) -> ValueRow:
    if isinstance(value, str):
        return ValueRow(number=number, key=key, text=value, type="expression" if is_lone_expression(value) else "text")
    kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "json"
    return ValueRow(number=number, key=key, text=write_text(value), type=kind)


def _records(spec: FieldSpec, value: Any) -> list[dict[str, Any]] | None:
    """The value as records of its columns; None when it has none."""
    if spec.language == schema_table.LANGUAGE:
        return schema_records(value)
    if spec.kind is _K.MAPPING:
        return mapping_records(spec, value)
    columns = {column.name for column in spec.columns}
    found = [] if value is None else value
    is_table = isinstance(found, list) and all(isinstance(item, dict) and item.keys() <= columns for item in found)
    return found if is_table else None


def _record_rows(spec: FieldSpec, name: str, records: list[dict[str, Any]]) -> list[ValueRow]:
    return [
        ValueRow(
            number=number,
            cells=[build_cell(column, name, record.get(column.name, column.default)) for column in spec.columns],
        )
        for number, record in enumerate(records, 1)
    ]


def _labelled_message(messages: Mapping[str, FieldMessage], spec: FieldSpec, name: str) -> FieldMessage | None:
    """Message of a field or a part of it, with its label."""
    found = message_at(messages, name)
    return replace(found, text=with_label(found.text, spec.name, spec.label)) if found else None
