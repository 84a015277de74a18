"""Expressions side by side where one JSON value is wanted: they would be sent as one text, which nobody means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from automate_plugins import text

_QUOTED = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
EXPRESSION = re.compile(rf"\{{\{{(?:{_QUOTED}|(?!\}}\}})[^'\"])*+\}}\}}", re.DOTALL)
_BETWEEN = re.compile(r"[\s,;]*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_LONGEST = 200  #: characters of an example
_EXAMPLE = '{"order": "{{ ... }}", "callback": "{{ ... }}"}'
_LIST_EXAMPLE = '["{{ ... }}", "{{ ... }}"]'


def side_by_side(value: Any) -> list[str]:
    """The expressions of a text that holds nothing else than several of them; else nothing.

    One expression alone may give any value. A text with statements says itself what it renders.
    """
    if not isinstance(value, str) or "{%" in value:
        return []
    found = EXPRESSION.findall(value)
    return found if len(found) > 1 and _BETWEEN.fullmatch(EXPRESSION.sub("", value)) else []


def refuse_side_by_side(value: Any, *, of_list: bool = False) -> str | None:
    """Return why a value is no JSON: it is several expressions side by side. None where it is not."""
    found = side_by_side(value)
    if not found:
        return None
    if of_list:
        return text("Several values need brackets and quotes: %(example)s", example=_LIST_EXAMPLE)
    short = json.dumps(keyed(found), ensure_ascii=False)
    return text(
        "Several values side by side are not JSON. Give each a key: %(example)s. For one text, join them: %(joined)s",
        example=short if len(short) <= _LONGEST else _EXAMPLE,
        joined="{{ a ~ ' ' ~ b }}",
    )


def keyed(found: Iterable[str]) -> dict[str, str]:
    """The expressions, each with a key from the last name in it."""
    return dict(_keyed(found))


def _keyed(found: Iterable[str]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for expression in found:
        names = _NAME.findall(expression[2:-2].partition("|")[0]) or ["value"]
        name = "callback" if names[0] == "callbacks" else names[-2] if names[-1] == "output" else names[-1]
        key = next(each for each in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if each not in taken)
        taken.add(key)
        yield key, expression
