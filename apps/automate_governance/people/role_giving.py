"""What people need besides a grant, roles and staff status: who lacks it, who may give it, and giving it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import FieldDoesNotExist
from django.db import transaction
from django.utils.translation import gettext as _

from automate_governance import roles
from automate_governance.people.names import sign_in_name, username_field
from automate_governance.permissions import NotPermittedError, Person, User, is_narrowed

_FIT_FOR_SHARES = (roles.VIEWERS, roles.BUILDERS)  # roles that reach no more than own and shared objects
_MOST_NAMED = 3


@dataclass(frozen=True)
class Cure:
    """People for whom a grant has no effect yet, the roles that they need by stored names, and whether staff status."""

    people: tuple[Person, ...]
    roles: tuple[str, ...]
    staff: bool


def has_staff_status(person: Any) -> bool:
    """Return whether the person may open the admin. A user model without that status has none who may not."""
    return bool(getattr(person, "is_staff", True))


def roles_including(codenames: Collection[str]) -> tuple[str, ...]:
    """Return the roles that together include permissions: the smallest that has all of them, else those with any."""
    if not codenames:
        return ()
    held: dict[str, set[str]] = {}
    wanted = Group.objects.filter(name__in=_FIT_FOR_SHARES, permissions__codename__in=codenames)
    for name, codename in wanted.values_list("name", "permissions__codename"):
        held.setdefault(name, set()).add(codename)
    found = sorted(held, key=_FIT_FOR_SHARES.index)
    return next(((name,) for name in found if held[name] >= set(codenames)), tuple(found))


def may_give_roles(by: User) -> bool:
    """Return whether `by` may change accounts. An API token gives no roles."""
    meta = get_user_model()._meta
    return not is_narrowed(by) and by.has_perm(f"{meta.app_label}.change_{meta.model_name}")


def whom_to_ask() -> list[str]:
    """Return names of people who may give roles: a few superusers."""
    users = get_user_model()._default_manager.filter(is_active=True, is_superuser=True)
    return [sign_in_name(person) for person in users.order_by(username_field())[:_MOST_NAMED]]


@transaction.atomic
def apply_cure(cure: Cure, *, by: Person) -> None:
    """Give the people those roles, and staff status where it is missing. The trail records both. Raises
    NotPermittedError."""
    if not may_give_roles(by):
        raise NotPermittedError(_("You need the permission to change users to give roles."))
    groups = list(Group.objects.filter(name__in=cure.roles))
    for person in cure.people:
        person.groups.add(*groups)
        if cure.staff and not has_staff_status(person) and _stores_staff_status():
            person.is_staff = True
            person.save(update_fields=["is_staff"])


def _stores_staff_status() -> bool:
    try:
        get_user_model()._meta.get_field("is_staff")
    except FieldDoesNotExist:  # a model may compute it
        return False
    return True
