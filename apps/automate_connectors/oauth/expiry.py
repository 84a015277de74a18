"""Credentials that expire: sign-ins, client secrets whose date a person entered, and certificates.

A connection warns a week ahead. A sign-in that each renewal prolongs warns only when it has not been used for a while.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth.setup import KEY_GRANTS
from automate_plugins import text

WARN_BEFORE = dt.timedelta(days=7)
SIGN_IN, SECRET, CERTIFICATE = "sign_in", "secret", "certificate"


_EXPIRES = {
    SIGN_IN: text("The sign-in of %(name)s expires on %(ends)s. Reconnect the connection before then."),
    SECRET: text(
        "The client secret of %(name)s expires on %(ends)s. Create another one at the provider and replace it in the"
        " connection."
    ),
    CERTIFICATE: text(
        "The certificate of %(name)s expires on %(ends)s. Upload another one at the provider and replace it in the"
        " connection."
    ),
}
_EXPIRED = {
    SIGN_IN: text("The sign-in of %(name)s expired on %(ends)s. Reconnect the connection."),
    SECRET: text(
        "The client secret of %(name)s expired on %(ends)s. Create another one at the provider and replace it in the"
        " connection."
    ),
    CERTIFICATE: text(
        "The certificate of %(name)s expired on %(ends)s. Upload another one at the provider and replace it in the"
        " connection."
    ),
}


@dataclass(frozen=True, kw_only=True)
class ExpiringCredential:
    """A credential of a connection that ends within a week, or has ended."""

    kind: str
    connection: str
    ends_at: dt.datetime

    def message(self, ends: str, now: dt.datetime) -> str:
        """Return what to do; `ends` is the end as people read it."""
        return text((_EXPIRED if self.ends_at <= now else _EXPIRES)[self.kind], name=self.connection, ends=ends)


def expiring_credentials(connection: Connection, now: dt.datetime) -> Iterator[ExpiringCredential]:
    """Yield the credentials of a connection that end within WARN_BEFORE, those that have ended included."""
    setup = connection.sign_in
    if setup is None:
        return
    token = connection.loaded_token()
    ends = {SECRET: None if setup.grant in KEY_GRANTS else setup.secret_ends_at}
    if token is not None:
        ends[CERTIFICATE] = token.credential_ends_at
        ends[SIGN_IN] = token.refresh_ends_at if _sign_in_ends(token, now) else None
    for kind, ends_at in ends.items():
        if ends_at is not None and ends_at <= now + WARN_BEFORE:
            yield ExpiringCredential(kind=kind, connection=connection.name, ends_at=ends_at)


def with_expiring_credentials(rows: QuerySet[Connection], now: dt.datetime) -> QuerySet[Connection]:
    """Return those of the connections that may have a credential that ends within WARN_BEFORE, with their tokens."""
    until = now + WARN_BEFORE
    days = {"oauth__secret_expires__gte": f"{now:%Y-%m-%d}", "oauth__secret_expires__lte": f"{until:%Y-%m-%d}"}
    soon = Q(token__refresh_ends_at__range=(now, until)) | Q(token__credential_ends_at__range=(now, until)) | Q(**days)
    return rows.filter(soon).select_related("owner", "token")


def _sign_in_ends(token: OAuthToken, now: dt.datetime) -> bool:
    """Whether the refresh token will end, as far as is known: not if its next renewal prolongs it in time."""
    if token.refresh_ends_at is None or token.renewed_at is None or token.refresh_id is None:
        return False
    if token.refresh_rolls is False:
        return True
    return token.refresh_ends_at - now <= (token.refresh_ends_at - token.renewed_at) / 2
