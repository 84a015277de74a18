"""JSON values in operators and filters: names of their types, their fields, and checked conversions."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import jinja2  # noqa: TID251
from jinja2.utils import missing  # noqa: TID251

from automate_core.expressions.json_path import ABSENT, TemplateError, as_text, describe_missing, part_of
from automate_core.expressions.templating.limits import MAX_OUTPUT
from automate_plugins import text
from automate_plugins.texts import joined, marked

MAX_EXPONENT = 30  #: of a number that is written out

_KINDS: dict[type, str] = {
    str: text("a text"),
    bool: text("true or false"),
    int: text("a number"),
    float: text("a number"),
    list: text("a list"),
    dict: text("an object"),
    type(None): text("null"),
}
_OTHER = text("another kind of value")
#: What a message is about, where it is not a filter or an operator.
THE_TEXT, THE_EXPRESSION = marked(text("the text")), marked(text("the expression"))


class UsedMissingError(jinja2.UndefinedError):
    """Use of a missing name: `parent` has no part `name`. `advice` says how to correct the expression."""

    advice = ""

    def __init__(self, parent: Any, name: Any, message: str) -> None:
        super().__init__(message)
        self.parent = parent
        self.name = name


class Missing(jinja2.StrictUndefined):
    """A missing name. Deeper look-ups return it, so that `a.b.c | default(1)` works; any use of it is an error."""

    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = missing, name: Any = None, exc: Any = None) -> None:
        super().__init__(hint, obj, name)
        if exc is None:  # Jinja calls it with the message
            self._undefined_exception = cast("type[UsedMissingError]", functools.partial(UsedMissingError, obj, name))

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return text("%(path)s does not exist.", path=str(self._undefined_name))
        return describe_missing(self._undefined_obj, self._undefined_name or "")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: Any) -> Any:
        return self


def advised(reason: str, advice: str) -> str:
    """Return a reason followed by the advice, if any."""
    return joined([reason, advice]) if advice else reason


def kind(value: Any) -> str:
    """Name of a value's type for error messages, translated as a value of them."""
    return marked(_KINDS.get(type(value), _OTHER))


def is_number(value: Any) -> bool:
    """Whether the value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def checked(value: Any, what: str) -> Any:
    """Return the value as JSON: tuples and ranges become lists.

    Raises TemplateError for other values, UndefinedError for `Missing`.
    """
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises its own error
    if type(value) in _KINDS:
        return value
    if isinstance(value, tuple | range):
        return list(value)
    raise TemplateError(text("%(what)s needs a JSON value.", what=what))


def fits(size: int, what: str, most: int = MAX_OUTPUT, *, is_list: bool = False) -> None:
    """Raise TemplateError when a result of `size` characters, or items of a list, is longer than `most`."""
    if size <= most:
        return
    if is_list:
        raise TemplateError(text("The result of %(what)s has more than %(maximum)s items.", what=what, maximum=most))
    raise TemplateError(text("The result of %(what)s is longer than %(maximum)s characters.", what=what, maximum=most))


def text_of(value: Any, what: str) -> str:
    """Return a text, or a number, true, false or null as text. Raises TemplateError for lists and mappings."""
    if isinstance(value, list | dict):
        raise TemplateError(text("%(what)s needs a text, not %(kind)s.", what=what, kind=kind(value)))
    return as_text(value)


def list_of(value: Any, what: str) -> list[Any]:
    """Return a list. Raises TemplateError for any other value."""
    if not isinstance(value, list):
        raise TemplateError(text("%(what)s needs a list, not %(kind)s.", what=what, kind=kind(value)))
    return value


def whole(value: Any, what: str, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`. Raises TemplateError for any other value."""
    if type(value) is not int or not least <= value <= most:
        raise TemplateError(
            text(
                "%(what)s must be a whole number from %(minimum)s to %(maximum)s.",
                what=what,
                minimum=least,
                maximum=most,
            )
        )
    return value


def field_of(item: Any, attribute: str | int, what: str) -> Any:
    """Return a field of an item; `attribute` may be a dotted path. Raises TemplateError when it is missing."""
    value = item
    for part in [attribute] if isinstance(attribute, int) else str(attribute).split("."):
        inner = part_of(value, part)
        if inner is ABSENT:
            raise TemplateError(
                text(
                    "%(what)s: an item has no %(field)s. %(reason)s",
                    what=what,
                    field=repr(part),
                    reason=describe_missing(value, part),
                )
            )
        value = inner
    return value


def fields_of(value: Any, attribute: str | int | None, what: str) -> list[Any]:
    """Return the items of a list, or one field of each. Raises TemplateError."""
    items = list_of(value, what)
    return items if attribute is None else [field_of(item, attribute, what) for item in items]


def has_field(item: Any, attribute: str | int) -> bool:
    """Whether `field_of` would return a value."""
    try:
        field_of(item, attribute, "")
    except TemplateError:
        return False
    return True


def comparable(values: list[Any], what: str) -> Callable[[Any], Any]:
    """Return a sort key for these values; null sorts first. Raises TemplateError unless all are numbers or all are
    texts."""
    present = [value for value in values if value is not None]
    if all(map(is_number, present)):
        return lambda value: (value is not None, value or 0)
    if all(isinstance(value, str) for value in present):
        return lambda value: (value is not None, value or "")
    kinds = joined(sorted({kind(value) for value in present}), ", ")
    raise TemplateError(
        text("%(what)s can compare numbers or texts, but not a mixture: %(kinds)s.", what=what, kinds=kinds)
    )


def identity(value: Any) -> str:
    """Return a text that is equal for equal values only."""
    if type(value) is str:
        return f'"{value}'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def decimal_of(value: Any, what: str) -> Decimal:
    """Return a number, or a text that holds one, as an exact Decimal. Raises TemplateError for any other value."""
    written = repr(value) if isinstance(value, float) else str(value).strip()
    try:
        if isinstance(value, bool | list | dict) or value is None or len(written) > 100 or "_" in written:
            raise InvalidOperation
        number = Decimal(written)
    except InvalidOperation:
        raise TemplateError(text("%(what)s needs a number, not %(value)s.", what=what, value=_shown(value))) from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise TemplateError(
            text("%(what)s supports numbers of up to %(maximum)s digits.", what=what, maximum=MAX_EXPONENT)
        )
    return number


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) and len(value) <= 40 else kind(value)


def plain(value: Any) -> Any:
    """Return the result of an expression. Raises TemplateError when it is not JSON, or too long a text."""
    if isinstance(value, str):
        fits(len(value), THE_EXPRESSION)
        return value
    return checked(value, marked(text("An input")))
