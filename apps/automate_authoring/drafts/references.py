"""References between steps, found and rewritten when steps are copied under new keys.

Only names are touched: `steps.KEY` and `callbacks.KEY` in expressions, and the same at the beginning of a rule's `var`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TEXT = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
_OPENER = re.compile(r"\{[{%]")
_EXPRESSION = re.compile(rf"\{{[{{%](?:{_TEXT}|(?![}}%]\}}).)*+[}}%]\}}", re.DOTALL)
_NAME = re.compile(
    rf"(?P<root>(?<![\w.])(?:steps|callbacks)\s*+)(?:(?P<dot>\.\s*+)(?P<key>\w++)|(?P<open>\[\s*+['\"])(?P<item>\w++)(?=['\"]))"
    rf"|{_TEXT}",
    re.DOTALL,
)
_VARIABLE = re.compile(r"(steps|callbacks)\.([^.]+)(.*)", re.DOTALL)
_RULES = frozenset({"when", "until", "filter"})


def rewrite_references(document: Any, keys: Mapping[str, str]) -> Any:
    """A copy of a step's document, or a part of it, in which references to old keys name the new ones."""
    if isinstance(document, dict):
        return {
            name: (_in_rule if name in _RULES else rewrite_references)(value, keys) for name, value in document.items()
        }
    if isinstance(document, list):
        return [rewrite_references(item, keys) for item in document]
    return _in_text(document, keys) if isinstance(document, str) else document


def _in_text(text: str, keys: Mapping[str, str]) -> str:
    def name(match: re.Match[str]) -> str:
        old = match["key"] or match["item"]
        if old not in keys:
            return match[0]
        return f"{match['root']}{match['dot'] or match['open']}{keys[old]}"

    parts, done = [], 0
    while opener := _OPENER.search(text, done):
        expression = _EXPRESSION.match(text, opener.start())
        if expression is None:
            break  # it never ends: such a text is no template
        parts += [text[done : opener.start()], _NAME.sub(name, expression[0])]
        done = expression.end()
    return "".join([*parts, text[done:]])


def _in_rule(rule: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(rule, list):
        return [_in_rule(item, keys) for item in rule]
    if not isinstance(rule, dict):
        return _in_text(rule, keys) if isinstance(rule, str) else rule
    return {
        operator: _variable(given, keys) if operator == "var" else _in_rule(given, keys)
        for operator, given in rule.items()
    }


def _variable(given: Any, keys: Mapping[str, str]) -> Any:
    if isinstance(given, list) and given:
        return [_variable(given[0], keys), *(_in_rule(item, keys) for item in given[1:])]
    match = _VARIABLE.fullmatch(given) if isinstance(given, str) else None
    if match is None or match[2] not in keys:
        return given
    return f"{match[1]}.{keys[match[2]]}{match[3]}"
