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
from automate_plugins import text


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
    """The current time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def numbers(start: int, stop: int | None = None, step: int = 1) -> range:
    """Whole numbers from `start` up to, but not including, `stop`; with one argument, starting at 0."""
    found = range(start) if stop is None else range(start, stop, step)
    if len(found) > MAX_RANGE:
        raise TemplateError(text("range() returns at most %(maximum)s numbers.", maximum=MAX_RANGE))
    return found


def first(value: Any, /, *otherwise: Any) -> Any:
    """The first value that exists and is not null. Values can have filters; missing ones are skipped."""
    values = (value, *otherwise)
    found = [each for each in values if not isinstance(each, jinja2.Undefined)]
    if not found:
        names = ", ".join(str(each._undefined_name or "?")[:100] for each in values)
        return Missing(hint=text("first() found no value. Missing: %(names)s.", names=names))
    return next((checked(each, "first") for each in found if each is not None), None)


FUNCTIONS = {
    each.name: each
    for each in (
        Function("first", first, "{{ first(event.payload.email, event.payload.mail, 'none') }}", takes_missing=True),
        Function("now", now, "{{ now() | date }}"),
        Function("range", numbers, "{% for n in range(3) %}{{ n }} {% endfor %}", is_cheap=False),
    )
}
