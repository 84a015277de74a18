"""External secrets: references of connections and webhook endpoints to other backends. Values are not stored here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import models

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint
from automate_governance.permissions import User, permitted
from automate_ui.objects.where_used import UsageLink, link_to

MOST = 500  #: connections and webhooks that are looked at, each


@dataclass(frozen=True, kw_only=True)
class ExternalReference:
    """A reference to another backend, and its usage as far as the person may view it."""

    backend: str
    key: str
    links: list[UsageLink] = field(default_factory=list)


def external_references(user: User) -> list[ExternalReference]:
    """References for people who may use any secret."""
    if not user.has_perm("automate_governance.use_any_storedsecret"):
        return []
    found: dict[str, ExternalReference] = {}
    for reference, use in _references(user):
        backend, _, key = reference.partition(":")
        if backend != "database":
            found.setdefault(reference, ExternalReference(backend=backend, key=key)).links.append(link_to(use))
    return [found[reference] for reference in sorted(found)]


def _references(user: User) -> Iterator[tuple[str, models.Model]]:
    connections = Connection.objects.select_related("token__access", "token__refresh").order_by("name")
    for connection in permitted(user, "view", connections)[:MOST]:
        yield from ((each, connection) for listed in connection.references().values() for each in listed)
    for endpoint in permitted(user, "view", WebhookEndpoint.objects.order_by("slug"))[:MOST]:
        yield from ((each, endpoint) for listed in endpoint.references().values() for each in listed)
