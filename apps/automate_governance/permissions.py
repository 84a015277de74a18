"""Who may do what: one rule, asked by every screen, fragment, stream, command and later API.

A user may do a verb on an object when a role gives the verb for any object of that kind (`publish_any_workflow`), or
gives it within reach (`publish_workflow`) and the object is owned by, or granted for that verb to, the user or one of
the user's groups. Superusers may do all. `can` and `permitted` cost one query each; what is asked of a class is
answered from the permissions that Django reads once a request.
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
    """May `user` do `verb` on `obj`? For `add`, and for the verbs on `SITE`, `obj` is the model class."""
    if isinstance(obj, type):
        return user.has_perm(f"{obj._meta.app_label}.{_codename(verb, obj)}")
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    if user.is_superuser:
        return True
    return permitted(user, verb, type(obj)._default_manager.filter(pk=obj.pk)).exists()


def permitted[M: models.Model](user: User, verb: str, queryset: QuerySet[M]) -> QuerySet[M]:
    """The objects of `queryset` on which `user` may do `verb`: the rule as a filter, without a further query."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return queryset.none()
    if user.is_superuser:
        return queryset
    return _filter_permitted(queryset, verb, user, user)


def permitted_to_outer[M: models.Model](person: str, verb: str, subquery: QuerySet[M]) -> QuerySet[M]:
    """The same for a subquery, and whoever stands at the path `person` of the query around it.

    Whether that person is active, or a superuser, is for that query to ask.
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
    """Whether `user` may do `verb` on some objects of `model`, theirs or any: for menus, never for an object."""
    _, governing = _governing(model)
    label = governing._meta.app_label
    return user.has_perm(f"{label}.{_codename(verb, governing)}") or user.has_perm(
        f"{label}.{_codename(f'{verb}_any', governing)}"
    )


def holds_for_any(user: User, verb: str, model: type[models.Model]) -> bool:
    """Whether `user` may do `verb` on any object of `model`, whoever owns it: those need not be looked up."""
    if not user.is_active or isinstance(user, AnonymousUser):
        return False
    _, governing = _governing(model)
    return user.is_superuser or user.has_perm(f"{governing._meta.app_label}.{_codename(f'{verb}_any', governing)}")


def grants_on(grant_model: Any, model: type[models.Model]) -> QuerySet[Any]:
    """The table of grants on `model` to people or to groups, as guardian finds it."""
    grants: QuerySet[Any] = grant_model(model).objects.all()
    return grants


def _holds(user: Any, model: type[models.Model], codename: str) -> Q:
    """Asked apart of the user and of the groups, so that neither query goes through all members of a group."""
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
    """The relation from `model` to what governs it, and that model: runs and their like inherit from their workflow."""
    path: str = getattr(model, "governed_by", "")
    governing: Any = model
    for name in path.split("__") if path else ():
        governing = governing._meta.get_field(name).related_model
    if not issubclass(governing, Governed):
        raise TypeError(f"{model._meta.label} has neither an owner nor a `governed_by`")
    return path, governing
