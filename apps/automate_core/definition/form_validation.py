"""Answers to a form, checked against its fields: manual starts, hosted forms, and what approvers fill in."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from automate_core.definition.document import FormField
from automate_governance.numbers import decimal_sign, number_problem, typed_number
from automate_plugins import text
from automate_plugins.errors import AutomateError
from automate_plugins.texts import joined
from automate_plugins.typed_values import plain_whole, read_number


class AnswersError(AutomateError, ValueError, code="invalid_inputs"):
    """Invalid answers: `errors` holds a sentence for each field, with the field's name at its placeholder `name`.

    `codes` holds what kind of error it is, where that is known: `required`, `unknown`, `wrong_type`, `not_a_choice`.
    """

    def __init__(self, errors: dict[str, str], codes: Mapping[str, str] | None = None) -> None:
        super().__init__(joined(errors.values()))
        self.errors, self.codes = errors, codes or {}


class _AnswerError(ValueError):
    """One invalid answer: its sentence and its code."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def check_answers(
    fields: Sequence[Mapping[str, Any]], answers: Mapping[str, Any], *, complete: bool = True
) -> dict[str, Any]:
    """The answers, one for each field, in its type. Raises AnswersError.

    `fields` are documents of FormField. Texts, as browsers send them, are read as the number, boolean or date that the
    field wants. Without an answer, a field that is not required is null, false if it is a boolean or a consent, or an
    empty list if several choices are possible; unless the answers have to be `complete`, none is required. A file's
    answer is its value (`artifact_values`), which is taken as it is.
    """
    form = msgspec.convert(fields, list[FormField])
    known = [field.name for field in form]
    errors = {name: _unknown_field(name, known) for name in answers if name not in known}
    codes = dict.fromkeys(errors, "unknown")
    checked = {}
    for field in form:
        try:
            checked[field.name] = _read(field, answers.get(field.name), required=field.required and complete)
        except ValueError as error:
            errors[field.name] = str(error)
            if isinstance(error, _AnswerError):
                codes[field.name] = error.code
    if errors:
        raise AnswersError(errors, codes)
    return checked


