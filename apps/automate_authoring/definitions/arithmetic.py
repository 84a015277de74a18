"""Arithmetic around expressions, `{{ a }} * 2`: this gives a text, so the expression that computes it is offered
instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
_EXPRESSION = re.compile(rf"\{{\{{-?((?:{_TEXT}|(?!-?\}}\}})[^'\"])*+)-?\}}\}}", re.DOTALL)
_PART = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<expression>\x00)|(?P<operator>[-+*/])|(?P<bracket>[()]))")
_NAME = re.compile(r"(?:[\w.\[\]'\"]+|first\([^()]*\))(?:\s*\|[^|]+)*")
MAX_SOURCE = 1_000  #: characters of a text that is looked at


@dataclass(frozen=True)
class Sum:
    """A text that looks like arithmetic. `operands` are its expressions, `whole` is the expression that computes it.

    `certain` is false for a text that may be meant as it is, such as `{{ customer }} - {{ order }}`.
    """

    operands: tuple[str, ...]
    whole: str
    certain: bool


def read_sum(text: str) -> Sum | None:
    """Parse a text that is arithmetic as a whole; None for any other text."""
    operands = tuple(match[0] for match in _EXPRESSION.finditer(text)) if len(text) <= MAX_SOURCE else ()
    inner = [match[1].strip() for match in _EXPRESSION.finditer(text)] if operands else []
    if not inner or not all(inner) or "{%" in text or "\x00" in text:
        return None
    parts = _parts(_EXPRESSION.sub("\x00", text).strip())
    if parts is None or not _is_sum(parts):
        return None
    numbers = iter(_as_number(each) for each in inner)
    whole = " ".join(next(numbers) if kind == "expression" else part for kind, part in parts)
    whole = whole.replace("( ", "(").replace(" )", ")")
    return Sum(operands, f"{{{{ {whole} }}}}", _is_certain(text, parts))


def _parts(text: str) -> list[tuple[str, str]] | None:
    """Split into (kind, text) parts; None when the text holds anything else."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            return None
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return found


def _is_sum(parts: list[tuple[str, str]]) -> bool:
    """Whether operands and operators alternate and brackets are balanced."""
    depth, wants_operand, operators = 0, True, 0
    for kind, part in parts:
        if (kind == "operator" or part == ")") == wants_operand:
            return False
        depth += (part == "(") - (part == ")")
        operators += kind == "operator"
        if depth < 0:
            return False
        if kind != "bracket":
            wants_operand = kind == "operator"
    return not depth and not wants_operand and operators > 0


def _is_certain(text: str, parts: list[tuple[str, str]]) -> bool:
    """Whether the text is meant as arithmetic: dashes and slashes also join names and paths."""
    operators = {part for kind, part in parts if kind == "operator"}
    if operators & {"*", "+"}:
        return True
    has_number = any(kind == "number" for kind, _ in parts)
    return has_number and bool(re.search(r"\s[-/]\s", _EXPRESSION.sub("\x00", text)))


def _as_number(expression: str) -> str:
    """Wrap an expression as a numeric operand."""
    return f"({expression if _NAME.fullmatch(expression) else f'({expression})'} | to_number)"
