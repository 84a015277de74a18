"""JSON as people type it: strict where it is JSON, with errors by line in plain words."""

from __future__ import annotations

import json
import re
from typing import Any

from automate_core.authoring.drafts import insertion
from automate_core.authoring.drafts.errors import RefusedError

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")
_ADVICE = {
    "Expecting property name enclosed in double quotes": "put the name in double quotes, or take out a comma too many",
    "Expecting ':' delimiter": "put a colon between the name and its value",
    "Expecting ',' delimiter": "put a comma between this and what stands before it, or close the bracket",
    "Unterminated string starting at": "close the text that begins here with a double quote",
    "Invalid control character at": "close the text with a double quote; a line break in a text is written \\n",
    "Invalid \\escape": "write a backslash twice: \\\\",
    "Invalid \\uXXXX escape": "write four hexadecimal digits after \\u",
    "Extra data": "take out what follows the end of the value",
    "Illegal trailing comma before end of object": "take out the comma before the }",
    "Illegal trailing comma before end of array": "take out the comma before the ]",
}
_FOREIGN_LITERALS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "'": '"'}


def parse_json(text: str) -> Any:
    """Value of a JSON text. Raises ValueError with line and advice: `line 2: put a comma ...`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {_syntax_advice(error)}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def parse_storable(text: str) -> Any:
    """`parse_json`, for values that PostgreSQL can store."""
    value = parse_json(text)
    try:
        insertion.check_storable(value)
    except RefusedError as error:
        raise ValueError(f"it {error}") from error
    return value


def read_text(text: str) -> Any:
    """Value of a text: JSON where it begins like JSON, else the text. Raises ValueError like `parse_json`."""
    plain = text.strip()
    if plain in {"true", "false", "null"} or _NUMBER.match(plain) or plain[:1] in {"[", "{", '"'}:
        return text if _is_expression(plain) else parse_json(text)
    return text


def write_text(value: Any, *, indent: int | None = 2) -> str:
    """Editable text of a value, which `read_text` reads back; `indent` None puts it on one line."""
    if isinstance(value, str):
        try:
            if read_text(value) == value:
                return value
        except ValueError:
            pass  # it only looks like JSON: in quotes it is a text
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _is_expression(text: str) -> bool:
    """Whether braces are those of an expression, not of a mapping."""
    return text.startswith(("{{", "{%", "{#"))


def _syntax_advice(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].lstrip()
    if not rest and error.msg != "Unterminated string starting at":
        return "the end is missing: close every bracket and brace"
    if error.msg == "Expecting value":
        wrong = next((word for word in _FOREIGN_LITERALS if rest.startswith(word)), None)
        if wrong is not None:
            return f"write {_FOREIGN_LITERALS[wrong]} in place of {wrong}"
        if rest[0] in ",]}":
            return f"a value is missing before the {rest[0]}"
        return "put a value here; a text stands in double quotes"
    return _ADVICE.get(error.msg, error.msg.lower())


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON: write a number, or null")
