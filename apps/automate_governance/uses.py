"""What uses an object, told by the apps above: whatever is in use is not deleted by accident."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import models

type Use = str | models.Model
type Finder = Callable[[models.Model], Iterator[Use]]

_finders: dict[type[models.Model], list[Finder]] = {}


def register(model: type[models.Model], find: Finder) -> None:
    """Ask `find` about objects of `model`. It yields each user: an object, or a line such as "workflow Triage"."""
    _finders.setdefault(model, []).append(find)


def uses_of(obj: models.Model) -> list[str]:
    """Every use of `obj`, in words."""
    return sorted({_in_words(use) for use in users_of(obj)})


def users_of(obj: models.Model) -> list[Use]:
    """Every use of `obj`: the objects that use it, and lines where there is no object to name."""
    return sorted({use for find in _finders.get(type(obj), []) for use in find(obj)}, key=_in_words)


def _in_words(use: Use) -> str:
    return use if isinstance(use, str) else f"the {use._meta.verbose_name} {use}"
