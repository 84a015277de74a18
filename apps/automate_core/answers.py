"""Answers to a form's fields, checked: what a person filled in, as values of the kinds that the fields ask for."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

MOST_CHARACTERS = 200
MOST_LONG_CHARACTERS = 20_000


class AnswersError(ValueError):
    """Answers that the form does not take: `errors` has a reason for each field, by name."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
        self.errors = errors


def check(fields: list[dict[str, Any]], answers: dict[str, Any]) -> dict[str, Any]:
    """The answers by field, as JSON values; a field without one is null. Raises AnswersError.

    `fields` are documents of `automate_core.definition.FormField`. Texts, as an HTML form sends them, are read as the
    field's kind. Unknown names are refused.
    """
    errors = dict.fromkeys(answers.keys() - {field["name"] for field in fields}, "There is no such field.")
    checked: dict[str, Any] = {}
    for field in fields:
        name = field["name"]
        try:
            checked[name] = _value(field, answers.get(name))
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise AnswersError(errors)
    return checked


def _value(field: dict[str, Any], given: Any) -> Any:
    kind = field.get("kind", "text")
    if kind == "boolean":
        return _boolean(given, required=field.get("required", False))
    if given is None or (isinstance(given, str) and not given.strip()):
        if field.get("required"):
            raise ValueError("This field is required.")
        return None
    if kind == "choice":
        return _choice(given, field.get("choices", []))
    return _READERS[kind](given)


def _boolean(given: Any, *, required: bool) -> bool:
    """A box that an HTML form leaves out is not ticked; one that is required has to be."""
    value = given if isinstance(given, bool) else {"on": True, "true": True}.get(str(given or "").lower(), False)
    if required and not value:
        raise ValueError("This box has to be ticked.")
    return value


def _text(given: Any, most: int = MOST_CHARACTERS) -> str:
    if not isinstance(given, str):
        raise ValueError("Enter a text.")
    if len(given) > most:
        raise ValueError(f"Enter at most {most:,} characters; these are {len(given):,}.")
    if "\0" in given:
        raise ValueError("The text holds a character that cannot be stored.")
    return given.strip()


def _long_text(given: Any) -> str:
    return _text(given, MOST_LONG_CHARACTERS)


def _number(given: Any) -> int | float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError("Enter a number.")
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise ValueError("Enter a number, such as 12 or 12.5.") from None
    if not math.isfinite(number) or abs(number) > 1e15:
        raise ValueError("Enter a smaller number.")
    return int(number) if number.is_integer() else number


def _date(given: Any) -> str:
    try:
        return dt.date.fromisoformat(str(given).strip()).isoformat()
    except ValueError:
        raise ValueError("Enter a date, such as 2026-05-31.") from None


def _choice(given: Any, choices: list[str]) -> str:
    if given not in choices:
        raise ValueError(f"Choose one of {', '.join(choices)}.")
    return str(given)


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "long_text": _long_text,
    "number": _number,
    "date": _date,
}
