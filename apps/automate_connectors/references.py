"""The connections that refer to a secret, and what a new value of it means for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Concat

from automate_connectors import health
from automate_connectors.models import Connection
from automate_governance.models import StoredSecret
from automate_plugins import text


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


def follow_secret(
    instance: StoredSecret, *, created: bool, update_fields: Collection[str] | None, **_signal: Any
) -> None:
    """Forget what is known of connections whose secret was entered again; mark those whose secret was lost."""
    if created:
        return
    if update_fields is not None and "lost_at" in update_fields and "box" not in update_fields:
        _follow_loss(instance)
    elif update_fields is None or "box" in update_fields:  # another owner is no new value
        _follow_value(instance)


def _follow_value(secret: StoredSecret) -> None:
    """One that a person signs in to stays as it is, as only the sign-in repairs it. A token renews itself."""
    for _key, connection in connections_of_secrets([secret]):
        setup = connection.sign_in
        is_token = secret.reference in connection.references().get("oauth_token", [])
        if connection.health != Connection.Health.UNKNOWN and not is_token and not (setup and setup.needs_person):
            health.reset_health(connection)


def _follow_loss(secret: StoredSecret) -> None:
    lost = text("The value of '%(name)s' was lost with its key. Enter it again.", name=secret.name)
    for _key, connection in connections_of_secrets([secret]):
        if secret.lost_at is None:
            health.reset_health(connection)
        else:
            health.record_lost_secret(connection, lost)
