"""Comparisons in templates with a text that is written there: `event.payload.total > "5,000"`."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from jinja2 import nodes  # noqa: TID251

from automate_core.expressions.json_path import Path
from automate_core.expressions.templating import grammar, sandbox

ORDERS = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
EQUALITIES = {"eq": "==", "ne": "!="}
_OPERATORS = ORDERS | EQUALITIES
_MAY_COMPARE = re.compile(r"[<>]|[!=]=")
#: Filters that give a number, and those that give a part of what they are applied to. Others give texts or lists.
_OF_NUMBERS = frozenset({"abs", "float", "int", "length", "max", "min", "round", "sum", "timestamp", "to_number"})
_OF_PARTS = frozenset({"default", "find", "first", "fromjson", "last"})
_ARITHMETIC = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)


@dataclass(frozen=True, slots=True)
class ComparedText:
    """A literal text and what it is compared with: a looked-up value with its `path`, or a number.

    What is certainly a text, such as `name | upper`, is left out: texts have an order of their own.
    """

    operator: str
    text: str
    path: Path | None = None
    is_number: bool = False


@functools.lru_cache(maxsize=4_096)
def compared_texts(source: str) -> tuple[ComparedText, ...]:
    """Find them in one template. Raises TemplateError."""
    if "{" not in source or not _MAY_COMPARE.search(source):
        return ()
    tree = grammar.parse(sandbox.ENVIRONMENT, source)
    return tuple(found for compare in tree.find_all(nodes.Compare) for found in _in_comparison(compare))


def _in_comparison(compare: nodes.Compare) -> Iterator[ComparedText]:
    for (left, _), (right, operator) in pairwise([(compare.expr, ""), *((each.expr, each.op) for each in compare.ops)]):
        for literal, other in ((left, right), (right, left)):
            if operator in _OPERATORS and isinstance(literal, nodes.Const) and isinstance(literal.value, str):
                is_number, path = _is_number(other), _path(other)
                if is_number or path is not None:
                    yield ComparedText(_OPERATORS[operator], literal.value, path, is_number)


def _is_number(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Const):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return isinstance(node, _ARITHMETIC) or (isinstance(node, nodes.Filter) and node.name in _OF_NUMBERS)


def _path(node: nodes.Node | None) -> Path | None:
    """The path of a looked-up value; empty where it is not known; None for what is no looked-up value."""
    if node is None:
        return None
    if (path := grammar.chain(node)) is not None:
        return path
    if isinstance(node, nodes.Filter) and node.name in _OF_PARTS:
        found = _path(node.node)
        return found if node.name == "default" or found is None else ()
    if isinstance(node, nodes.Getattr):
        return ()
    return () if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice) else None
