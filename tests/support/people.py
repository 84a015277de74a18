"""People of the tests."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo


def make_person(name: str, *roles: str, staff: bool = True) -> Any:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from automate_governance.people.origin import unrecorded

    with unrecorded():
        user = get_user_model().objects.create_user(name, f"{name}@example.com", "password-of-tests", is_staff=staff)
        user.groups.set(Group.objects.filter(name__in=roles))
    return user


def choose_zone_of_noon(person: Any) -> ZoneInfo:
    """Choose a time zone for the person in which it is about noon: today and yesterday do not change meanwhile.

    A session takes it over when the person signs in.
    """
    from automate_governance.models import Preferences

    name = f"Etc/GMT{dt.datetime.now(dt.UTC).hour - 12:+d}"  # these have the opposite sign
    Preferences.objects.update_or_create(person=person, defaults={"time_zone": name})
    return ZoneInfo(name)
