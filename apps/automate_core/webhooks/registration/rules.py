"""Checks of service triggers: the webhook, its fields, its event types and its connection, as the connector describes
them."""

from __future__ import annotations

from collections.abc import Iterator

from automate_connectors.registry import find_webhook
from automate_core.definition.document import Problem, ServiceTrigger
from automate_core.definition.validators import validates
from automate_core.triggers.poll_rules import connection_problems, input_problems
from automate_core.webhooks.schemes.registry import SchemeError, scheme_for
from automate_plugins import text


@validates(ServiceTrigger)
def service_problems(trigger: ServiceTrigger, place: str) -> Iterator[Problem]:
    """What keeps a webhook from being registered."""
    if not trigger.webhook:
        return  # reported as a field that is missing
    try:
        adapter, webhook = find_webhook(trigger.webhook)
    except LookupError as error:
        yield Problem(f"{place}.webhook", str(error))
        return
    try:
        scheme_for(webhook.scheme, webhook.scheme_config)
    except SchemeError as error:
        yield Problem(f"{place}.webhook", str(error))
    yield from connection_problems(adapter, trigger.connection, place)
    yield from input_problems(webhook.fields, trigger.inputs, f"{place}.inputs")
    unknown = [kind for kind in trigger.events if kind not in webhook.event_types]
    if unknown and not webhook.other_events:
        reason = text(
            "This webhook does not send %(event)s. Available: %(names)s.",
            event=repr(unknown[0]),
            names=", ".join(webhook.event_types) or "-",
        )
        yield Problem(f"{place}.events", reason)
