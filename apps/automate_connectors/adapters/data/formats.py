"""CSV, JSON and XML, read and written. Documents of strangers: capped in size, depth and rows, without entities."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from automate_connectors.adapters.data.pure_action import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_NODES,
    MAX_TEXT,
    check_size,
    invalid_input,
    list_output,
    rows_of,
    text_of,
)
from automate_connectors.adapters.data.tables import check_header, check_width, columns_of
from automate_governance.redaction.spreadsheets import inert
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec, json_type
from automate_plugins.typed_values import COMMA, POINT, is_date, notated_date, notated_number

_DELIMITERS = (
    (",", text("Comma")),
    (";", text("Semicolon")),
    ("\t", text("Tab")),
    ("|", text("Vertical bar")),
)
DELIMITER = FieldSpec(
    name="delimiter", label=text("Delimiter"), kind=FieldKind.CHOICE, choices=_DELIMITERS, default=",", shown=True
)


# --- CSV --------------------------------------------------------------------------------------------------------------


def _parse_csv(params: dict[str, Any]) -> dict[str, Any]:
    return read_csv(text_of(params), params)


def read_csv(document: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of a CSV document, by the inputs of the action `parse_csv`. Raises ConnectorError.

    They are mappings by the names in its header, or lists. Values are texts where no notation was chosen.
    """
    document = document.removeprefix("\ufeff")
    delimiter, read = params["delimiter"], _cell_reader(params["numbers"], params["dates"])
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(document, newline=""), delimiter=delimiter, strict=True):
            check_width(len(row), len(rows) + 1)
            if len(rows) > MAX_ITEMS:
                raise invalid_input(text("The CSV has more than %(count)s rows.", count=MAX_ITEMS))
            if row:
                rows.append(row)
    except csv.Error as error:
        raise invalid_input(
            text("Invalid CSV in row %(row)s: %(reason)s", row=len(rows) + 1, reason=str(error))
        ) from error
    _check_notation(rows, params["numbers"])
    if not params["header"]:
        return list_output([read(cell) for cell in row] for row in rows[:MAX_ITEMS])
    names = rows.pop(0) if rows else []
    check_header(names)
    _check_delimiter(names, delimiter)
    for number, row in enumerate(rows, 2):
        if len(row) > len(names):
            raise invalid_input(
                text(
                    "Row %(row)s has %(count)s columns, but the header has %(expected)s.",
                    row=number,
                    count=len(row),
                    expected=len(names),
                )
            )
    filled = ([*map(read, row), *[""] * (len(names) - len(row))] for row in rows)
    return list_output(dict(zip(names, row, strict=True)) for row in filled)


def cautions(action: str, params: dict[str, Any], output: dict[str, Any]) -> Iterator[str]:
    """Sentences for the log about a notation in which a CSV document has no value."""
    if action not in {"parse_csv", "read_csv_file"} or not output["items"]:
        return
    rows = [row.values() if isinstance(row, dict) else row for row in output["items"]]
    if params["numbers"] != AS_TEXT and not any(isinstance(cell, int | float) for row in rows for cell in row):
        yield text(
            "No value is a number in the form %(form)s. Choose another form under Numbers.",
            form=_FORMS[params["numbers"]],
        )
    if params["dates"] != AS_TEXT and not any(isinstance(cell, str) and is_date(cell) for row in rows for cell in row):
        yield text("No value is a date in the chosen form. Choose another form under Dates.")


def _cell_reader(numbers: str, dates: str) -> Callable[[str], Any]:
    """Return what reads a cell: a number or a date in the chosen notations, else the text."""

    def read(cell: str) -> Any:
        if numbers != AS_TEXT and (number := notated_number(cell, numbers)) is not None:
            return number
        return (dates != AS_TEXT and notated_date(cell, day_first=dates == "day")) or cell

    return read


def _check_notation(rows: list[list[str]], numbers: str) -> None:
    """Raises ConnectorError for a column that has numbers in the chosen form, and others in the other form alone."""
    if numbers == AS_TEXT:
        return
    other = POINT if numbers == COMMA else COMMA
    has_numbers = {at for row in rows for at, cell in enumerate(row) if notated_number(cell, numbers) is not None}
    for number, row in enumerate(rows, 1):
        for at in has_numbers & set(range(len(row))):
            if notated_number(row[at], numbers) is None and notated_number(row[at], other) is not None:
                raise invalid_input(
                    text(
                        "Row %(row)s: “%(value)s” is no number in the form %(form)s. Choose another form under "
                        "Numbers.",
                        row=number,
                        value=row[at][:60],
                        form=_FORMS[numbers],
                    )
                )


def _check_delimiter(names: list[str], delimiter: str) -> None:
    """Raises ConnectorError for a header in one piece that another delimiter would divide."""
    if len(names) != 1:
        return
    for other, label in _DELIMITERS:
        if other != delimiter and other in names[0]:
            raise invalid_input(
                text(
                    "The header %(header)s is one column. Choose %(delimiter)s as the delimiter, or read it without a "
                    "header.",
                    header=names[0][:80],
                    delimiter=label,
                )
            )


def write_csv(params: dict[str, Any]) -> dict[str, Any]:
    """Return `items` as CSV, by the inputs of the action `write_csv`. Raises ConnectorError."""
    rows = rows_of(params)
    columns = columns_of(params, rows)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=params["delimiter"], lineterminator="\r\n")
    guarded = params["guard_formulas"]
    if params["header"]:
        writer.writerow([_cell(name, guarded) for name in columns])
    for row in rows:
        writer.writerow([_cell(row.get(name), guarded) for name in columns])
        if out.tell() > MAX_TEXT:
            raise invalid_input(text("The result has more than %(count)s characters.", count=MAX_TEXT))
    return {"text": out.getvalue()}


