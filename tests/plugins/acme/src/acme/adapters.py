"""A connector written from the documentation alone."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec


class AcmeConnector(ConnectorAdapter):
    """Orders anvils."""

    code = "acme"
    name = "Acme"
    config_fields = (FieldSpec(name="token", kind=FieldKind.SECRET),)
    actions = (
        Action(
            name="order",
            label="Order anvils",
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(name="url", required=True),
                FieldSpec(name="count", kind=FieldKind.INTEGER, required=True),
            ),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        token = context["connection"].get("token", "")
        response = context["http"].request(
            "POST",
            params["url"],
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": context["idempotency_key"]},
            json={"count": params["count"]},
        )
        if response.status >= 400:
            raise ConnectorError(
                f"Acme answered {response.status}",
                code=f"acme_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=response.retry_after,
            )
        return {"ordered": params["count"]}
