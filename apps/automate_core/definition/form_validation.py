"""Answers to a form, checked against its fields: the inputs of manual starts, and what approvers fill in."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from automate_core.definition.document import FormField


class AnswersError(ValueError):
    """Answers that do not fit: `errors` holds a sentence for each field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name} {reason}" for name, reason in errors.items()))
        self.errors = errors


def check_answers(
    fields: Sequence[Mapping[str, Any]], answers: Mapping[str, Any], *, complete: bool = True
) -> dict[str, Any]:
    """The answers, one for each field, in its type. Raises AnswersError.

    `fields` are documents of FormField. Texts, as browsers send them, are read as the number, boolean or date that the
    field wants. Without an answer, a field that is not required is null, or false if it is a boolean; unless the
    answers have to be `complete`, none is required.
    """
    form = msgspec.convert(fields, list[FormField])
    known = [field.name for field in form]
    errors = {name: f"is no field; there is {', '.join(known) or 'none'}" for name in answers if name not in known}
    checked = {}
    for field in form:
        try:
            checked[field.name] = _read(field, answers.get(field.name), required=field.required and complete)
        except ValueError as error:
            errors[field.name] = str(error)
    if errors:
        raise AnswersError(errors)
    return checked


def _read(field: FormField, answer: Any, *, required: bool) -> Any:
    """Raises ValueError, whose message follows the field's name."""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        if required:
            raise ValueError("is required")
        return False if field.kind == "boolean" else None
    match field.kind:
        case "number":
            return _number(answer)
        case "boolean":
            return _boolean(answer)
        case "date":
            return _date(answer)
    if not isinstance(answer, str) or "\x00" in answer:
        raise ValueError("must be a text")
    if field.kind == "choice" and answer not in field.choices:
        raise ValueError(f"must be one of {', '.join(field.choices)}")
    if field.kind == "text" and len(answer.splitlines()) > 1:
        raise ValueError("must be one line")
    return answer


def _number(answer: Any) -> int | float:
    if isinstance(answer, str):
        try:
            answer = int(answer)
        except ValueError:
            try:
                answer = float(answer)
            except ValueError:
                point = ", with a point for decimals: 12.50" if "," in answer else ""
                raise ValueError(f"must be a number{point}") from None
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not _is_finite(answer):
        raise ValueError("must be a number")
    return answer


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond what JSON's readers take
        return False


def _boolean(answer: Any) -> bool:
    if isinstance(answer, bool):
        return answer
    if isinstance(answer, str) and answer.lower() in _BOOLEANS:
        return _BOOLEANS[answer.lower()]
    raise ValueError("must be true or false")


_BOOLEANS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def _date(answer: Any) -> str:
    try:
        return dt.date.fromisoformat(answer).isoformat()
    except (TypeError, ValueError):
        raise ValueError("must be a date such as 2026-12-24") from None
