"""JSON as people type it: strict where it is JSON, with errors by line in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from automate_authoring.drafts import insertion
from automate_authoring.drafts.errors import RefusedError
from automate_governance.numbers import decimal_sign
from automate_plugins import text
from automate_plugins.texts import marked
from automate_plugins.typed_values import POINT, is_twofold, json_number, number_question
from automate_ui.json.bare_expressions import check_mixed, check_unquoted

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")
_ADVICE = {
    "Expecting property name enclosed in double quotes": text("quote the key or remove the extra comma"),
    "Expecting ':' delimiter": text("add a colon between the key and its value"),
    "Expecting ',' delimiter": text("add a comma before this value or close the bracket"),
    "Unterminated string starting at": text("close the text with a double quote"),
    "Invalid control character at": text("close the text with a double quote, and write line breaks as \\n"),
    "Invalid \\escape": text("write a backslash as \\\\"),
    "Invalid \\uXXXX escape": text("write four hexadecimal digits after \\u"),
    "Extra data": text("remove the text after the value"),
    "Illegal trailing comma before end of object": text("remove the comma before }"),
    "Illegal trailing comma before end of array": text("remove the comma before ]"),
}
_FOREIGN_LITERALS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "'": '"'}


def parse_json(given: str) -> Any:
    """Value of a JSON text. Raises ValueError with line and advice: `line 2: add a comma ...`."""
    try:
        return json.loads(given, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        check_unquoted(error)
        advice = text("line %(line)s: %(advice)s", line=error.lineno, advice=marked(_syntax_advice(error)))
        raise ValueError(advice) from error
    except RecursionError as error:
        raise ValueError(text("the JSON is nested too deeply")) from error


def parse_storable(given: str) -> Any:
    """`parse_json`, for values that PostgreSQL can store."""
    value = parse_json(given)
    try:
        insertion.check_storable(value)
    except RefusedError as error:
        raise ValueError(text("it %(reason)s", reason=str(error))) from error
    return value


def read_text(given: str) -> Any:
    """Value of a text: JSON where it begins like JSON, else the text. Raises ValueError like `parse_json`.

    It is raised for 1.250, too, which languages read as two numbers.
    """
    plain = given.strip()
    if is_twofold(plain) and POINT in plain:
        raise ValueError(number_question(plain, decimal_sign()))
    if plain in {"true", "false", "null"} or _NUMBER.match(plain) or plain[:1] in {"[", "{", '"'}:
        return given if _is_expression(plain) else parse_json(given)
    return given


def read_value(given: str) -> Any:
    """`read_text` for JSON fields, where a text that mixes expressions with more needs quotes."""
    if given.lstrip()[:1] not in {"[", "{", '"'} or _is_expression(given.lstrip()):
        check_mixed(given)
    return read_text(given)


def write_value(value: Any) -> str:
    """Editable text of a value, which `read_value` reads back."""
    return write_text(value, read=read_value)


def write_text(value: Any, *, indent: int | None = 2, read: Callable[[str], Any] = read_text) -> str:
    """Editable text of a value, which `read` reads back; `indent` None puts it on one line."""
    if isinstance(value, str):
        try:
            if read(value) == value:
                return value
        except ValueError:
            pass  # it only looks like JSON: in quotes it is a text
    if isinstance(value, float):
        return json_number(value)
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _is_expression(given: str) -> bool:
    """Whether braces are those of an expression, not of a mapping."""
    return given.startswith(("{{", "{%", "{#"))


def _syntax_advice(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].lstrip()
    if not rest and error.msg != "Unterminated string starting at":
        return text("close all brackets and braces")
    if error.msg == "Expecting value":
        wrong = next((word for word in _FOREIGN_LITERALS if rest.startswith(word)), None)
        if wrong is not None:
            return text("write %(right)s instead of %(wrong)s", right=_FOREIGN_LITERALS[wrong], wrong=wrong)
        if rest[0] in ",]}":
            return text("a value is missing before %(sign)s", sign=rest[0])
        return text("enter a value, and put texts in double quotes")
    return _ADVICE.get(error.msg, text("this is not JSON"))


def _refuse_constant(name: str) -> Any:
    raise ValueError(text("%(name)s is not a JSON number: enter a number or null", name=name))
