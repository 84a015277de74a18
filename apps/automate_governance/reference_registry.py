"""The referrers of objects, found by functions of the apps above: a referenced object is not deleted by accident."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from django.db import models, transaction
from django.db.models import ProtectedError, RestrictedError

from automate_governance import audit
from automate_governance.governed import Governed
from automate_governance.permissions import NotPermittedError, Person, can
from automate_plugins import text

type Use = str | models.Model
type Finder = Callable[[Sequence[Any]], Iterator[tuple[Any, Use]]]


class InUseError(Exception):
    """An object cannot be deleted: the message names what refers to it."""


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


@transaction.atomic
def delete_unused(obj: Governed, *, by: Person) -> None:
    """Delete an object that nothing refers to. Audited. Raises NotPermittedError, InUseError."""
    if not can(by, "delete", obj):
        raise NotPermittedError(
            text("%(person)s needs the Delete permission for %(object)s.", person=by.get_username(), object=str(obj))
        )
    if lines := describe_referrers(obj):
        raise InUseError(text("%(object)s is used by %(user)s.", object=str(obj), user=", ".join(lines[:5])))
    audit.record(by, f"{audit.kind_of(type(obj))}.deleted", obj)
    try:
        obj.delete()
    except (ProtectedError, RestrictedError) as error:
        raise InUseError(text("Other records refer to %(object)s.", object=str(obj))) from error
