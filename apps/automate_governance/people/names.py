"""Users by name, whatever the project's user model is."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

MAX_WORDS = 10  #: of a search for people


def username_field() -> str:
    """Return the name of the user model's username field."""
    field: str = get_user_model().USERNAME_FIELD
    return field


def sign_in_name(person: Any) -> str:
    """Return the username as text, also of a user model whose usernames are numbers or the like.

    It names a person wherever text is wanted: `str()` of another project's users may be anything, or fail.
    """
    return str(person.get_username())


def people_named(*names: str) -> QuerySet[Any]:
    """Return the users of those usernames, active or not. What cannot be a username is nobody's."""
    users = get_user_model()
    possible = [name for name in names if _can_be_username(users, name)]
    return users._default_manager.filter(**{f"{username_field()}__in": possible})


def _can_be_username(users: Any, name: str) -> bool:
    try:
        users._meta.get_field(users.USERNAME_FIELD).get_prep_value(name)
    except (ValueError, TypeError, ValidationError):
        return False
    return True


def active_people(names: Iterable[str]) -> QuerySet[Any]:
    """Return the active users of those usernames."""
    return people_named(*names).filter(is_active=True)


def active_people_alike(name: str) -> list[Any]:
    """Return the active users of that username in any case; two at most."""
    return list(get_user_model()._default_manager.filter(**{f"{username_field()}__iexact": name}, is_active=True)[:2])


def names_contain(search: str, *, path: str = "", with_email: bool = False) -> Q:
    """Return the condition for people of whom each word of `search` is in the username or the name, in any order.

    `path` leads from the rows to the person: `owner__`. `with_email` is for those who may see email addresses.
    """
    users = get_user_model()
    wanted = {username_field(), "first_name", "last_name", *([users.get_email_field_name()] if with_email else [])}
    fields = sorted(wanted & {field.name for field in users._meta.get_fields()})
    found = Q()
    for word in search.split()[:MAX_WORDS]:
        found &= functools.reduce(operator.or_, (Q(**{f"{path}{field}__icontains": word}) for field in fields))
    return found


def display_name(person: Any) -> str:
    """Return the full name where the model has one, else the username."""
    full_name = getattr(person, "get_full_name", None)
    return (full_name() if full_name else "") or sign_in_name(person)


def email_of(person: Any) -> str:
    """Return the email address; empty when there is none."""
    return getattr(person, person.get_email_field_name(), "") or ""


def may_view_all(by: Any) -> bool:
    """Return whether this person may view all users with their email addresses, as in the admin."""
    meta = get_user_model()._meta
    return bool(by.has_perm(f"{meta.app_label}.view_{meta.model_name}"))
