"""The permission rule, which every screen, fragment, stream, command and API checks.

A user may do a verb on an object when a role gives the verb for any object of that kind (`publish_any_workflow`), or
gives it within reach (`publish_workflow`) and the object is owned by, or granted for that verb to, the user or one of
the user's groups. Superusers may do all. `can` and `permitted` cost one query each; checks of a class are answered from
the permissions that Django reads once a request.
"""

from __future__ import annotations

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


class NotPermittedError(Exception):
    """The person may not do that; the message says what is missing."""


def can(user: User, verb: str, obj: models.Model | type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on `obj`. For `add`, and for verbs on `SITE`, `obj` is the model class."""
    if isinstance(obj, type):
        return user.has_perm(f"{obj._meta.app_label}.{_codename(verb, obj)}")
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    if user.is_superuser:
        return True
    return permitted(user, verb, type(obj)._default_manager.filter(pk=obj.pk)).exists()


def permitted[M: models.Model](user: User, verb: str, queryset: QuerySet[M]) -> QuerySet[M]:
    """Return the objects of `queryset` on which `user` may do `verb`: the rule as a filter, without another query."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return queryset.none()
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
    label = governing._meta.app_label
    return user.has_perm(f"{label}.{_codename(verb, governing)}") or user.has_perm(
        f"{label}.{_codename(f'{verb}_any', governing)}"
    )


def holds_for_any(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` may do `verb` on every object of `model`, including those of other owners."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    _, governing = _governing(model)
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
