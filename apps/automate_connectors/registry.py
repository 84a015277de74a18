"""The installed connectors."""

from __future__ import annotations

from django.conf import settings

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.webhooks import Webhook
from automate_connectors.declared.loading import connector_files, connector_of
from automate_connectors.triggers.contract import REFERENCE
from automate_connectors.triggers.registry import find_trigger_adapter, trigger_adapters
from automate_plugins import text
from automate_plugins.fields import FieldSpec
from automate_plugins.members import check_members
from automate_plugins.registry import PluginNotFoundError, Registry

_ATTRIBUTES = {"code": str, "name": str, "description": str, "icon": str, "hue": int}

_MEMBERS = {"actions": Action, "polls": Poll, "webhooks": Webhook, "config_fields": FieldSpec}


def _verify(adapter: ConnectorAdapter) -> None:
    """Raise TypeError for a connector that screens and docs cannot show."""
    for attribute, kind in _ATTRIBUTES.items():
        if not isinstance(getattr(adapter, attribute, None), kind):
            raise TypeError(f"{attribute} must be {'text' if kind is str else 'a number'}")
    if adapter.code == REFERENCE:
        raise TypeError(f"code must not be {REFERENCE!r}, which names the triggers of plug-ins")
    for attribute, kind in _MEMBERS.items():
        check_members(attribute, getattr(adapter, attribute), kind)


connectors: Registry[ConnectorAdapter] = Registry(
    "django_automate.connectors",
    ConnectorAdapter,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    verify=_verify,
    allowed=lambda: getattr(settings, "AUTOMATE_CONNECTORS", None),
    more=connector_files,
    adapt=connector_of,
)


def find_adapter(code: str) -> ConnectorAdapter | None:
    """Return the connector of that code, or None."""
    try:
        return connectors.get(code)
    except PluginNotFoundError:
        return None


def find_action(reference: str) -> tuple[ConnectorAdapter, Action]:
    """Return the adapter and action of `connector.action`. Raises LookupError with the existing names."""
    code, separator, name = reference.partition(".")
    if not (code and separator and name):
        raise LookupError(text("%(value)s must have the form connector.action.", value=repr(reference)))
    adapter = _installed(code)
    return adapter, adapter.action(name)


def find_poll(reference: str) -> tuple[ConnectorAdapter, Poll]:
    """Return the adapter and poll of `connector.poll`. Raises LookupError with the existing names."""
    code, separator, name = reference.partition(".")
    if not (code and separator and name):
        raise LookupError(text("%(value)s must have the form connector.poll.", value=repr(reference)))
    adapter = _with_triggers(code, name)
    for poll in adapter.polls:
        if poll.name == name:
            return adapter, poll
    known = ", ".join(poll.name for poll in adapter.polls)
    if not known:
        raise LookupError(text("The connector %(connector)s has no polls.", connector=code))
    raise LookupError(
        text(
            "The connector %(connector)s has no poll %(name)s. It has: %(known)s.",
            connector=code,
            name=repr(name),
            known=known,
        )
    )


def find_webhook(reference: str) -> tuple[ConnectorAdapter, Webhook]:
    """Return the adapter and webhook of `connector.webhook`. Raises LookupError with the existing names."""
    code, separator, name = reference.partition(".")
    if not (code and separator and name):
        raise LookupError(text("%(value)s must have the form connector.webhook.", value=repr(reference)))
    adapter = _with_triggers(code, name)
    for webhook in adapter.webhooks:
        if webhook.name == name:
            return adapter, webhook
    known = ", ".join(webhook.name for webhook in adapter.webhooks)
    if not known:
        raise LookupError(text("The connector %(connector)s has no webhooks.", connector=code))
    raise LookupError(
        text(
            "The connector %(connector)s has no webhook %(name)s. It has: %(known)s.",
            connector=code,
            name=repr(name),
            known=known,
        )
    )


def connectors_with_triggers() -> list[ConnectorAdapter]:
    """Return the connectors, and the trigger kinds of plug-ins as connectors."""
    return [*(connectors.get(name) for name in connectors.names()), *trigger_adapters()]


def _with_triggers(code: str, name: str) -> ConnectorAdapter:
    """Return the connector of that code, or the trigger kind of that name. Raises LookupError."""
    return find_trigger_adapter(name) if code == REFERENCE else _installed(code)


def _installed(code: str) -> ConnectorAdapter:
    """Return the connector of that code. Raises LookupError with the installed ones."""
    try:
        return connectors.get(code)
    except PluginNotFoundError:
        raise LookupError(
            text(
                "The connector %(connector)s is not installed. Installed: %(known)s.",
                connector=repr(code),
                known=", ".join(connectors.names()),
            )
        ) from None
