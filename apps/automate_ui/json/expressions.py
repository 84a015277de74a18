"""Paths as expressions, and values as one-line texts."""

from __future__ import annotations

import json
import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_core.expressions.json_path import Path
from automate_governance.texts import escape_invisible, translated
from automate_plugins import text
from automate_plugins.files import is_file
from automate_ui.formatting import format_bytes, format_count

MAX_SHOWN = 60
MAX_TAIL = 24  #: characters of a path's end that always stay readable
A_FILE = text("a file")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES: dict[type, tuple[str, str]] = {
    str: ("abc", text("text")),
    bool: ("t/f", text("true or false")),
    int: ("123", text("a number")),
    float: ("123", text("a number")),
    list: ("[ ]", text("a list")),
    dict: ("{ }", text("a mapping")),
    type(None): ("-", text("nothing")),
}


def path_expression(path: Path) -> str:
    """A path as an expression: `event.payload["e-mail"][0]`."""
    return "".join(_path_part(part, first=not at) for at, part in enumerate(path))


def _path_part(part: str | int, *, first: bool) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _NAME.fullmatch(part):
        return part if first else f".{part}"
    return f"[{json.dumps(part)}]"


def split_label(label: str) -> tuple[str, str]:
    """A path in two parts; the second is its end, the last name where that is short."""
    if len(label) <= MAX_TAIL:
        return label, ""
    at = max(label.rfind("."), label.rfind("["))
    at = at if len(label) - at <= MAX_TAIL and at > 0 else len(label) - MAX_TAIL // 2
    return label[:at], label[at:]


def type_glyph(value: Any) -> str:
    """Glyph of a value's type: abc, 123, t/f, [ ], { }."""
    return _TYPES.get(type(value), ("", ""))[0]


def type_words(value: Any) -> str:
    """A value's type in words."""
    if is_file(value):
        return translated(A_FILE)
    return translated(_TYPES.get(type(value), ("", text("another type")))[1])


def size_text(value: list[Any] | dict[str, Any]) -> str:
    """Size of a list or a mapping: `3 items`, `1 field`."""
    number = len(value)
    if isinstance(value, list):
        found = ngettext("%(count)s item", "%(count)s items", number)
    else:
        found = ngettext("%(count)s field", "%(count)s fields", number)
    return found % {"count": format_count(number)}


def one_line(value: Any, most: int = MAX_SHOWN) -> str:
    """A value in one line, truncated; lists and mappings as their size, a file as its name and size."""
    if is_file(value):
        return f"{escape_invisible(value['name'][:most])} ({format_bytes(value['size'])})"
    if isinstance(value, list | dict):
        return size_text(value)
    text = value if isinstance(value, str) else _("empty") if value is None else json.dumps(value)
    text = escape_invisible(text[: most + 1].replace("\n", " "))
    return text if len(text) <= most else f"{text[:most]}…"
