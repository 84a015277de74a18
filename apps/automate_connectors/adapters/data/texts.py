"""Texts: split, join, replace, match by RE2 in linear time, slugs."""

from __future__ import annotations

import re
from typing import Any

import re2
from django.utils.text import slugify

from automate_connectors.adapters.data.pure_action import (
    MAX_ITEMS,
    MAX_TEXT,
    TEXT,
    invalid_input,
    items_of,
    list_output,
    pure_action,
    text_of,
)
from automate_plugins.fields import FieldKind, FieldSpec, json_type

MAX_PATTERN = 500
MAX_REPLACED = 50_000  #: matches of a pattern that are replaced
MAX_SEARCHED = 100_000  #: characters that a pattern is looked for in

_GROUP = re.compile(r"\\(\d|\\)")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def _split(params: dict[str, Any]) -> dict[str, Any]:
    text, separator = text_of(params), params.get("separator")
    parts = text.split(separator, MAX_ITEMS) if separator else text.split(None, MAX_ITEMS)
    if len(parts) > MAX_ITEMS:
        raise invalid_input(f"there are more than {MAX_ITEMS:,} parts")
    return list_output(part.strip() for part in parts) if params["strip"] else list_output(parts)


def _join(params: dict[str, Any]) -> dict[str, Any]:
    for index, item in enumerate(items_of(params)):
        if isinstance(item, dict | list):
            raise invalid_input(f"items[{index}] is a {json_type(item)}, which is no part of a text")
    texts = ["" if item is None else str(item) for item in params["items"]]
    _check_length(sum(map(len, texts)) + len(params["separator"]) * len(texts))
    return {"text": params["separator"].join(texts)}


def _replace(params: dict[str, Any]) -> dict[str, Any]:
    text, find, by = text_of(params), params["find"], params["by"]
    if not find:
        raise invalid_input("find is empty")
    _check_length(len(text) + text.count(find) * (len(by) - len(find)))
    return {"text": text.replace(find, by)}


def _match(params: dict[str, Any]) -> dict[str, Any]:
    pattern, text = _pattern(params), text_of(params, "text", MAX_SEARCHED)
    found: list[dict[str, Any]] = []
    for match in pattern.finditer(text):
        if len(found) == MAX_ITEMS:
            raise invalid_input(f"there are more than {MAX_ITEMS:,} matches")
        found.append({"text": match.group(0), "groups": list(match.groups()), "named": match.groupdict()})
    return list_output(found, matched=bool(found))


def _replace_pattern(params: dict[str, Any]) -> dict[str, Any]:
    pattern, text, by = _pattern(params), text_of(params, "text", MAX_SEARCHED), params["by"]
    pieces = _pieces(by, pattern.groups)
    parts, at, length = [], 0, 0
    for number, match in enumerate(pattern.finditer(text)):
        if number == MAX_REPLACED:
            raise invalid_input(f"there are more than {MAX_REPLACED:,} matches")
        put = "".join(piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces)
        parts += [text[at : match.start()], put]
        length += match.start() - at + len(put)
        _check_length(length)
        at = match.end()
    _check_length(length + len(text) - at)
    return {"text": "".join([*parts, text[at:]])}


def _pieces(by: str, groups: int) -> list[str | int]:
    """A replacement as texts and the numbers of groups that stand between them."""
    pieces: list[str | int] = []
    for number, piece in enumerate(_GROUP.split(by)):
        if number % 2 == 0 or piece == "\\":
            pieces.append(piece)
        elif int(piece) <= groups:
            pieces.append(int(piece))
        else:
            raise invalid_input(f"by names the group {piece}, and the pattern has {groups}")
    return pieces


def _pattern(params: dict[str, Any]) -> Any:
    source = text_of(params, "pattern", MAX_PATTERN)
    if params["ignore_case"]:
        source = f"(?i){source}"
    try:
        return re2.compile(source, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise invalid_input(f"pattern: {reason} (RE2 has no look-around and no back-references)") from error


def _slug(params: dict[str, Any]) -> dict[str, Any]:
    return {"text": slugify(text_of(params, most=MAX_SEARCHED), allow_unicode=params["unicode"])}


def _check_length(length: int) -> None:
    if length > MAX_TEXT:
        raise invalid_input(f"the result has more than {MAX_TEXT:,} characters")


_SEARCHED = FieldSpec(
    name="text", label="Text", kind=FieldKind.LONG_TEXT, required=True, help=f"At most {MAX_SEARCHED:,} characters"
)
_PATTERN = FieldSpec(
    name="pattern", label="Pattern", required=True, help=f"RE2, at most {MAX_PATTERN} characters, such as #(\\d+)"
)
_IGNORE_CASE = FieldSpec(name="ignore_case", label="Ignore case", kind=FieldKind.BOOLEAN, default=False)

PURE_ACTIONS = (
    pure_action(
        _split,
        "split_text",
        "Split a text",
        "The parts between separators",
        TEXT,
        FieldSpec(name="separator", label="Separator", help="Blanks unless given"),
        FieldSpec(name="strip", label="Strip blanks", kind=FieldKind.BOOLEAN, default=True),
    ),
    pure_action(
        _join,
        "join_text",
        "Join texts",
        "One text out of a list",
        FieldSpec(name="items", label="Items", kind=FieldKind.LIST, required=True),
        FieldSpec(name="separator", label="Separator", default=", "),
    ),
    pure_action(
        _replace,
        "replace_text",
        "Replace in a text",
        "Every occurrence of one text by another",
        TEXT,
        FieldSpec(name="find", label="Find", required=True),
        FieldSpec(name="by", label="Replace by", default=""),
    ),
    pure_action(
        _match, "match_text", "Match a pattern", "What fits a regular expression", _SEARCHED, _PATTERN, _IGNORE_CASE
    ),
    pure_action(
        _replace_pattern,
        "replace_pattern",
        "Replace a pattern",
        "What fits a regular expression by another text",
        _SEARCHED,
        _PATTERN,
        FieldSpec(name="by", label="Replace by", default="", help="\\1 to \\9 stand for groups, \\0 for all of it"),
        _IGNORE_CASE,
    ),
    pure_action(
        _slug,
        "slugify",
        "Make a slug",
        "Lower-case letters, digits and dashes",
        _SEARCHED,
        FieldSpec(name="unicode", label="Keep letters beyond ASCII", kind=FieldKind.BOOLEAN, default=False),
    ),
)
