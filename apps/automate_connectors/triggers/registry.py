"""The installed trigger kinds of plug-ins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from automate_connectors.triggers.contract import (
    EmittedTrigger,
    PollingTrigger,
    RegisteringTrigger,
    TriggerAdapter,
    TriggerKind,
)
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.members import check_members
from automate_plugins.registry import PluginNotFoundError, Registry

_CODE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_ATTRIBUTES: dict[str, type] = {"name": str, "description": str, "icon": str, "hue": int, "sample": Mapping}
_OWN: tuple[tuple[Any, dict[str, type]], ...] = (
    (PollingTrigger, {"least_seconds": int}),
    (RegisteringTrigger, {"scheme": str, "scheme_config": Mapping, "events": tuple}),
    (EmittedTrigger, {"permission": str}),
)


def verify_trigger(kind: TriggerKind) -> None:
    """Raise TypeError for a kind that screens and workers cannot use."""
    if not isinstance(kind.code, str) or not _CODE.fullmatch(kind.code):
        raise TypeError("code must be lower-case letters, digits and _")
    own = next((attributes for base, attributes in _OWN if isinstance(kind, base)), None)
    if own is None:
        raise TypeError("it must inherit PollingTrigger, RegisteringTrigger or EmittedTrigger")
    for attribute, type_ in {**_ATTRIBUTES, **own}.items():
        if not isinstance(getattr(kind, attribute, None), type_):
            raise TypeError(f"{attribute} must be of the type {type_.__name__}")
    check_members("fields", kind.fields, FieldSpec)
    if any(field.kind is FieldKind.SECRET for field in kind.fields):
        raise TypeError("fields must not be secrets: versions of workflows would contain them")
    if isinstance(kind, EmittedTrigger) and kind.fields:
        raise TypeError("a kind that is emitted has no fields")


trigger_kinds: Registry[TriggerKind] = Registry(
    "django_automate.triggers",
    TriggerKind,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    verify=verify_trigger,
)


def find_trigger_adapter(code: str) -> TriggerAdapter:
    """Return the kind of that code as a connector. Raises LookupError with the installed ones."""
    try:
        return _adapter(trigger_kinds.get(code))
    except PluginNotFoundError:
        raise LookupError(
            text(
                "The trigger %(name)s is not installed. Installed: %(known)s.",
                name=repr(code),
                known=", ".join(trigger_kinds.names()) or "-",
            )
        ) from None


def trigger_adapters() -> list[TriggerAdapter]:
    """Return all kinds as connectors."""
    return [_adapter(trigger_kinds.get(code)) for code in trigger_kinds.names()]


def emitted_permissions() -> dict[str, str]:
    """Return the permissions to listen to the events of kinds that are emitted, by event type."""
    kinds = [trigger_kinds.get(code) for code in trigger_kinds.names()]
    return {kind.code: kind.permission for kind in kinds if isinstance(kind, EmittedTrigger)}


def emitted_sample(event_type: str) -> Mapping[str, Any]:
    """Return the sample of a kind that is emitted; empty without one."""
    kind = trigger_kinds.get(event_type) if event_type in trigger_kinds.names() else None
    return kind.sample if isinstance(kind, EmittedTrigger) else {}


@cache
def _adapter(kind: TriggerKind) -> TriggerAdapter:
    return TriggerAdapter(kind)
