"""The connections that refer to a secret, and what a new value of it means for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Concat

from automate_connectors import health
from automate_connectors.models import Connection
from automate_governance.models import StoredSecret


def connections_of_secrets(secrets: Sequence[StoredSecret]) -> Iterator[tuple[int, Connection]]:
    """Yield (key of the secret, connection) for each connection that refers to it or whose token it is."""
    by_reference = {secret.reference: secret.pk for secret in secrets}
    token = Q(token__access__in=by_reference.values()) | Q(token__refresh__in=by_reference.values())
    named = Connection.objects.annotate(text=Concat(Cast("config", TextField()), Cast("oauth", TextField())))
    mentions = Q()
    for reference in by_reference:
        mentions |= Q(text__contains=f'"{reference}"')
    for connection in named.filter(mentions | token).select_related("token__access", "token__refresh"):
        for listed in connection.references().values():
            for reference in by_reference.keys() & set(listed):
                yield by_reference[reference], connection


def reset_failing_connections(
    instance: StoredSecret, *, created: bool, update_fields: Collection[str] | None, **_signal: Any
) -> None:
    """Forget the failures of connections whose secret has been entered again: they may work with the new value.

    One that a person signs in to stays as it is, as only the sign-in repairs it.
    """
    if created or (update_fields is not None and "box" not in update_fields):  # another owner is no new value
        return
    for _key, connection in connections_of_secrets([instance]):
        setup = connection.sign_in
        if connection.health == Connection.Health.FAILING and not (setup and setup.needs_person):
            health.reset_health(connection)
