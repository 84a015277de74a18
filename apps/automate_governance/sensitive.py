"""Models that hold secrets or permissions: offering one of them to workflows is worth a warning."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from guardian.models.models import BaseObjectPermission

from automate_governance.redaction.token_patterns import is_secret_name

_PERMISSION_MODELS: tuple[type[models.Model], ...] = (Group, Permission, BaseObjectPermission)
_PRIVILEGE_FIELDS = frozenset({"is_superuser", "is_staff", "groups", "user_permissions"})


def exposure_risk(model: type[models.Model], read: Collection[str], write: Collection[str] = ()) -> str:
    """Return the risk of exposing those fields, as the rest of a sentence; empty when there is none."""
    if model._meta.app_label.startswith("automate_"):
        return "belongs to Automate: it stores permissions and history"
    if issubclass(model, AbstractBaseSession):
        return "stores sessions: a workflow that reads one can sign in as that person"
    if issubclass(model, _PERMISSION_MODELS) or _grants_permissions(model):
        return "defines permissions"
    if secret := sorted(name for name in {*read, *write} if is_secret_name(name)):
        return f"stores secrets ({', '.join(secret)})"
    if issubclass(model, get_user_model()) and (given := sorted(_PRIVILEGE_FIELDS & {*write})):
        return f"lets workflows grant privileges ({', '.join(given)})"
    return ""


def _grants_permissions(model: type[models.Model]) -> bool:
    """Return whether the model's rows link users or groups to permissions."""
    fields = (field.related_model for field in model._meta.concrete_fields if field.is_relation)
    related = {each for each in fields if isinstance(each, type)}
    return bool(model._meta.auto_created) and bool(related & {Group, Permission})