def _cell(value: Any, guarded: bool) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = msgspec.json.encode(value).decode()
    return inert(value) if guarded and isinstance(value, str) else value


# --- JSON -------------------------------------------------------------------------------------------------------------


def _parse_json(params: dict[str, Any]) -> dict[str, Any]:
    return read_json(text_of(params))


def read_json(document: str) -> dict[str, Any]:
    """Return the value of a JSON document. Raises ConnectorError."""
    try:
        value = msgspec.json.decode(document.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise invalid_input(text("Invalid JSON: %(reason)s", reason=str(error))) from error
    check_size(value)
    return {"value": value}


def write_json(params: dict[str, Any]) -> dict[str, Any]:
    """Return `value` as JSON, by the inputs of the action `write_json`. Raises ConnectorError."""
    check_size(params["value"])
    try:
        document = msgspec.json.encode(params["value"])
    except (TypeError, ValueError) as error:
        raise invalid_input(text("The value cannot be written as JSON: %(reason)s", reason=str(error))) from error
    if params["indent"]:
        document = msgspec.json.format(document, indent=2)
    return {"text": _short_enough(document.decode())}


# --- XML --------------------------------------------------------------------------------------------------------------


class _Builder:
    """An XML parser's target: elements as mappings, attributes under `@name`, the text beside them under `#text`.

    An element with nothing but text is that text; names that come more than once in an element are a list. Namespaces
    are left out of names. The depth and the number of elements are looked at while they come in.
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, dict[str, Any], list[str]]] = [("", {}, [])]
        self._nodes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._nodes += 1 + len(attributes)
        if self._nodes > MAX_NODES:
            raise invalid_input(text("The document has more than %(count)s elements and attributes.", count=MAX_NODES))
        if len(self._open) > MAX_DEPTH:
            raise invalid_input(text("The document is nested more than %(count)s levels deep.", count=MAX_DEPTH))
        self._open.append((_local(tag), {f"@{_local(name)}": value for name, value in attributes.items()}, []))

    def data(self, content: str) -> None:
        self._open[-1][2].append(content)

    def end(self, tag: str) -> None:
        name, found, texts = self._open.pop()
        content = "".join(texts).strip()
        value: Any = found
        if not found:
            value = content
        elif content:
            found["#text"] = content
        around = self._open[-1][1]
        if name not in around:
            around[name] = value
        elif isinstance(around[name], list):
            around[name].append(value)
        else:
            around[name] = [around[name], value]

    def close(self) -> dict[str, Any]:
        return self._open[0][1]


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _parse_xml(params: dict[str, Any]) -> dict[str, Any]:
    parser = DefusedXMLParser(target=_Builder(), forbid_dtd=True)
    try:
        parser.feed(text_of(params))
        return {"value": parser.close()}
    except ParseError as error:
        raise invalid_input(text("Invalid XML: %(reason)s", reason=str(error))) from error
    except DefusedXmlException as error:
        raise invalid_input(text("XML with a DTD or entities is not supported.")) from error


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _write_xml(params: dict[str, Any]) -> dict[str, Any]:
    value = params["value"]
    if len(value) != 1 or isinstance(next(iter(value.values())), list):
        raise invalid_input(text("The value must have exactly one field, the root element."))
    check_size(value)
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    [(name, inner)] = value.items()
    _write_element(parts, name, inner)
    return {"text": _short_enough("".join(parts))}


def _write_element(parts: list[str], name: str, value: Any) -> None:
    """No deeper than `check_size` lets a value be."""
    if not _NAME.fullmatch(name):
        raise invalid_input(text("%(value)s is not a valid XML name.", value=repr(name[:60])))
    if isinstance(value, list):
        for each in value:
            if isinstance(each, list):
                raise invalid_input(
                    text("%(name)s contains a list within a list. XML does not support this.", name=name)
                )
            _write_element(parts, name, each)
        return
    inner = value if isinstance(value, dict) else {"#text": value}
    parts.append(f"<{name}")
    for attribute, given in inner.items():
        if attribute.startswith("@"):
            if not _NAME.fullmatch(attribute[1:]):
                raise invalid_input(text("%(value)s is not a valid XML name.", value=repr(attribute[:60])))
            parts.append(f" {attribute[1:]}={quoteattr(_xml_text(given))}")
    parts.append(">")
    parts.append(escape(_xml_text(inner.get("#text"))))
    for child, given in inner.items():
        if not child.startswith("@") and child != "#text":
            _write_element(parts, child, given)
    parts.append(f"</{name}>")


def _xml_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise invalid_input(text("XML text must be a single value (got %(type)s).", type=json_type(value)))
    content = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if found := _NOT_XML.search(content):
        code = f"U+{ord(found.group()):04X}"
        raise invalid_input(text("XML cannot contain the character %(code)s.", code=code))
    return content


def _short_enough(content: str) -> str:
    if len(content) > MAX_TEXT:
        raise invalid_input(text("The result has more than %(count)s characters.", count=MAX_TEXT))
    return content


AS_TEXT = "text"
_FORMS = {POINT: "1,234.50", COMMA: "1.234,50"}

PURE_ACTIONS = {
    "parse_csv": _parse_csv,
    "write_csv": write_csv,
    "parse_json": _parse_json,
    "write_json": write_json,
    "parse_xml": _parse_xml,
    "write_xml": _write_xml,
}
