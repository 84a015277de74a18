"""The access token of a connection that signs in: a stored secret, renewed before it expires.

One process renews at a time, under a lock on the token's row; others wait for it or use the present token while it is
valid. So a provider that replaces refresh tokens never sees the same one twice.

A token is valid for its terms (`terms_hash`): a connection that was changed since, or loaded before the change, does
not get it.
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
from automate_connectors.oauth.grant_binding import issuer_hash, terms_hash
from automate_connectors.oauth.providers import OAuthSetup
from automate_governance.models import StoredSecret
from automate_governance.permissions import Person
from automate_governance.secrets.keyring import KeyUnavailableError
from automate_governance.secrets.resolver import resolve
from automate_plugins import text

RENEW_BEFORE = dt.timedelta(seconds=120)  # a token is renewed so long before it runs out
MIN_VALIDITY = dt.timedelta(seconds=20)  # one that has longer still serves, while another process renews it
LOCK_TIMEOUT = "15s"


def get_access_token(connection: Connection, *, rejected: str = "") -> str:
    """Return an access token that is valid for a while; not `rejected`, which the API did not accept.

    Raises ConnectorError (`needs_reconnect`; `oauth_unavailable`, retryable), SecretNotFoundError and
    SecretUnavailableError.
    """
    token = _tokens().filter(connection=connection).first()
    access = _valid_access(token, connection)
    if access is not None and not rejected and not token.is_due:  # type: ignore[union-attr]
        return _reveal(access)
    return _renew_access_token(connection, rejected)


def store_tokens(connection: Connection, given: exchange.Tokens, *, by: Person | None = None) -> OAuthToken:
    """Replace the stored tokens. The caller holds the lock on the row.

    `by` is the person who signed in: they own the tokens, and nothing is left of an earlier sign-in.
    """
    token = OAuthToken.objects.select_related("access", "refresh").get(connection=connection)
    owner = by or connection.owner
    if by is not None:
        _delete_tokens(token)
        token.account = by.get_username()[:150]
    token.access = _store_secret(token.access, f"oauth-{connection.slug}-access", given.access, owner)
    if given.refresh:
        token.refresh = _store_secret(token.refresh, f"oauth-{connection.slug}-refresh", given.refresh, owner)
    lifetime = None if given.lifetime is None else dt.timedelta(seconds=given.lifetime)
    token.expires_at = None if lifetime is None else Now() + lifetime
    token.renewed_at = Now()
    token.terms = terms_hash(connection)
    token.save()
    return token


def lock_token(connection: Connection, *, wait: bool = True) -> OAuthToken | None:
    """Return the locked row of the connection's token, created if missing; None when another holds it and not `wait`.

    Call it in a transaction. Raises ConnectorError (`oauth_unavailable`) after LOCK_TIMEOUT.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    try:
        OAuthToken.objects.bulk_create([OAuthToken(connection_id=connection.pk)], ignore_conflicts=True)
        rows = _tokens().select_for_update(no_key=True, skip_locked=not wait, of=("self",))
        return rows.filter(connection=connection).first()
    except OperationalError as error:
        raise ConnectorError(
            text("%(name)s: another process is renewing the sign-in. Try again.", name=str(connection)),
            code=exchange.UNAVAILABLE,
            retryable=True,
        ) from error


def end_sign_in_if_moved(before: Connection, after: Connection, by: Person) -> bool:
    """Return whether the terms saved by `by` ended the sign-in. The caller holds the lock on the row.

    Tokens end with their issuer. After other changes they stay if they belong to `by`.
    """
    token = OAuthToken.objects.select_related("access", "refresh").filter(connection=after).first()
    if token is None or token.access is None:
        return False
    own = all(secret.owner_id == by.pk for secret in (token.access, token.refresh) if secret)
    if own and token.terms == terms_hash(before) and issuer_hash(before) == issuer_hash(after):
        OAuthToken.objects.filter(pk=token.pk).update(terms=terms_hash(after))
        return False
    _delete_tokens(token)
    return True


def _delete_tokens(token: OAuthToken) -> None:
    secrets_of = [secret for secret in (token.access, token.refresh) if secret]
    token.access = token.refresh = token.expires_at = None
    token.account = token.terms = ""
    token.save()
    for secret in secrets_of:
        secret.delete()


