"""Checks of the people: the user model, and the backends that answer what a person may do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import PermissionsMixin
from django.core.checks import CheckMessage, Error, Warning
from guardian.backends import ObjectPermissionBackend


def check_backends(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E020, E021: a backend is missing. W020: guardian would make a user."""
    backends = _backends()
    found: list[CheckMessage] = []
    for id_, needed in (("automate_core.E020", ModelBackend), ("automate_core.E021", ObjectPermissionBackend)):
        if backends is not None and not any(isinstance(each, needed) for each in backends):
            name = f"{needed.__module__}.{needed.__name__}"
            found.append(Error(f"{name} is not in AUTHENTICATION_BACKENDS.", hint="Add it.", id=id_))
    if getattr(settings, "ANONYMOUS_USER_NAME", "AnonymousUser") is not None:
        hint = "Set ANONYMOUS_USER_NAME = None: Automate grants no permissions to people who are not signed in."
        found.append(Warning("guardian adds a user for anonymous visitors.", hint=hint, id="automate_core.W020"))
    return found


def _backends() -> list[Any] | None:
    """The backends; None when one cannot be loaded, which every sign-in reports."""
    try:
        return [load_backend(path) for path in settings.AUTHENTICATION_BACKENDS]
    except ImportError:
        return None


def check_user_model(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E022: the user model lacks what roles and grants are made of."""
    model = get_user_model()
    missing = [] if hasattr(model, "is_staff") else ["is_staff"]
    if "is_active" not in {field.name for field in model._meta.concrete_fields}:  # queries ask for it
        missing.insert(0, "column is_active")
    if not issubclass(model, PermissionsMixin):
        missing.insert(0, "PermissionsMixin")
    if not missing:
        return []
    hint = (
        "Let the model inherit django.contrib.auth.models.PermissionsMixin, and give it a field"
        " is_active = models.BooleanField(default=True), and is_staff."
    )
    return [
        Error(f"AUTH_USER_MODEL {model._meta.label} has no {', '.join(missing)}.", hint=hint, id="automate_core.E022")
    ]
