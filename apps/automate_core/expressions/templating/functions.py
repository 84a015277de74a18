"""All functions that expressions can call; the only other calls are methods of texts."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Signature, signature
from typing import Any

import jinja2  # noqa: TID251

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.limits import MAX_RANGE
from automate_core.expressions.templating.values import Missing, checked


@dataclass(frozen=True, slots=True)
class Function:
    """A function. `is_cheap`: linear in its arguments. `takes_missing`: an argument may be a missing name."""

    name: str
    code: Callable[..., Any]
    example: str
    is_cheap: bool = True
    takes_missing: bool = False

    @property
    def signature(self) -> Signature:
        """Signature of its code."""
        return signature(self.code)


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def numbers(start: int, stop: int | None = None, step: int = 1) -> range:
    """Whole numbers from `start` to before `stop`; with one argument, from 0 to before it."""
    found = range(start) if stop is None else range(start, stop, step)
    if len(found) > MAX_RANGE:
        raise TemplateError(f"range() gives at most {MAX_RANGE:,} numbers")
    return found


def first(value: Any, /, *otherwise: Any) -> Any:
    """The first of the values that exists and is not null. A missing one is skipped, and may have filters behind it."""
    values = (value, *otherwise)
    found = [each for each in values if not isinstance(each, jinja2.Undefined)]
    if not found:
        names = " and ".join(str(each._undefined_name or "another value")[:100] for each in values)
        return Missing(hint=f"first() found no value: {names} {'do' if otherwise else 'does'} not exist")
    return next((checked(each, "first") for each in found if each is not None), None)


FUNCTIONS = {
    each.name: each
    for each in (
        Function("first", first, "{{ first(event.payload.email, event.payload.mail, 'none') }}", takes_missing=True),
        Function("now", now, "{{ now() | date }}"),
        Function("range", numbers, "{% for n in range(3) %}{{ n }} {% endfor %}", is_cheap=False),
    )
}
