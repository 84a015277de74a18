"""Trigger kinds of plug-ins, good ones and faulty ones."""

from __future__ import annotations

from automate_connectors.adapters.polls import PollResult
from automate_connectors.triggers.contract import EmittedTrigger, PollingTrigger, RegisteringTrigger
from automate_plugins.fields import FieldKind, FieldSpec
from tests.contracts.planted import Fault, planter
from tests.contracts.planted.connectors import Good

POLLING: list[Fault] = []
REGISTERING: list[Fault] = []
EMITTED: list[Fault] = []


class NewOrder(PollingTrigger):
    """Asks as the good connector does."""

    code = "new_order"
    name = "New order"
    fields = (FieldSpec(name="state", label="State"),)
    sample = {"number": 7}

    def poll(self, params, cursor, context):
        return Good().poll("new_order", params, cursor, context)


class OrderEvent(RegisteringTrigger):
    """Registers as the good connector does."""

    code = "order_event"
    name = "Order event"
    scheme = "hmac"
    scheme_config = {"event_field": "type"}
    events = (("order.paid", "Paid"),)
    sample = {"type": "order.paid", "number": 7}

    def register(self, params, url, secret, context):
        return Good().register_webhook("order", params, url, secret, context)

    def find(self, params, url, context):
        return Good().find_webhook("order", params, url, context)

    def remove(self, params, registration, context):
        Good().remove_webhook("order", params, registration, context)


class StockLow(EmittedTrigger):
    """Emitted by code."""

    code = "stock_low"
    name = "Stock is low"
    sample = {"item": "anvil", "left": 2}


polling, registering, emitted = planter(POLLING), planter(REGISTERING), planter(EMITTED)


@polling("trigger", says="10 seconds at the earliest")
class TooOften(NewOrder):
    least_seconds = 1


@polling("trigger", says="the sample is the payload")
class WithoutSample(NewOrder):
    sample = {}


@polling("trigger", says="must not be secrets")
class WithASecret(NewOrder):
    fields = (FieldSpec(name="token", kind=FieldKind.SECRET),)


@polling("poll_baseline", says="for a preview")
class ShowsNothingAtFirst(NewOrder):
    def poll(self, params, cursor, context):
        found = super().poll(params, cursor, context)
        return found if cursor else PollResult(items=(), cursor=found.cursor)


@registering("trigger", says="Unknown scheme")
class OfAnUnknownScheme(OrderEvent):
    scheme = "nope"


@registering("trigger", says="has the name of its event types")
class WithAFieldOfEvents(OrderEvent):
    fields = (FieldSpec(name="events"),)


@registering("webhook_remove", says="still registered")
class RemovesNothing(OrderEvent):
    def remove(self, params, registration, context):
        self.find(params, "any", context)


@registering("webhook_once", says="2 registrations with one URL")
class FindsNothing(OrderEvent):
    def find(self, params, url, context):
        super().find(params, url, context)


@emitted("trigger", says="has no fields")
class WithFields(StockLow):
    fields = (FieldSpec(name="item"),)


@emitted("trigger_permission", says="neither 'public' nor one such as")
class OfNoPermission(StockLow):
    permission = "staff"