def with_defaults(fields: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields with rendered defaults; one that the field does not accept is left out."""
    found = []
    for field in fields:
        bare = {name: value for name, value in field.items() if name != "default"}
        value = default_value(field, defaults.get(field["name"]))
        found.append(bare if value is None else {**bare, "default": value})
    return found


def default_value(field: Mapping[str, Any], value: Any) -> Any:
    """The value in the type of the field, a time as its date; None for one that the field does not accept."""
    if field.get("kind") == "date" and isinstance(value, str):
        value = value[:10]
    if field.get("kind", "text") in {"text", "long_text", "choice", "email"} and isinstance(value, int | float):
        value = str(value)
    try:
        return check_answers([{**field, "required": False}], {field["name"]: value})[field["name"]]
    except AnswersError:
        return None


def _unknown_field(name: str, known: Sequence[str]) -> str:
    if not known:
        return text("There is no field %(field)s. The form has no fields.", field=repr(name))
    return text("There is no field %(field)s. Available: %(names)s.", field=repr(name), names=", ".join(known))


def _read(field: FormField, answer: Any, *, required: bool) -> Any:
    """Raises ValueError with a sentence."""
    name = field.name
    if answer is None or answer == [] or (isinstance(answer, str) and not answer.strip()):
        if required:
            raise _AnswerError(text("%(name)s is required.", name=name), "required")
        return _EMPTY.get(field.kind)
    match field.kind:
        case "number":
            return _within_limits(field, _number(answer, name))
        case "boolean":
            return _boolean(answer, name)
        case "consent":
            return _consent(_boolean(answer, name), name, required=required)
        case "date":
            return _date(answer, name)
        case "choices":
            return _choices(field, answer)
        case "file":
            return _file(answer, name)
    if not isinstance(answer, str) or "\x00" in answer:
        raise _AnswerError(text("%(name)s must be text.", name=name), "wrong_type")
    if field.kind == "email":
        return _email(answer.strip(), name)
    if field.kind == "choice" and answer not in field.choices:
        raise _AnswerError(
            text("%(name)s must be one of: %(choices)s.", name=name, choices=", ".join(field.choices)), "not_a_choice"
        )
    if field.kind == "text" and len(answer.splitlines()) > 1:
        raise ValueError(text("%(name)s must be a single line.", name=name))
    if field.kind in {"text", "long_text"}:
        _check_length(field, answer)
    return answer


#: The answers of fields that were left empty; null of other kinds.
_EMPTY: dict[str, Any] = {"boolean": False, "consent": False, "choices": []}
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")


def _within_limits(field: FormField, number: float) -> float:
    values = {"name": field.name, "minimum": _plain(field.minimum), "maximum": _plain(field.maximum)}
    if field.minimum is not None and number < field.minimum:
        raise ValueError(text("%(name)s must be at least %(minimum)s.", **values))
    if field.maximum is not None and number > field.maximum:
        raise ValueError(text("%(name)s must be at most %(maximum)s.", **values))
    return number


def _check_length(field: FormField, answer: str) -> None:
    values = {"name": field.name, "minimum": _plain(field.minimum), "maximum": _plain(field.maximum)}
    length = len(answer.replace("\r\n", "\n"))
    if field.minimum is not None and length < field.minimum:
        raise ValueError(text("%(name)s is too short: use at least %(minimum)s characters.", **values))
    if field.maximum is not None and length > field.maximum:
        raise ValueError(text("%(name)s is too long: use at most %(maximum)s characters.", **values))


def _plain(limit: float | None) -> str:
    return "" if limit is None else typed_number(limit)


def _choices(field: FormField, answer: Any) -> list[str]:
    name = field.name
    chosen = [answer] if isinstance(answer, str) else answer
    if not isinstance(chosen, list) or any(each not in field.choices for each in chosen):
        raise _AnswerError(
            text("%(name)s must be one of: %(choices)s.", name=name, choices=", ".join(field.choices)), "not_a_choice"
        )
    found = [each for each in field.choices if each in chosen]
    values = {"name": name, "minimum": _plain(field.minimum), "maximum": _plain(field.maximum)}
    if field.minimum is not None and len(found) < field.minimum:
        raise ValueError(text("%(name)s: choose at least %(minimum)s.", **values))
    if field.maximum is not None and len(found) > field.maximum:
        raise ValueError(text("%(name)s: choose at most %(maximum)s.", **values))
    return found


def _consent(given: bool, name: str, *, required: bool) -> bool:
    if required and not given:
        raise _AnswerError(text("%(name)s is required.", name=name), "required")
    return given


def _email(answer: str, name: str) -> str:
    if len(answer) > 254 or not _EMAIL.fullmatch(answer):
        raise ValueError(text("%(name)s must be an email address such as anna@example.com.", name=name))
    return answer


def _file(answer: Any, name: str) -> Any:
    if not isinstance(answer, Mapping):
        raise _AnswerError(text("%(name)s must be a file.", name=name), "wrong_type")
    return answer


def _number(answer: Any, name: str) -> int | float:
    if isinstance(answer, str):
        answer = _number_from_text(answer.strip(), name)
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not _is_finite(answer):
        raise _AnswerError(text("%(name)s must be a number.", name=name), "wrong_type")
    return plain_whole(answer)


def _number_from_text(written: str, name: str) -> int | float:
    """Raises ValueError, also for what languages read differently: 1.234 is a thousand for some readers."""
    typed = read_number(written, decimal_sign())
    if typed.value is not None:
        return typed.value
    if typed.readings:
        raise ValueError(text("%(name)s: %(problem)s", name=name, problem=number_problem(written)))
    raise _AnswerError(text("%(name)s must be a number.", name=name), "wrong_type")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond what JSON's readers take
        return False


def _boolean(answer: Any, name: str) -> bool:
    if isinstance(answer, bool):
        return answer
    if isinstance(answer, str) and answer.lower() in _BOOLEANS:
        return _BOOLEANS[answer.lower()]
    raise _AnswerError(text("%(name)s must be true or false.", name=name), "wrong_type")


_BOOLEANS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def _date(answer: Any, name: str) -> str:
    try:
        return dt.date.fromisoformat(answer).isoformat()
    except (TypeError, ValueError):
        raise ValueError(text("%(name)s must be a date such as 2026-12-24.", name=name)) from None
