"""People of the tests."""

from __future__ import annotations

from typing import Any


def make_person(name: str, *roles: str, staff: bool = True) -> Any:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from automate_governance.people.origin import unrecorded

    with unrecorded():
        user = get_user_model().objects.create_user(name, f"{name}@example.com", "password-of-tests", is_staff=staff)
        user.groups.set(Group.objects.filter(name__in=roles))
    return user
