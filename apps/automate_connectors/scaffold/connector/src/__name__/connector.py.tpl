"""$title as a connector."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.context import Context
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
$imports

class $class_name($bases):
    """Creates records."""

    code = "$name"
    name = "$title"
    description = text("Create records")
    icon = "inventory_2"  # a Material Symbol: https://fonts.google.com/icons
    config_fields = (
        FieldSpec(name="base_url", label=text("Base URL"), kind=FieldKind.URL, required=True),
        FieldSpec(name="token", label=text("Token"), kind=FieldKind.SECRET, required=True),
    )
    actions = (
        Action(
            name="create",
            label=text("Create record"),
            description=text("Create a record once per step"),
            fields=(
                FieldSpec(name="title", label=text("Title"), required=True),
                FieldSpec(name="amount", label=text("Amount"), kind=FieldKind.INTEGER, default=1),
            ),
            outputs=(FieldSpec(name="id", label=text("Record number"), kind=FieldKind.INTEGER),),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Create the record and return the API's response."""
        connection = context["connection"]
        response = context["http"].request(
            "POST",
            f"{connection['base_url'].rstrip('/')}/records",
            headers={
                "Authorization": f"Bearer {connection['token']}",
                "Idempotency-Key": context["idempotency_key"],
            },
            json=params,
        )
        if response.status >= 400:
            raise ConnectorError(
                text("%(name)s responded with HTTP %(status)s.", name=self.name, status=response.status),
                code=f"http_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=response.retry_after,
            )
        return response.json()

    def check_connection(self, context: Context) -> str:
        """Check the token. The Test button of the connection shows the returned line."""
        connection = context["connection"]
        response = context["http"].request(
            "GET",
            f"{connection['base_url'].rstrip('/')}/me",
            headers={"Authorization": f"Bearer {connection['token']}"},
        )
        if response.status in {401, 403}:
            raise ConnectorError(text("The token was rejected. Replace it."), code="authentication_failed")
        if response.status >= 400:
            message = text("%(name)s responded with HTTP %(status)s.", name=self.name, status=response.status)
            raise ConnectorError(message, retryable=response.status >= 500)
        return text("%(name)s accepted the token.", name=self.name)
