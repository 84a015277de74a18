"""Webhooks of $title: the service sends a delivery when a record changes."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_connectors.context import Context
from automate_plugins import text
from $name.api import call_api


class Webhooks(ConnectorAdapter):
    """The triggers of the connector that register themselves at the service."""

    webhooks = (
        Webhook(
            name="record",
            label=text("Record"),
            description=text("Start when a record is created or deleted"),
            events=(("record.created", text("Created")), ("record.deleted", text("Deleted"))),
            scheme="hmac",  # X-Signature: HMAC-SHA256 of the body
            scheme_config={"event_field": "type", "delivery_field": "id"},
            sample={"id": "d-1", "type": "record.created", "number": 7},
        ),
    )

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Have the service send the events of the trigger to the URL, signed with the secret."""
        body = {"url": url, "secret": secret, "events": params["events"]}
        return self._registration(call_api(context, "POST", "/hooks", json=body))

    def find_webhook(self, name: str, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """The registration of the URL; None without one."""
        hooks = call_api(context, "GET", "/hooks").get("hooks")
        if not isinstance(hooks, list):
            raise ConnectorError(text("The API did not answer with hooks."), code="invalid_answer")
        return next((self._registration(hook) for hook in hooks if hook["url"] == url), None)

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Remove the registration. One that is not there any more is no error."""
        try:
            call_api(context, "DELETE", f"/hooks/{registration.id}")
        except ConnectorError as error:
            if error.code != "http_404":
                raise

    def _registration(self, hook: dict[str, Any]) -> Registration:
        if not hook.get("id"):
            raise ConnectorError(text("The API did not answer with a hook."), code="invalid_answer")
        return Registration(id=str(hook["id"]))
