"""Messages of a form's fields by their names: which one a field shows, and which its cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from automate_governance.texts import translated
from automate_plugins.fields import FieldSpec
from automate_plugins.texts import relabelled
from automate_studio.builder.panel import schema_table
from automate_ui.fields import CellMessage, FieldMessage

_CELL = re.compile(r"\[(?P<row>\d+)\]\.(?P<column>\w+)")  #: behind a field's name


def concerns_field(field: str, name: str) -> bool:
    """Whether a problem's field is this one or a part of it."""
    return field == name or field.startswith((f"{name}.", f"{name}["))


def message_at(messages: Mapping[str, FieldMessage], name: str) -> FieldMessage | None:
    """Message of the field or of a part of it, errors first."""
    found = [each for at, each in messages.items() if concerns_field(at, name)]
    return min(found, key=lambda each: each.level, default=None)


def split_cells(
    messages: Mapping[str, FieldMessage], spec: FieldSpec, name: str
) -> tuple[dict[str, FieldMessage], tuple[CellMessage, ...]]:
    """The messages without those at cells of this field's rows, and these. Cells of a schema's table have none."""
    if not spec.columns or spec.language == schema_table.LANGUAGE:
        return dict(messages), ()
    labels = {column.name: column.label for column in spec.columns}
    own, cells = {}, []
    for at, message in messages.items():
        place = _CELL.match(at.removeprefix(name)) if at.startswith(f"{name}[") else None
        if place is None or place["column"] not in labels:
            own[at] = message
            continue
        column = place["column"]
        said = replace(message, text=with_label(message.text, column, labels[column]))
        cells.append(CellMessage(row=int(place["row"]), column=column, message=said))
    return own, tuple(cells)


def with_label(text: str, name: str, label: str) -> str:
    """A reason with the field's label where it begins with the name: `URL is required`."""
    if label and getattr(text, "values", {}).get("name") == name:
        return relabelled(text, name=translated(label))
    rest = text[len(name) :]
    return f"{translated(label)}{rest}" if label and rest[:1] == " " and text.lower().startswith(name) else text
