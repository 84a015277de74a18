"""Health of a connection in words, with advice."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.models import Connection
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError

_STATES = {"unknown": "pending", "working": "succeeded", "failing": "failed", "reconnect": "failed"}
_WORDS = {"unknown": text("Not tested yet"), "working": text("Healthy"), "failing": text("Failing")}


@dataclass(frozen=True, kw_only=True)
class ConnectionHealth:
    """A connection with its health."""

    connection: Connection

    @property
    def adapter(self) -> ConnectorAdapter | None:
        """Its connector, if installed."""
        try:
            return self.connection.adapter
        except PluginNotFoundError:
            return None

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return "pending" if self._is_unproven else _STATES[self.connection.health]

    @property
    def word(self) -> str:
        """Health in words."""
        if self._is_unproven:
            return translated(_WORDS["unknown"])
        if self.connection.health == "unknown" and self.connection.tested_at:
            return _("Not tested since the last change")
        return translated(_WORDS.get(self.connection.health, "")) or _("Reconnect")

    @property
    def fails(self) -> bool:
        """Whether it needs attention."""
        return self.state == "failed"

    @property
    def advice(self) -> str:
        """What to do while it fails; empty while it does not."""
        if not self.fails:
            return ""
        if self.adapter is None:
            return _("The connector is not installed. Install the plug-in, or use another connection in the workflows.")
        if self.connection.sign_in and self.connection.sign_in.needs_person:
            return _("Reconnect the connection, then re-run the failed runs.")
        return _("Check the secret and the URL, test the connection, then re-run the failed runs.")

    @property
    def _is_unproven(self) -> bool:
        """Whether it was signed in and not called since."""
        connection = self.connection
        return connection.health == "working" and not (connection.tested_at or connection.last_used_at)