def _valid_access(token: OAuthToken | None, connection: Connection) -> StoredSecret | None:
    """Return the access token, if it was granted for these terms."""
    return token.access if token is not None and token.terms == terms_hash(connection) else None


def _tokens() -> QuerySet[OAuthToken]:
    """Return tokens with `is_due` and `is_over`, by the database's clock."""
    return OAuthToken.objects.select_related("access", "refresh").annotate(
        is_due=_by_now(RENEW_BEFORE), is_over=_by_now(MIN_VALIDITY)
    )


def _by_now(margin: dt.timedelta) -> Case:
    runs_out = When(Q(expires_at__lte=Now() + margin), then=Value(True))
    return Case(runs_out, default=Value(False), output_field=BooleanField())


def _renew_access_token(connection: Connection, rejected: str) -> str:
    setup = connection.sign_in
    if setup is None:
        message = text("%(name)s does not use a sign-in.", name=str(connection))
        raise ConnectorError(message, code="invalid_connection")
    refused: ConnectorError | None = None
    with transaction.atomic():
        token = lock_token(connection, wait=False)
        if token is None:
            there = None if rejected else _tokens().filter(connection=connection).first()
            access = _valid_access(there, connection)
            if access is not None and not there.is_over:  # type: ignore[union-attr]
                return _reveal(access)
            token = lock_token(connection)
        if token is None:
            message = text("%(name)s was deleted.", name=str(connection))
            raise ConnectorError(message, code="invalid_connection")
        now = _unchanged(connection)
        access = _valid_access(token, connection)
        if access is None:
            _delete_tokens(token)
        elif not token.is_due and (present := _reveal(access)) != rejected:  # type: ignore[attr-defined]
            return present
        _check_health_unchanged(connection, now)
        try:
            given = _request_tokens(setup, token, connection)
            store_tokens(connection, given)
        except ConnectorError as error:
            if error.code != exchange.NEEDS_RECONNECT:
                raise
            refused = error
            health.require_reconnect(connection, error.message)
    if refused is not None:
        raise refused
    return given.access


def _unchanged(connection: Connection) -> Connection:
    """Return the current connection. Raises ConnectorError when it was deleted or its terms changed."""
    now = Connection.objects.filter(pk=connection.pk).first()
    if now is None:
        message = text("%(name)s was deleted.", name=str(connection))
        raise ConnectorError(message, code="invalid_connection")
    if terms_hash(now) != terms_hash(connection):
        message = text("%(name)s was changed in the meantime. Try again.", name=str(connection))
        raise ConnectorError(message, code=exchange.UNAVAILABLE, retryable=True)
    return now


def _check_health_unchanged(connection: Connection, now: Connection) -> None:
    """Raise ConnectorError when the previous lock holder found that a person has to sign in."""
    if now.health == Connection.Health.RECONNECT and now.health_rev != connection.health_rev:
        raise ConnectorError(now.health_message, code=exchange.NEEDS_RECONNECT)


def _request_tokens(setup: OAuthSetup, token: OAuthToken, connection: Connection) -> exchange.Tokens:
    if not setup.needs_person:
        return exchange.request_client_credentials(setup)
    if token.refresh:
        return exchange.refresh_tokens(setup, _reveal(token.refresh))
    message = text("%(name)s: the sign-in has expired. Reconnect the connection.", name=str(connection))
    if not token.access:
        message = text("%(name)s is not signed in. Open the connection and sign in.", name=str(connection))
    raise ConnectorError(message, code=exchange.NEEDS_RECONNECT)


def _reveal(secret: StoredSecret) -> str:
    return resolve(f"database:{secret.name}").reveal()


def _store_secret(secret: StoredSecret | None, name: str, value: str, owner: Person) -> StoredSecret:
    """Store the value in that secret, or in a new one with an unguessable name."""
    kept = secret or StoredSecret(name=f"{name[:90]}-{secrets.token_hex(4)}", owner=owner)
    try:
        kept.put(value)
    except KeyUnavailableError as error:
        message = text("The token cannot be stored: %(reason)s", reason=str(error))
        raise ConnectorError(message, code="secret_unavailable") from error
    kept.save()
    return kept
