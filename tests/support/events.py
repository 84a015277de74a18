"""Events as an endpoint would have taken them."""

from __future__ import annotations

from typing import Any

from automate_core.models import Event, WebhookEndpoint


def of_endpoint(slug: str, **values: Any) -> Event:
    """One that is not stored yet; `slug` names no endpoint for one that nobody knows any more."""
    endpoint = WebhookEndpoint.objects.filter(slug=slug).first()
    values = {"payload": {}, "trace_id": "1" * 32, **values}
    return Event(source=f"webhook:{slug}", endpoint_id=endpoint.pk if endpoint else -1, **values)


def came_to(slug: str, **values: Any) -> Event:
    """A stored one."""
    event = of_endpoint(slug, **values)
    event.save()
    return event
