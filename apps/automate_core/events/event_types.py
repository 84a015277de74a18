"""Event types of the host's code and the permission to listen to each: AUTOMATE_EVENT_TYPES, and those of plug-ins.

Others are closed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS

from automate_connectors.triggers.registry import emitted_permissions
from automate_core.conf import setting
from automate_core.models import ActiveTrigger, Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import User
from automate_plugins import text

SOURCE = "app"  #: of the events that the host's code emits
SENT_SOURCE = "api"  #: of those that people and programs send in its name
SOURCES = (SOURCE, SENT_SOURCE)
PUBLIC = "public"  #: in place of a permission: whoever builds workflows may listen
SETTING = "AUTOMATE_EVENT_TYPES"


def trigger_source(source: str) -> str:
    """The source by which triggers name events of that source: those that are sent count as the code's own."""
    return SOURCE if source == SENT_SOURCE else source


def is_declared(event_type: str) -> bool:
    """Whether the setting lists that type, or a plug-in has it."""
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
        return text(
            "%(setting)s does not list '%(type)s'. Add it to the settings with the permission required to listen.",
            setting=SETTING,
            type=event_type,
        )
    if may_listen(person, event_type):
        return ""
    return text(
        "%(person)s needs the permission %(permission)s to listen to '%(type)s'.",
        person=sign_in_name(person),
        permission=_permissions_by_type()[event_type],
        type=event_type,
    )


def check_event_types(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E002: an entry of AUTOMATE_EVENT_TYPES names no permission. W003: it names one that no model declares."""
    hint = f'Example: "order.paid": "shop.view_order". Use "{PUBLIC}" for everyone who builds workflows.'
    return [
        *(Error(f"{SETTING}: {fault}.", hint=hint, id="automate_core.E002") for fault in _find_faults()),
        *(_undeclared(event_type, needed) for event_type, needed in _find_undeclared()),
    ]


def check_published_types() -> list[CheckMessage]:
    """W006: a published workflow listens to a type that is not listed. Asks the database."""
    active = ActiveTrigger.objects.using(DEFAULT_DB_ALIAS).filter(
        source=SOURCE, workflow__status=Workflow.Status.ACTIVE
    )
    found = active.exclude(event_type__in=["", *_permissions_by_type()]).order_by("event_type", "workflow__slug")
    hint = f'Add it to {SETTING} with the permission to listen to it, or "{PUBLIC}". Until then, its events wait.'
    message = "The published workflow {slug} listens to the event type {type}, which {setting} does not list."
    return [
        Warning(message.format(slug=slug, type=event_type, setting=SETTING), hint=hint, id="automate_core.W006")
        for slug, event_type in found.values_list("workflow__slug", "event_type")
    ]


def _permissions_by_type() -> Mapping[str, str]:
    found: Mapping[str, str] = setting(SETTING)
    return {**emitted_permissions(), **found}


def _find_faults() -> Iterator[str]:
    found = setting(SETTING)
    for event_type, needed in found.items() if isinstance(found, Mapping) else ():
        if not isinstance(event_type, str) or not 0 < len(event_type) <= 200:
            yield f"{event_type!r} is not a valid event type"
        elif needed != PUBLIC and not _is_permission(needed):
            yield f"{needed!r} of {event_type} is not a permission of an installed app"


def _undeclared(event_type: str, needed: str) -> CheckMessage:
    label, _, codename = needed.partition(".")
    alike = difflib.get_close_matches(codename, _declared_codenames(label), n=1, cutoff=0.7)
    hint = (
        f"Did you mean {label}.{alike[0]}?"
        if alike
        else "Use a permission of a model, or silence this warning if your code creates it."
    )
    message = f"{SETTING}: no model of {label} declares {needed}, the permission to listen to {event_type}."
    return Warning(message, hint=hint, id="automate_core.W003")


def _find_undeclared() -> Iterator[tuple[str, str]]:
    found = setting(SETTING)
    for event_type, needed in found.items() if isinstance(found, Mapping) else ():
        if needed != PUBLIC and _is_permission(needed):
            label, _, codename = needed.partition(".")
            if codename not in _declared_codenames(label):
                yield event_type, needed


def _declared_codenames(label: str) -> set[str]:
    """The permissions that the app's models have: Django's own, and those of their Meta."""
    found: set[str] = set()
    for model in apps.get_app_config(label).get_models():
        meta = model._meta
        found |= {get_permission_codename(action, meta) for action in meta.default_permissions}
        found |= {codename for codename, _ in meta.permissions}
    return found


def _is_permission(text: Any) -> bool:
    label, dot, codename = text.partition(".") if isinstance(text, str) else ("", "", "")
    return bool(dot and codename) and label in apps.app_configs
