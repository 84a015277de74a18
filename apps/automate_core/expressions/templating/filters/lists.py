"""Filters for lists. `attribute` is the name of a field of the items, or a dotted path of such names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.filters.registry import offer
from automate_core.expressions.templating.limits import MAX_ITEMS
from automate_core.expressions.templating.values import (
    Missing,
    comparable,
    field_of,
    fields_of,
    fits,
    has_field,
    identity,
    kind,
    list_of,
)
from automate_plugins import text

ABOUT = text("Lists")
_TRUTHY: Any = object()


@offer(ABOUT, "{{ [1, 2, 3] | length }}")
def length(value: Any) -> int:
    """The number of items, keys or characters."""
    if not isinstance(value, list | dict | str):
        raise TemplateError(
            text("%(what)s needs a list, an object or a text, not %(kind)s.", what="length", kind=kind(value))
        )
    return len(value)


@offer(ABOUT, "{{ ['a', 'b'] | first }}")
def first(value: Any) -> Any:
    """The first item or character. If there may be none, add `default`."""
    return _end(value, 0, "first")


@offer(ABOUT, "{{ ['a', 'b'] | last }}")
def last(value: Any) -> Any:
    """The last item or character. If there may be none, add `default`."""
    return _end(value, -1, "last")


def _end(value: Any, index: int, which: str) -> Any:
    if not isinstance(value, list | str):
        raise TemplateError(text("%(what)s needs a list or a text, not %(kind)s.", what=which, kind=kind(value)))
    return value[index] if value else Missing(hint=text("%(what)s: the value is empty.", what=which))


@offer(ABOUT, "{{ {'a': 1, 'b': 2} | list }}", name="list", cheap=False)
def list_(value: Any) -> list[Any]:
    """The keys of an object, or the characters of a text, as a list."""
    if not isinstance(value, list | dict | str):
        raise TemplateError(
            text("%(what)s needs a list, an object or a text, not %(kind)s.", what="list", kind=kind(value))
        )
    fits(len(value), "list", MAX_ITEMS, is_list=True)
    return list(value)


@offer(ABOUT, "{{ [3, 1, 2] | sort(reverse=true) }}", cheap=False)
def sort(value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: str | None = None) -> list[Any]:
    """The items sorted by their value or by a field: numbers or texts, null first."""
    items, keys = list_of(value, "sort"), fields_of(value, attribute, "sort")
    if not case_sensitive:
        keys = [key.lower() if isinstance(key, str) else key for key in keys]
    order = comparable(keys, "sort")
    places = sorted(range(len(items)), key=lambda place: order(keys[place]), reverse=bool(reverse))
    return [items[place] for place in places]


@offer(ABOUT, "{{ ['a', 'b', 'a'] | unique }}", cheap=False)
def unique(value: Any, attribute: str | None = None) -> list[Any]:
    """The items without duplicates, compared by value or by a field."""
    found: dict[str, Any] = {}
    for item, key in zip(list_of(value, "unique"), fields_of(value, attribute, "unique"), strict=True):
        found.setdefault(identity(key), item)
    return list(found.values())


@offer(ABOUT, "{{ [{'name': 'Ada'}, {'name': 'Alan'}] | map('name') }}", cheap=False, name="map")
def map_(value: Any, attribute: str) -> list[Any]:
    """The field of each item."""
    return fields_of(value, attribute, "map")


@offer(ABOUT, "{{ [{'n': 1, 'open': true}, {'n': 2, 'open': false}] | select('open') | map('n') }}", cheap=False)
def select(value: Any, attribute: str, equals: Any = _TRUTHY) -> list[Any]:
    """The items whose field equals a value; without one, those where it is not null, false, 0 or empty."""
    return [item for item, holds in _judged(value, attribute, equals, "select") if holds]


@offer(ABOUT, "{{ [{'n': 1, 'state': 'new'}, {'n': 2, 'state': 'done'}] | reject('state', 'done') }}", cheap=False)
def reject(value: Any, attribute: str, equals: Any = _TRUTHY) -> list[Any]:
    """The items that `select` leaves out."""
    return [item for item, holds in _judged(value, attribute, equals, "reject") if not holds]


@offer(ABOUT, "{{ ([{'id': 7, 'name': 'Ada'}] | find('id', 7)).name }}", cheap=False)
def find(value: Any, attribute: str, equals: Any = _TRUTHY) -> Any:
    """The first item that `select` returns. If there may be none, add `default`."""
    found = (item for item, holds in _judged(value, attribute, equals, "find") if holds)
    return next(found, Missing(hint=text("find: no item has this %(field)s.", field=str(attribute))))


def _judged(value: Any, attribute: str, equals: Any, what: str) -> Iterator[tuple[Any, bool]]:
    wanted = None if equals is _TRUTHY else identity(equals)
    for item in list_of(value, what):
        field = field_of(item, attribute, what) if has_field(item, attribute) else None
        yield item, bool(field) if wanted is None else identity(field) == wanted


@offer(
    ABOUT,
    "{% for group in [{'n': 1, 'team': 'a'}, {'n': 2, 'team': 'b'}, {'n': 3, 'team': 'a'}] | groupby('team') %}"
    "{{ group.key }}: {{ group.items | map('n') }} {% endfor %}",
    cheap=False,
)
def groupby(value: Any, attribute: str) -> list[dict[str, Any]]:
    """One `{key, items}` for each value of the field, in order of first appearance."""
    groups: dict[str, dict[str, Any]] = {}
    for item, key in zip(list_of(value, "groupby"), fields_of(value, attribute, "groupby"), strict=True):
        groups.setdefault(identity(key), {"key": key, "items": []})["items"].append(item)
    return list(groups.values())
