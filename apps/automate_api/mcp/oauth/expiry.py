"""The maintenance task that deletes what OAuth no longer needs: expired codes and access tokens."""

from __future__ import annotations

from django.apps import apps

from automate_core.conf import setting
from automate_core.worker.maintenance_tasks import MaintenanceTask, register_tasks

DUE = """
EXISTS (SELECT FROM oauth2_provider_grant WHERE expires < now() - interval '1 hour')
OR EXISTS (SELECT FROM oauth2_provider_accesstoken WHERE expires < now() - interval '1 day')
"""


def register_expiry() -> None:
    """Have workers do it once an hour, where people connect agents by OAuth."""
    if setting("AUTOMATE_MCP_OAUTH") and apps.is_installed("oauth2_provider"):
        register_tasks(MaintenanceTask("expired OAuth tokens", DUE, _delete_expired, pause=3_600))


def _delete_expired() -> float | None:
    from automate_api.mcp.oauth.connections import delete_expired

    delete_expired()
    return None
