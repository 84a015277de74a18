"""Values that a person types: `--input name=text`, `--input name:=JSON`, and files of JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automate_cli.errors import BadInputError

_PAIR = re.compile(r"([^=:]+)(:?=)(.*)", re.DOTALL)


def read_inputs(pairs: Iterable[str], file: str | None, option: str = "--input") -> dict[str, Any]:
    """The object of the JSON `file` (`-` is standard input), with the values of the pairs above its own. Raises
    BadInputError."""
    found = _read_object(file) if file else {}
    return {**found, **dict(_read_pair(pair, option) for pair in pairs)}


def read_filters(pairs: Iterable[str], option: str = "--filter") -> dict[str, list[str]]:
    """The values of each name in `NAME=VALUE` texts. Raises BadInputError."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise BadInputError(f"{option} must be NAME=VALUE, not {pair!r}.")
        found.setdefault(name, []).append(value)
    return found


def may_ask() -> bool:
    """Whether a person can answer a question."""
    return sys.stdin.isatty()


def _read_pair(pair: str, option: str) -> tuple[str, Any]:
    match = _PAIR.fullmatch(pair)
    if match is None:
        raise BadInputError(f"{option} must be NAME=TEXT or NAME:=JSON, not {pair!r}.")
    name, sign, text = match.groups()
    if sign == "=":
        return name, text
    try:
        return name, _read_json(text)
    except ValueError:
        raise BadInputError(f"{option} {name}: the value after := is not valid JSON.") from None


def _read_object(name: str) -> dict[str, Any]:
    try:
        content = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        found = _read_json(content)
    except OSError as error:
        raise BadInputError(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{name} is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise BadInputError(f"{name} is not valid JSON: line {error.lineno}: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{name} is not valid JSON: {error}.") from None
    if not isinstance(found, dict):
        raise BadInputError(f"{name} must contain a JSON object.")
    return found


def _read_json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
