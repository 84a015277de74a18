"""The permissions of a person on rows: Django's permission on the model, or guardian's on single rows."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.db import models
from django.db.models import QuerySet

from automate_connectors.adapters.base import ConnectorError
from automate_governance.people.names import sign_in_name
from automate_plugins import text

_VERBS = {
    **dict.fromkeys(("find", "search", "get", "count", "aggregate"), ("view",)),
    **dict.fromkeys(("create", "create_many"), ("add",)),
    **dict.fromkeys(("update", "update_many", "add_related", "remove_related"), ("change",)),
    "update_or_create": ("add", "change"),
    "delete": ("delete",),
}


def action_permissions(action: str, label: str) -> list[str]:
    """Return the permissions that an action needs on the model `app.Model`; none for one that there is not."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return []
    return [_permission(verb, model) for verb in _VERBS.get(action, ())]


def is_granted_rows(user: Any, permission: str) -> bool:
    """Return whether guardian grants the permission on a row, which is enough to act on that row."""
    label, _, codename = permission.partition(".")
    verb, _, name = codename.partition("_")
    try:
        model = apps.get_model(label, name)
    except LookupError:
        return False
    return verb != "add" and _granted_rows(user, verb, model).exists()


def permitted(user: Any, verb: str, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return all of `rows` with Django's permission on the model, else those granted one by one by guardian."""
    model = rows.model
    if not _is_somebody(user):
        raise _forbidden(user, verb, model)
    if user.has_perm(_permission(verb, model)):
        return rows
    granted = _granted_rows(user, verb, model)
    if not granted.exists():
        raise _forbidden(user, verb, model)
    return rows.filter(pk__in=granted.values("pk"))


def _granted_rows(user: Any, verb: str, model: type[models.Model]) -> QuerySet[Any]:
    from guardian.shortcuts import get_objects_for_user  # its models need the apps to be ready

    codename = get_permission_codename(verb, model._meta)
    everything = model._default_manager.all()
    granted: QuerySet[Any] = get_objects_for_user(user, codename, klass=everything, accept_global_perms=False)
    return granted


def may_view(user: Any, model: type[models.Model]) -> bool:
    """Return whether there are rows that the person may view."""
    try:
        permitted(user, "view", model._default_manager.all())
    except ConnectorError:
        return False
    return True


def must_hold(user: Any, verb: str, model: type[models.Model]) -> None:
    """Raise ConnectorError unless the person holds the permission on the whole model."""
    if not (_is_somebody(user) and user.has_perm(_permission(verb, model))):
        raise _forbidden(user, verb, model)


def _is_somebody(user: Any) -> bool:
    return user is not None and bool(user.is_active)


def _permission(verb: str, model: type[models.Model]) -> str:
    return f"{model._meta.app_label}.{get_permission_codename(verb, model._meta)}"


def _forbidden(user: Any, verb: str, model: type[models.Model]) -> ConnectorError:
    return ConnectorError(
        text(
            "%(user)s needs the permission %(permission)s.",
            user=sign_in_name(user),
            permission=_permission(verb, model),
        )
        if user
        else text("This requires a user with the permission %(permission)s.", permission=_permission(verb, model)),
        code="forbidden",
    )
