"""Events of endpoints: they are found by the endpoint's key, so that a reused address shows no old events."""

from __future__ import annotations

from django.db.models import Q

from automate_core import database
from automate_core.events import event_types
from automate_core.models import WebhookEndpoint

_PREFIX = "webhook:"

# From one key to the next by index, whatever number of events there is.
_DELETED_ENDPOINTS = """
WITH RECURSIVE endpoints AS (
    (SELECT endpoint_id, source FROM automate_core_event WHERE endpoint_id <> 0 ORDER BY endpoint_id, id LIMIT 1)
    UNION ALL
    SELECT next.endpoint_id, next.source FROM endpoints CROSS JOIN LATERAL (
        SELECT endpoint_id, source FROM automate_core_event
        WHERE endpoint_id <> 0 AND endpoint_id > endpoints.endpoint_id ORDER BY endpoint_id, id LIMIT 1
    ) next
)
SELECT endpoint_id, source FROM endpoints
WHERE NOT EXISTS (SELECT FROM automate_core_webhookendpoint endpoint WHERE endpoint.id = endpoints.endpoint_id)
"""


def source_condition(source: str) -> Q:
    """The condition of the ORM for events that a trigger's source takes: for `webhook:SLUG`, those of the endpoint that
    has the slug now, and for the host's code, those that are sent in its name, too."""
    if source == event_types.SOURCE:
        return Q(source__in=event_types.SOURCES, endpoint_id=0)
    if not source.startswith(_PREFIX):
        return Q(source=source, endpoint_id=0)
    present = WebhookEndpoint.objects.filter(slug=source.removeprefix(_PREFIX)).values_list("pk", flat=True).first()
    return Q(endpoint_id=present) if present else Q(pk__in=[])


def is_deleted_endpoint(endpoint_id: int) -> bool:
    """Whether an event's endpoint was deleted; no when it never had one."""
    return endpoint_id != 0 and not WebhookEndpoint.objects.filter(pk=endpoint_id).exists()


def deleted_endpoints() -> dict[int, str]:
    """Deleted endpoints that left events, with their sources."""
    return {row.endpoint_id: row.source for row in database.run(None, _DELETED_ENDPOINTS, {})}


def endpoints_of_sources(sources: frozenset[str]) -> dict[int, str]:
    """The endpoints that have these sources now, by key."""
    slugs = [source.removeprefix(_PREFIX) for source in sources if source.startswith(_PREFIX)]
    found = WebhookEndpoint.objects.filter(slug__in=slugs) if slugs else WebhookEndpoint.objects.none()
    return {endpoint.pk: endpoint.source for endpoint in found.only("slug")}
