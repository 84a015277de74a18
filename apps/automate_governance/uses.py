"""What uses an object, told by the apps above: whatever is in use is not deleted by accident."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import models

type Finder = Callable[[models.Model], Iterator[str]]

_finders: dict[type[models.Model], list[Finder]] = {}


def register(model: type[models.Model], find: Finder) -> None:
    """Ask `find` about objects of `model`. It yields one line a user, such as "workflow Triage"."""
    _finders.setdefault(model, []).append(find)


def uses_of(obj: models.Model) -> list[str]:
    """Every use of `obj`, in words."""
    return sorted({use for find in _finders.get(type(obj), []) for use in find(obj)})
