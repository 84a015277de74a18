"""Health of a connection in words, with advice."""

from __future__ import annotations

from django.utils.translation import gettext as _

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.models import Connection
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError

_STATES = {"unknown": "pending", "working": "succeeded", "failing": "failed", "reconnect": "failed"}
_WORDS = {"unknown": text("Not tested yet"), "working": text("Healthy"), "failing": text("Failing")}


def adapter_of(connection: Connection) -> ConnectorAdapter | None:
    """Connector of a connection, if installed."""
    try:
        return connection.adapter
    except PluginNotFoundError:
        return None


def health_state(connection: Connection) -> str:
    """State whose glyph and colour are shown."""
    return "pending" if _is_unproven(connection) else _STATES[connection.health]


def health_word(connection: Connection) -> str:
    if _is_unproven(connection):
        return translated(_WORDS["unknown"])
    return translated(_WORDS.get(connection.health, "")) or _("Reconnect")


def health_advice(connection: Connection) -> str:
    """What to do while the connection fails."""
    if adapter_of(connection) is None:
        return _("The connector is not installed. Install the plug-in, or use another connection in the workflows.")
    if _signs_in(connection):
        return _("Reconnect the connection, then re-run the failed runs.")
    return _("Check the secret and the URL, test the connection, then re-run the failed runs.")


def _is_unproven(connection: Connection) -> bool:
    """Whether it was signed in and not called since."""
    return connection.health == "working" and not (connection.tested_at or connection.last_used_at)


def _signs_in(connection: Connection) -> bool:
    setup = connection.sign_in
    return bool(setup and setup.needs_person)
