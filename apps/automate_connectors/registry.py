"""The installed connectors."""

from __future__ import annotations

from django.conf import settings

from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_plugins.registry import PluginNotFoundError, Registry

connectors: Registry[ConnectorAdapter] = Registry(
    "django_automate.connectors",
    ConnectorAdapter,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    allowed=lambda: getattr(settings, "AUTOMATE_CONNECTORS", None),
)


def find_action(reference: str) -> tuple[ConnectorAdapter, Action]:
    """The adapter and action behind `connector.action`. Raises LookupError with the names there are."""
    code, separator, name = reference.partition(".")
    if not (code and separator and name):
        raise LookupError(f"{reference!r} is not connector.action")
    try:
        adapter = connectors.get(code)
    except PluginNotFoundError:
        raise LookupError(f"no connector {code!r} is installed; there is {', '.join(connectors.names())}") from None
    return adapter, adapter.action(name)
