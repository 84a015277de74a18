"""The connections that refer to a secret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Concat

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
