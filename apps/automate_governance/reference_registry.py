"""The referrers of objects, found by functions of the apps above: a referenced object is not deleted by accident."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.db import models

type Use = str | models.Model
type Finder = Callable[[Sequence[Any]], Iterator[tuple[Any, Use]]]

_finders: dict[type[models.Model], list[Finder]] = {}


def register_referrers(model: type[models.Model], find: Finder) -> None:
    """Register `find` for objects of `model`. It yields (key of the object, referrer) in a fixed number of queries.

    A referrer is an object, or a line such as "workflow Triage".
    """
    _finders.setdefault(model, []).append(find)


def describe_referrers(obj: models.Model) -> list[str]:
    """Return a line for every referrer of `obj`."""
    return sorted({_describe(use) for use in find_referrers(obj)})


def find_referrers(obj: models.Model) -> list[Use]:
    """Return every referrer of `obj`: objects, and lines where there is no object to name."""
    return find_referrers_of_each([obj])[obj.pk]


def find_referrers_of_each(objs: Iterable[models.Model]) -> dict[Any, list[Use]]:
    """Return the referrers of several objects of one model, by key, in a fixed number of queries."""
    listed = list(objs)
    found: dict[Any, set[Use]] = {obj.pk: set() for obj in listed}
    for find in _finders.get(type(listed[0]), []) if listed else ():
        for key, use in find(listed):
            found[key].add(use)
    return {key: sorted(uses, key=_describe) for key, uses in found.items()}


def _describe(use: Use) -> str:
    return use if isinstance(use, str) else f"{use._meta.verbose_name} {use}"
