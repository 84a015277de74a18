"""The shop as a connector: what workflows may do to its models."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec

_ORDER = FieldSpec(name="order", label="Order", kind=FieldKind.INTEGER, required=True)
_CARRIERS = (("post", "Post"), ("bike", "Bicycle"))


class ShopConnector(ConnectorAdapter):
    """Both actions write by the ORM alone, so that each commits together with the record that its step was done."""

    code = "shop"
    name = "Shop"
    icon = "storefront"
    hue = 140
    actions = (
        Action(
            name="create_shipment",
            label="Create a shipment",
            effect=Effect.TRANSACTIONAL,
            fields=(
                _ORDER,
                FieldSpec(name="carrier", label="Carrier", kind=FieldKind.CHOICE, choices=_CARRIERS, default="post"),
            ),
        ),
        Action(
            name="set_status",
            label="Set an order's status",
            effect=Effect.TRANSACTIONAL,
            fields=(_ORDER, FieldSpec(name="status", label="Status", required=True)),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Dispatch on the action's name."""
        from shop.models import Order  # the registry may load this before Django's models

        order = Order.objects.select_for_update(no_key=True).filter(pk=params["order"]).first()
        if order is None:
            raise ConnectorError(f"there is no order {params['order']}", code="no_such_order")
        if action == "set_status":
            order.status = params["status"]
            order.save(update_fields=["status"])
            return {"order": order.pk, "status": order.status}
        shipment = order.shipments.create(carrier=params["carrier"])
        if order.total <= 0:
            raise ConnectorError(f"{order} is worth nothing, and nothing is sent", code="worthless")
        return {"shipment": shipment.pk}
