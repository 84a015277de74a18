"""The access token of a connection that signs in: kept as a stored secret, and renewed before it runs out.

One renews at a time, under a lock on the token's row, while whoever else needs it waits for that or, while the present
token still holds, goes on with it. A provider that replaces refresh tokens so never sees the same one twice.
"""

from __future__ import annotations

import datetime as dt
import secrets

from django.db import OperationalError, transaction
from django.db import connection as database
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.functions import Now

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import exchange
from automate_connectors.oauth.providers import OAuthSetup
from automate_governance.models import StoredSecret
from automate_governance.secrets.keyring import KeyUnavailableError
from automate_governance.secrets.resolver import resolve

MARGIN = dt.timedelta(seconds=120)  # a token is renewed so long before it runs out
HOLDS = dt.timedelta(seconds=20)  # one that has longer still serves, while another process renews it
LOCK_TIMEOUT = "15s"


def fresh(connection: Connection, *, spent: str = "") -> str:
    """An access token that holds for a while; not `spent`, which the API did not take.

    Raises ConnectorError (`needs_reconnect`; `oauth_unavailable`, retryable), SecretNotFoundError and
    SecretUnavailableError.
    """
    token = _tokens().filter(connection=connection).first()
    if token is not None and not spent and token.access and not token.is_due:  # type: ignore[attr-defined]
        return _plain(token.access)
    return _renewed(connection, spent)


def keep(connection: Connection, given: exchange.Tokens, *, account: str = "") -> OAuthToken:
    """Store tokens, in place of those that were there. For whoever holds the lock on the row."""
    token = OAuthToken.objects.get(connection=connection)
    token.access = _stored(token.access, f"oauth-{connection.slug}-access", given.access, connection)
    if given.refresh:
        token.refresh = _stored(token.refresh, f"oauth-{connection.slug}-refresh", given.refresh, connection)
    lifetime = None if given.lifetime is None else dt.timedelta(seconds=given.lifetime)
    token.expires_at = None if lifetime is None else Now() + lifetime
    token.renewed_at = Now()
    token.account = account or token.account
    token.save()
    return token


def lock(connection: Connection, *, wait: bool = True) -> OAuthToken | None:
    """The row of its token, locked, made if there is none; None when another holds it and we do not `wait`.

    Call it inside a transaction. Raises ConnectorError (`oauth_unavailable`) after a while.
    """
    OAuthToken.objects.bulk_create([OAuthToken(connection=connection)], ignore_conflicts=True)
    with database.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    try:
        rows = _tokens().select_for_update(no_key=True, skip_locked=not wait, of=("self",))
        return rows.filter(connection=connection).first()
    except OperationalError as error:
        raise ConnectorError(
            f"{connection}: the sign-in is being renewed, and that takes too long",
            code=exchange.UNAVAILABLE,
            retryable=True,
        ) from error


def forget(connection: Connection) -> None:
    """The tokens are of no use any more: the client or the provider was changed."""
    OAuthToken.objects.filter(connection=connection).update(expires_at=Now() - MARGIN)


def _tokens() -> QuerySet[OAuthToken]:
    """Tokens by the database's clock: whether each is due, and whether it still serves."""
    return OAuthToken.objects.select_related("access", "refresh").annotate(
        is_due=_by_now(MARGIN), is_over=_by_now(HOLDS)
    )


def _by_now(margin: dt.timedelta) -> Case:
    runs_out = When(Q(expires_at__lte=Now() + margin), then=Value(True))
    return Case(runs_out, default=Value(False), output_field=BooleanField())


def _renewed(connection: Connection, spent: str) -> str:
    setup = connection.sign_in
    if setup is None:
        raise ConnectorError(f"{connection} does not sign in", code="invalid_connection")
    refused: ConnectorError | None = None
    with transaction.atomic():
        token = lock(connection, wait=False)
        if token is None:
            there = None if spent else _tokens().filter(connection=connection).first()
            if there is not None and there.access and not there.is_over:  # type: ignore[attr-defined]
                return _plain(there.access)
            token = lock(connection)
        if token is None:
            raise ConnectorError(f"{connection} is gone", code="invalid_connection")
        if token.access and not token.is_due and (present := _plain(token.access)) != spent:  # type: ignore[attr-defined]
            return present
        _check_found_out(connection)
        try:
            given = _asked(setup, token, connection)
            keep(connection, given)
        except ConnectorError as error:
            if error.code != exchange.NEEDS_RECONNECT:
                raise
            refused = error
            health.needs_reconnect(connection, error.message)
    if refused is not None:
        raise refused
    return given.access


def _check_found_out(connection: Connection) -> None:
    """Whoever held the lock before may have found out that a person is needed. Raises ConnectorError."""
    now = Connection.objects.only("health", "health_rev", "health_note").get(pk=connection.pk)
    if now.health == Connection.Health.RECONNECT and now.health_rev != connection.health_rev:
        raise ConnectorError(now.health_note, code=exchange.NEEDS_RECONNECT)


def _asked(setup: OAuthSetup, token: OAuthToken, connection: Connection) -> exchange.Tokens:
    if not setup.needs_person:
        return exchange.credentials(setup)
    if token.refresh:
        return exchange.renew(setup, _plain(token.refresh))
    why = "the sign-in has run out" if token.access else "nobody has signed in yet"
    raise ConnectorError(f"{connection}: {why}", code=exchange.NEEDS_RECONNECT)


def _plain(secret: StoredSecret) -> str:
    return resolve(f"database:{secret.name}").reveal()


def _stored(secret: StoredSecret | None, name: str, value: str, connection: Connection) -> StoredSecret:
    """The value in that secret, or in a new one whose name nobody could take beforehand."""
    kept = secret or StoredSecret(name=f"{name[:90]}-{secrets.token_hex(4)}", owner=connection.owner)
    try:
        kept.put(value)
    except KeyUnavailableError as error:
        raise ConnectorError(f"the token cannot be stored: {error}", code="secret_unavailable") from error
    kept.save()
    return kept
