"""The permission rule, which every screen, fragment, stream, command and API checks.

A user may do a verb on an object when a role gives the verb for any object of that kind (`publish_any_workflow`), or
gives it within reach (`publish_workflow`) and the object is owned by, or granted for that verb to, the user or one of
the user's groups. Superusers may do all. `can` and `permitted` cost one query each; checks of a class are answered from
the permissions that Django reads once a request.

`narrowed_to` limits a person to the scopes of an API token; every function here then answers for the intersection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser, Permission
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from automate_governance.governed import Governed
from automate_governance.models import SitePermission

if TYPE_CHECKING:
    from django.contrib.auth.models import User as AuthUser  # the site's user model, whichever it is

SITE = SitePermission
type Person = AuthUser
type User = Person | AnonymousUser


_WORKFLOW = "automate_core.workflow"  # the model whose objects a token may be limited to


class NotPermittedError(Exception):
    """The person may not do that; the message says what is missing."""


@dataclass(slots=True)
class _Narrowing:
    """The permissions that a token leaves to a person. `missing` is the scope that the latest check did not find.

    `token` is the key of the token, by which it is found again.
    """

    person: Any
    scopes: frozenset[str]
    workflows: frozenset[int] | None
    token: str = ""
    missing: str = ""

    def has(self, scope: str) -> bool:
        self.missing = "" if scope in self.scopes else scope
        return not self.missing

    def has_scope(self, verb: str, model: type[models.Model]) -> bool:
        return self.has(f"{'site' if model is SITE else model._meta.model_name}:{verb}")

    def limits(self, model: type[models.Model]) -> bool:
        """Whether only some objects of a governing model are left."""
        return self.workflows is not None and model._meta.label_lower == _WORKFLOW


_narrowing: ContextVar[_Narrowing | None] = ContextVar("automate_narrowing", default=None)


@contextlib.contextmanager
def narrowed_to(
    person: Person, scopes: Iterable[str], workflow_ids: Iterable[int] | None = None, *, token: str = ""
) -> Iterator[None]:
    """Limit what `person` may do to scopes such as `workflow:run`, and to those workflows, in this block and context.

    It limits superusers as well. Rules about other people, such as a run-as user, stay as they are.
    `token` is the key of the token: what a worker does later is limited by it, too (`people.token_limits`).
    """
    limited = None if workflow_ids is None else frozenset(workflow_ids)
    before = _narrowing.set(_Narrowing(person.pk, frozenset(scopes), limited, token))
    try:
        yield
    finally:
        _narrowing.reset(before)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The scopes that a person is limited to, their workflows or None for all, and the key of the token."""

    scopes: frozenset[str]
    workflows: frozenset[int] | None
    token: str


def current_limits(user: User) -> Limits | None:
    """Return what `user` is limited to at the moment, or None."""
    found = _narrowing_of(user)
    return Limits(scopes=found.scopes, workflows=found.workflows, token=found.token) if found else None


def narrowed_person() -> Any:
    """Return the primary key of the person whose permissions are limited at the moment, or None."""
    narrowing = _narrowing.get()
    return narrowing.person if narrowing else None


def is_narrowed(user: User) -> bool:
    """Return whether `user` is limited at the moment. For rules that would look at `is_superuser`."""
    return _narrowing_of(user) is not None


def narrowed_workflows(user: User) -> frozenset[int] | None:
    """Return the ids of the workflows that `user` is limited to, or None."""
    narrowing = _narrowing_of(user)
    return narrowing.workflows if narrowing else None


def missing_scope() -> str:
    """Return the scope that the latest check in this block of `narrowed_to` did not find among its scopes, or ""."""
    narrowing = _narrowing.get()
    return narrowing.missing if narrowing else ""


def has_scope(user: User, scope: str) -> bool:
    """Return whether `user` is not limited, or limited to scopes with this one. For what no permission covers."""
    narrowing = _narrowing_of(user)
    return narrowing is None or narrowing.has(scope)


def _narrowing_of(user: User) -> _Narrowing | None:
    narrowing = _narrowing.get()
    return narrowing if narrowing is not None and narrowing.person == user.pk else None


