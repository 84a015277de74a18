"""The project's people, whatever their model: a name to show, and finding them by the name that they sign in with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet


def username_field() -> str:
    """The field of the name that people sign in with."""
    field: str = get_user_model().USERNAME_FIELD
    return field


def people_named(name: str) -> QuerySet[Any]:
    """The people of that name, active or not: one or none."""
    return get_user_model()._default_manager.filter(**{username_field(): name})


def active_people(names: Iterable[str]) -> QuerySet[Any]:
    """The active people of those names."""
    return get_user_model()._default_manager.filter(**{f"{username_field()}__in": list(names)}, is_active=True)


def display_name(person: Any) -> str:
    """The full name, where the model knows one, else the name that they sign in with."""
    full_name = getattr(person, "get_full_name", None)
    return (full_name() if full_name else "") or str(person.get_username())


def email_of(person: Any) -> str:
    """The address that mail reaches them at; empty where there is none."""
    return getattr(person, person.get_email_field_name(), "") or ""
