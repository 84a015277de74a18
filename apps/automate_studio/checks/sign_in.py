"""Checks of what pages need of signing in: the page for it, and the name that pages show."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.checks import CheckMessage, Warning
from django.db.models import CharField, TextField
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve


def check_login_url(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W021: LOGIN_URL leads nowhere."""
    if _leads_somewhere(settings.LOGIN_URL):
        return []
    hint = 'Set LOGIN_URL = "admin:login".'
    return [Warning("LOGIN_URL does not lead to a page.", hint=hint, id="automate_core.W021")]


def _leads_somewhere(url: str) -> bool:
    try:
        path = resolve_url(url)
        return not path.startswith("/") or resolve(path) is not None
    except (NoReverseMatch, Resolver404):
        return False


def check_sign_in_name(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W022: the sign-in name may be no text, of which django-unfold's pages show the first letter."""
    model = get_user_model()
    named = {field.name: field for field in model._meta.fields}.get(getattr(model, "USERNAME_FIELD", ""))
    is_text = named is None or isinstance(named, CharField | TextField)
    if is_text or getattr(model, "get_username", None) is not AbstractBaseUser.get_username:
        return []
    return [
        Warning(
            f"The sign-in name {model._meta.label}.{model.USERNAME_FIELD} is not text: pages of the admin fail.",
            hint=f"Give the model a method: def get_username(self): return str(self.{model.USERNAME_FIELD}).",
            id="automate_core.W022",
        )
    ]
