"""Texts: split, join, replace, match by RE2 in linear time, slugs."""

from __future__ import annotations

import re
from typing import Any

import re2
from django.utils.text import slugify

from automate_connectors.adapters.data.pure_action import (
    MAX_ITEMS,
    MAX_TEXT,
    invalid_input,
    items_of,
    list_output,
    text_of,
)
from automate_plugins import text
from automate_plugins.fields import json_type

MAX_PATTERN = 500
MAX_REPLACED = 50_000  #: matches of a pattern that are replaced
MAX_SEARCHED = 100_000  #: characters that a pattern is looked for in

_GROUP = re.compile(r"\\(\d|\\)")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def _split(params: dict[str, Any]) -> dict[str, Any]:
    parts = text_of(params).split(params.get("separator") or None, MAX_ITEMS)
    if len(parts) > MAX_ITEMS:
        raise invalid_input(text("There are more than %(count)s parts.", count=MAX_ITEMS))
    return list_output(part.strip() for part in parts) if params["strip"] else list_output(parts)


def _join(params: dict[str, Any]) -> dict[str, Any]:
    for index, item in enumerate(items_of(params)):
        if isinstance(item, dict | list):
            raise invalid_input(
                text("%(name)s must be a single value (got %(type)s).", name=f"items[{index}]", type=json_type(item))
            )
    texts = ["" if item is None else str(item) for item in params["items"]]
    _check_length(sum(map(len, texts)) + len(params["separator"]) * len(texts))
    return {"text": params["separator"].join(texts)}


def _replace(params: dict[str, Any]) -> dict[str, Any]:
    subject, find, by = text_of(params), params["find"], params["by"]
    if not find:
        raise invalid_input(text("%(name)s is required.", name="find"))
    _check_length(len(subject) + subject.count(find) * (len(by) - len(find)))
    return {"text": subject.replace(find, by)}


def _match(params: dict[str, Any]) -> dict[str, Any]:
    pattern, subject = _pattern(params), text_of(params, "text", MAX_SEARCHED)
    found: list[dict[str, Any]] = []
    for match in pattern.finditer(subject):
        if len(found) == MAX_ITEMS:
            raise invalid_input(text("There are more than %(count)s matches.", count=MAX_ITEMS))
        found.append({"text": match.group(0), "groups": list(match.groups()), "named": match.groupdict()})
    return list_output(found, matched=bool(found))


def _replace_pattern(params: dict[str, Any]) -> dict[str, Any]:
    pattern, subject, by = _pattern(params), text_of(params, "text", MAX_SEARCHED), params["by"]
    pieces = _pieces(by, pattern.groups)
    parts, at, length = [], 0, 0
    for number, match in enumerate(pattern.finditer(subject)):
        if number == MAX_REPLACED:
            raise invalid_input(text("There are more than %(count)s matches.", count=MAX_REPLACED))
        put = "".join(piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces)
        parts += [subject[at : match.start()], put]
        length += match.start() - at + len(put)
        _check_length(length)
        at = match.end()
    _check_length(length + len(subject) - at)
    return {"text": "".join([*parts, subject[at:]])}


def _pieces(by: str, groups: int) -> list[str | int]:
    """A replacement as texts and the numbers of groups that stand between them."""
    pieces: list[str | int] = []
    for number, piece in enumerate(_GROUP.split(by)):
        if number % 2 == 0 or piece == "\\":
            pieces.append(piece)
        elif int(piece) <= groups:
            pieces.append(int(piece))
        else:
            raise invalid_input(
                text(
                    "The replacement refers to group %(group)s, but the pattern has %(count)s groups.",
                    group=piece,
                    count=groups,
                )
            )
    return pieces


def _pattern(params: dict[str, Any]) -> Any:
    source = text_of(params, "pattern", MAX_PATTERN)
    if params["ignore_case"]:
        source = f"(?i){source}"
    try:
        return re2.compile(source, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise invalid_input(
            text(
                "Invalid pattern: %(reason)s. RE2 does not support look-around and back-references.", reason=str(reason)
            )
        ) from error


def _slug(params: dict[str, Any]) -> dict[str, Any]:
    return {"text": slugify(text_of(params, most=MAX_SEARCHED), allow_unicode=params["unicode"])}


def _check_length(length: int) -> None:
    if length > MAX_TEXT:
        raise invalid_input(text("The result has more than %(count)s characters.", count=MAX_TEXT))


PURE_ACTIONS = {
    "split_text": _split,
    "join_text": _join,
    "replace_text": _replace,
    "match_text": _match,
    "replace_pattern": _replace_pattern,
    "slugify": _slug,
}