def can(user: User, verb: str, obj: models.Model | type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on `obj`. For `add`, and for verbs on `SITE`, `obj` is the model class."""
    narrowing = _narrowing_of(user)
    if isinstance(obj, type):
        if narrowing is not None and (not narrowing.has_scope(verb, obj) or narrowing.limits(obj)):
            return False
        return user.has_perm(f"{obj._meta.app_label}.{_codename(verb, obj)}")
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    if user.is_superuser and narrowing is None:
        return True
    return permitted(user, verb, type(obj)._default_manager.filter(pk=obj.pk)).exists()


def permitted[M: models.Model](user: User, verb: str, queryset: QuerySet[M]) -> QuerySet[M]:
    """Return the objects of `queryset` on which `user` may do `verb`: the rule as a filter, without another query."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return queryset.none()
    if (narrowing := _narrowing_of(user)) is not None:
        path, governing = _governing(queryset.model)
        if not narrowing.has_scope(verb, governing):
            return queryset.none()
        if narrowing.limits(governing):
            queryset = queryset.filter(**{f"{path or 'pk'}__in": narrowing.workflows})
    if user.is_superuser:
        return queryset
    return _filter_permitted(queryset, verb, user, user)


def permitted_to_outer[M: models.Model](person: str, verb: str, subquery: QuerySet[M]) -> QuerySet[M]:
    """Apply the rule to a subquery, for the user at the path `person` of the outer query.

    The outer query checks whether that user is active or a superuser.
    """
    return _filter_permitted(subquery, verb, OuterRef(person), OuterRef(OuterRef(person)))


def _filter_permitted[M: models.Model](queryset: QuerySet[M], verb: str, user: Any, inner: Any) -> QuerySet[M]:
    """The rule; `inner` is `user` as subqueries of `queryset` name it."""
    path, model = _governing(queryset.model)
    prefix = f"{path}__" if path else ""
    codename = _codename(verb, model)
    granted: dict[str, Any] = {
        "permission__codename": codename,
        "content_object": OuterRef(f"{prefix}pk"),
    }
    to_user = grants_on(get_user_obj_perms_model, model).filter(user=inner, **granted)
    to_group = grants_on(get_group_obj_perms_model, model).filter(group__user=inner, **granted)
    reach = Q(**{f"{prefix}owner": user}) | Q(Exists(to_user)) | Q(Exists(to_group))
    holds = _holds(inner, model, codename)
    holds_any = _holds(inner, model, _codename(f"{verb}_any", model))
    return queryset.filter(holds_any | (holds & reach))


def holds_anywhere(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on some objects of `model`. For menus, never for an object."""
    _, governing = _governing(model)
    narrowing = _narrowing_of(user)
    if narrowing is not None and not narrowing.has_scope(verb, governing):
        return False
    label = governing._meta.app_label
    return user.has_perm(f"{label}.{_codename(verb, governing)}") or user.has_perm(
        f"{label}.{_codename(f'{verb}_any', governing)}"
    )


def holds_for_any(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on every object of `model`, including those of other owners."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    _, governing = _governing(model)
    narrowing = _narrowing_of(user)
    if narrowing is not None and (not narrowing.has_scope(verb, governing) or narrowing.limits(governing)):
        return False
    return user.is_superuser or user.has_perm(f"{governing._meta.app_label}.{_codename(f'{verb}_any', governing)}")


def grants_on(grant_model: Any, model: type[models.Model]) -> QuerySet[Any]:
    """Return guardian's rows of grants on `model` to users or to groups."""
    grants: QuerySet[Any] = grant_model(model).objects.all()
    return grants


def _holds(user: Any, model: type[models.Model], codename: str) -> Q:
    """Return a filter; users and groups are separate subqueries, so that neither reads all members of a group."""
    permissions = Permission.objects.filter(
        codename=codename,
        content_type__app_label=model._meta.app_label,
        content_type__model=model._meta.model_name,
    )
    return Q(Exists(permissions.filter(user=user))) | Q(Exists(permissions.filter(group__user=user)))


def _codename(verb: str, model: type[models.Model]) -> str:
    return f"{verb}_{'site' if model is SITE else model._meta.model_name}"


@cache
def _governing(model: type[models.Model]) -> tuple[str, type[models.Model]]:
    """Return the path from `model` to its governing model, and that model: runs inherit from their workflow."""
    path: str = getattr(model, "governed_by", "")
    governing: Any = model
    for name in path.split("__") if path else ():
        governing = governing._meta.get_field(name).related_model
    if not issubclass(governing, Governed):
        raise TypeError(f"{model._meta.label} has neither an owner nor a `governed_by`")
    return path, governing
