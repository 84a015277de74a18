"""The referrers of objects, found by functions of the apps above: a referenced object is not deleted by accident."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from django.db import models, transaction
from django.db.models import ProtectedError, RestrictedError

from automate_governance import audit
from automate_governance.governed import Governed
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, User, can, permitted
from automate_plugins import ntext, text
from automate_plugins.errors import AutomateError

type Finder = Callable[[Sequence[Any]], Iterator[tuple[Any, models.Model]]]
type VisibilityRule = Callable[[User, Collection[Any]], Iterable[models.Model]]

MOST_NAMED = 5  #: referrers in the message of an InUseError


class InUseError(AutomateError, status=409, code="in_use"):
    """An object cannot be deleted: the message names what refers to it, as far as the person may view that."""


_finders: dict[type[models.Model], list[Finder]] = {}
_visibility_rules: dict[type[models.Model], VisibilityRule] = {}


def register_referrers(model: type[models.Model], find: Finder) -> None:
    """Register `find` for objects of `model`. It yields (key of the object, referrer) in a fixed number of queries."""
    _finders.setdefault(model, []).append(find)


def register_visibility(model: type[models.Model], find_visible: VisibilityRule) -> None:
    """Register which referrers of `model` a person may view, where no permission on its objects says it."""
    _visibility_rules[model] = find_visible


def describe_referrers(obj: models.Model) -> list[str]:
    """Return a line for every referrer of `obj`, such as "workflow Triage". For operators on the server."""
    return _describe_each(find_referrers_of_each([obj])[obj.pk])


def describe_visible_referrers(obj: models.Model, person: User) -> tuple[list[str], int]:
    """Return a line for every referrer of `obj` that `person` may view, and the number of the others."""
    found = find_referrers_of_each([obj])[obj.pk]
    visible = find_visible_referrers(person, found)
    return _describe_each(visible), len(found) - len(visible)


def find_visible_referrers(person: User, referrers: Iterable[models.Model]) -> set[models.Model]:
    """Return those of the referrers that `person` may view, in a fixed number of queries for each model."""
    by_model: defaultdict[type[models.Model], set[models.Model]] = defaultdict(set)
    for each in referrers:
        by_model[type(each)].add(each)
    return {each for model, of_model in by_model.items() for each in _visible_of(model, person, of_model)}


def _visible_of(model: type[models.Model], person: User, referrers: set[models.Model]) -> Iterable[models.Model]:
    if model in _visibility_rules:
        return _visibility_rules[model](person, referrers)
    rows = model._default_manager.filter(pk__in=[each.pk for each in referrers])
    visible = set(permitted(person, "view", rows).values_list("pk", flat=True))
    return (each for each in referrers if each.pk in visible)


def find_referrers_of_each(objs: Iterable[models.Model]) -> dict[Any, list[models.Model]]:
    """Return the referrers of several objects of one model, by key, in a fixed number of queries."""
    listed = list(objs)
    found: dict[Any, set[models.Model]] = {obj.pk: set() for obj in listed}
    for find in _finders.get(type(listed[0]), []) if listed else ():
        for key, use in find(listed):
            found[key].add(use)
    return {key: sorted(uses, key=_describe) for key, uses in found.items()}


def _describe(use: models.Model) -> str:
    return f"{use._meta.verbose_name} {use}"


def _describe_each(uses: Iterable[models.Model]) -> list[str]:
    return sorted({_describe(use) for use in uses})


@transaction.atomic
def delete_unused(obj: Governed, *, by: Person) -> None:
    """Delete an object that nothing refers to. Audited. Raises NotPermittedError, InUseError."""
    if not can(by, "delete", obj):
        raise NotPermittedError(
            text("%(person)s needs the Delete permission for %(object)s.", person=sign_in_name(by), object=str(obj))
        )
    check_unused(obj, by=by)
    audit.record(by, f"{audit.kind_of(type(obj))}.deleted", obj)
    try:
        obj.delete()
    except (ProtectedError, RestrictedError) as error:
        raise InUseError(text("Other records refer to %(object)s.", object=str(obj))) from error


def check_unused(obj: models.Model, *, by: Person) -> None:
    """Raise InUseError for an object that others refer to."""
    if reason := _in_use_reason(obj, by):
        raise InUseError(reason)


def _in_use_reason(obj: models.Model, person: Person) -> str:
    """What refers to the object; empty when nothing does."""
    lines, hidden = describe_visible_referrers(obj, person)
    named = ", ".join([*lines[:MOST_NAMED], *(["…"] if len(lines) > MOST_NAMED else [])])
    if not hidden:
        return text("%(object)s is used by %(user)s.", object=str(obj), user=named) if lines else ""
    if lines:
        return text(
            "%(object)s is used by %(user)s and %(count)s more that you cannot view.",
            object=str(obj),
            user=named,
            count=hidden,
        )
    return ntext(
        "%(object)s is used by %(count)s object that you cannot view.",
        "%(object)s is used by %(count)s objects that you cannot view.",
        hidden,
        object=str(obj),
    )
