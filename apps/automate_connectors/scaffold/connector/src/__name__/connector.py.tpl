"""$title as a connector."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.context import Context
from automate_plugins.fields import FieldKind, FieldSpec


class $class_name(ConnectorAdapter):
    """Creates records."""

    code = "$name"
    name = "$title"
    description = "Create records"
    config_fields = (
        FieldSpec(name="base_url", label="Base URL", kind=FieldKind.URL, required=True),
        FieldSpec(name="token", label="Token", kind=FieldKind.SECRET, required=True),
    )
    actions = (
        Action(
            name="create",
            label="Create a record",
            description="A new record, once for each step",
            fields=(
                FieldSpec(name="title", label="Title", required=True),
                FieldSpec(name="amount", label="Amount", kind=FieldKind.INTEGER, default=1),
            ),
            outputs=(FieldSpec(name="id", label="Number of the record", kind=FieldKind.INTEGER),),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Create the record and return what the other side says of it."""
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
                f"{self.name} answered with HTTP {response.status}",
                code=f"http_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=response.retry_after,
            )
        return response.json()

    def check_connection(self, context: Context) -> str:
        """Ask who the token belongs to; the Test button of a connection shows the line."""
        connection = context["connection"]
        response = context["http"].request(
            "GET",
            f"{connection['base_url'].rstrip('/')}/me",
            headers={"Authorization": f"Bearer {connection['token']}"},
        )
        if response.status in {401, 403}:
            raise ConnectorError("the token is refused: replace it", code="authentication_failed")
        if response.status >= 400:
            raise ConnectorError(f"{self.name} answered with HTTP {response.status}", retryable=response.status >= 500)
        return f"{self.name} accepts the token"
