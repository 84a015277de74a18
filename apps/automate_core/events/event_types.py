"""Event types of the host's code and the permission to listen to each: AUTOMATE_EVENT_TYPES. Others are closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error

from automate_core.conf import setting
from automate_governance.permissions import User

SOURCE = "app"  #: of the events that the host's code emits
PUBLIC = "public"  #: in place of a permission: whoever builds workflows may listen
SETTING = "AUTOMATE_EVENT_TYPES"


def is_declared(event_type: str) -> bool:
    """Whether the setting lists that type."""
    return event_type in _permissions_by_type()


def may_listen(person: User, event_type: str) -> bool:
    """Whether workflows that act as this person may start from events of that type, and the person read them."""
    needed = _permissions_by_type().get(event_type)
    return needed is not None and person.is_active and (needed == PUBLIC or person.has_perm(needed))


def permitted_types(person: User) -> tuple[str, ...]:
    """The types to which this person may listen."""
    return tuple(sorted(each for each in _permissions_by_type() if may_listen(person, each)))


def listen_problem(person: User, event_type: str) -> str:
    """The reason why a person may not listen to a type, and what to do about it; empty when they may."""
    if not is_declared(event_type):
        return (
            f"{SETTING} does not list {event_type!r}, so that nobody may listen to it: add it to the site's settings, "
            f"with the permission that listening takes"
        )
    if may_listen(person, event_type):
        return ""
    return f"{person} may not listen to {event_type!r}: that takes the permission {_permissions_by_type()[event_type]}"


def check_event_types(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E002: an entry of AUTOMATE_EVENT_TYPES names no permission."""
    hint = f'An entry is "order.paid": "shop.view_order", or "{PUBLIC}" for whoever builds workflows.'
    return [Error(f"{SETTING}: {fault}.", hint=hint, id="automate_core.E002") for fault in _find_faults()]


def _permissions_by_type() -> Mapping[str, str]:
    found: Mapping[str, str] = setting(SETTING)
    return found


def _find_faults() -> Iterator[str]:
    found = setting(SETTING)
    for event_type, needed in found.items() if isinstance(found, Mapping) else ():
        if not isinstance(event_type, str) or not 0 < len(event_type) <= 200:
            yield f"{event_type!r} is no type of event"
        elif needed != PUBLIC and not _is_permission(needed):
            yield f"{needed!r} of {event_type} is no permission of an installed app"


def _is_permission(text: Any) -> bool:
    label, dot, codename = text.partition(".") if isinstance(text, str) else ("", "", "")
    return bool(dot and codename) and label in apps.app_configs
