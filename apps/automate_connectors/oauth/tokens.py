"""The access token of a connection that signs in: a stored secret, renewed before it expires.

One process renews at a time, under a lock on the token's row; others wait for it or use the present token while it is
valid. So a provider that replaces refresh tokens never sees the same one twice. New tokens are committed before anyone
uses them. If the database connection is lost meanwhile, they are stored by another one; only the death of the process
between the provider's answer and the commit loses them. `renewal_begun_at` tells the next process of that.

A failure that passes never ends a sign-in: the present token serves while it is valid, and for a moment no process
asks again, so that many waiting steps do not repeat the same failure.

A token is valid for its terms (`terms_hash`): a connection that was changed since, or loaded before the change, does
not get it.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db import connection as database
from django.db.models import BooleanField, Case, DurationField, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.db.models.functions import Least, Now
from django.utils import timezone

from automate_connectors import health
from automate_connectors.adapters.base import NEEDS_RECONNECT, ConnectorError
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import exchange
from automate_connectors.oauth.grant_binding import issuer_hash, terms_hash
from automate_connectors.oauth.scopes import missing_scopes
from automate_connectors.oauth.setup import OAuthSetup
from automate_connectors.oauth.token_answers import Tokens
from automate_governance.models import StoredSecret
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_governance.secrets.keyring import KeyUnavailableError, SecretLocation, keyring
from automate_governance.secrets.resolver import resolve
from automate_plugins import text
from automate_plugins.texts import joined

log = logging.getLogger(__name__)

RENEW_BEFORE = dt.timedelta(seconds=120)  # a token is renewed so long before it runs out
MIN_VALIDITY = dt.timedelta(seconds=20)  # one that has longer still serves, while another process renews it
LOCK_TIMEOUT = "15s"
PAUSE_AFTER_FAILURE = dt.timedelta(seconds=2)  # in which nobody asks the provider again
LONGEST_PAUSE = dt.timedelta(minutes=5)  # that a provider may ask for
INTERRUPTED_AFTER = dt.timedelta(seconds=2)  # a renewal that began so long ago, and holds no lock, has died
STORE_ATTEMPTS = 3


def get_access_token(connection: Connection, *, rejected: str = "") -> str:
    """Return an access token that is valid for a while; not `rejected`, which the API did not accept.

    The row that was read for it stays with the connection (`loaded_token`), until a renewal.

    Raises ConnectorError (`needs_reconnect`; `oauth_unavailable`, retryable), SecretNotFoundError and
    SecretUnavailableError.
    """
    token = _tokens().filter(connection=connection).first()
    access = _valid_access(token, connection)
    if token is not None and access is not None and not rejected and not token.is_due:  # type: ignore[attr-defined]
        token.connection = connection
        return _reveal(access)
    connection.forget_token()
    return _renew_access_token(connection, rejected)


def store_tokens(connection: Connection, given: Tokens, *, by: Person | None = None) -> OAuthToken:
    """Replace the stored tokens. The caller holds the lock on the row.

    `by` is the person who signed in: they own the tokens, and nothing is left of an earlier sign-in.
    """
    token = OAuthToken.objects.select_related("access", "refresh").get(connection=connection)
    owner = by or connection.owner
    if by is not None:
        _delete_tokens(token)
        token.account = sign_in_name(by)[:150]
    token.access = _store_secret(token.access, f"oauth-{connection.slug}-access", given.access, owner)
    if given.refresh:
        token.refresh = _store_secret(token.refresh, f"oauth-{connection.slug}-refresh", given.refresh, owner)
    token.expires_at = _from_now(given.lifetime)
    token.credential_ends_at = given.credential_ends_at
    token.kept = {**token.kept, **given.kept}
    setup = connection.sign_in
    missing = missing_scopes(setup, given.scopes) if setup else []
    if missing is not None:
        token.missing_scopes = missing
    if given.refresh_lifetime is not None:
        ends_at = timezone.now() + dt.timedelta(seconds=given.refresh_lifetime)
        if token.refresh_ends_at is not None and by is None:
            token.refresh_rolls = ends_at > token.refresh_ends_at + dt.timedelta(minutes=1)
        token.refresh_ends_at = ends_at
    token.renewed_at = Now()
    token.terms = terms_hash(connection)
    token.renewal_begun_at = token.retry_at = None
    token.save()
    return token


def _from_now(seconds: int | None) -> Any:
    return None if seconds is None else Now() + dt.timedelta(seconds=seconds)


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
    OAuthToken.objects.filter(connection=after).update(retry_at=None)  # other settings may work at once
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
    token.refresh_ends_at = token.refresh_rolls = token.credential_ends_at = None
    token.renewal_begun_at = token.retry_at = None
    token.account = token.terms = ""
    token.kept = {}
    token.missing_scopes = []
    token.save()
    for secret in secrets_of:
        secret.delete()


def _valid_access(token: OAuthToken | None, connection: Connection) -> StoredSecret | None:
    """Return the access token, if it was granted for these terms."""
    return token.access if token is not None and token.terms == terms_hash(connection) else None


def _tokens() -> QuerySet[OAuthToken]:
    """Return tokens with `is_due`, `is_over`, `is_paused` and `was_interrupted`, by the database's clock.

    A token with a short lifetime is due in its last quarter: otherwise each step would renew it.
    """
    lifetime = ExpressionWrapper((F("expires_at") - F("renewed_at")) / 4, output_field=DurationField())
    return OAuthToken.objects.select_related("access", "refresh").annotate(
        is_due=_whether(Q(expires_at__lte=Now() + Least(Value(RENEW_BEFORE), lifetime))),
        is_over=_whether(Q(expires_at__lte=Now() + Least(Value(MIN_VALIDITY), lifetime))),
        is_paused=_whether(Q(retry_at__gt=Now())),
        was_interrupted=_whether(Q(renewal_begun_at__lte=Now() - INTERRUPTED_AFTER)),
    )


def _whether(condition: Q) -> Case:
    return Case(When(condition, then=Value(True)), default=Value(False), output_field=BooleanField())


def _renew_access_token(connection: Connection, rejected: str) -> str:
    """Return the access token after at most one renewal, by any process."""
    setup = connection.sign_in
    if setup is None:
        message = text("%(name)s does not use a sign-in.", name=str(connection))
        raise ConnectorError(message, code="invalid_connection")
    with transaction.atomic():
        token = lock_token(connection, wait=False)
        if token is None:  # another process renews
            there = None if rejected else _tokens().filter(connection=connection).first()
            access = _valid_access(there, connection)
            if access is not None and not there.is_over:  # type: ignore[union-attr]
                return _reveal(access)
        elif (present := _present(token, connection, rejected)) is not None:
            return present
        else:  # committed before the provider is asked: if this process dies, the next one knows
            OAuthToken.objects.filter(pk=token.pk, renewal_begun_at=None).update(renewal_begun_at=Now())
    found = _renew_under_lock(connection, setup, rejected)
    if isinstance(found, ConnectorError):
        raise found
    return found


def _renew_under_lock(connection: Connection, setup: OAuthSetup, rejected: str) -> str | ConnectorError:
    """Return the new access token, or one that serves nevertheless; an error is returned so that its record commits."""
    given: Tokens | None = None
    used: StoredSecret | None = None
    try:
        with transaction.atomic():
            token = lock_token(connection)
            if token is None:
                return _deleted(connection)
            if (present := _present(token, connection, rejected)) is not None:
                return present
            now = _unchanged(connection)
            if _valid_access(token, connection) is None:
                _delete_tokens(token)
            _check_health_unchanged(connection, now)
            used = token.refresh
            try:
                given = _request_tokens(setup, token, connection)
                store_tokens(connection, given)
            except ConnectorError as error:
                return _record_failure(token, connection, error, rejected)
    except (OperationalError, InterfaceError):
        if given is None:
            raise
        _store_again(connection, given, used)
    return given.access


def _present(token: OAuthToken, connection: Connection, rejected: str) -> str | None:
    """Return the access token of a locked row if it needs no renewal; None otherwise.

    Raises ConnectorError (`oauth_unavailable`) while no process may ask the provider.
    """
    access = _valid_access(token, connection)
    if access is not None and not token.is_due and (present := _reveal(access)) != rejected:  # type: ignore[attr-defined]
        return present
    if not token.is_paused:  # type: ignore[attr-defined]
        return None
    if access is not None and not rejected and not token.is_over:  # type: ignore[attr-defined]
        return _reveal(access)
    message = text("%(name)s: the sign-in could not be renewed a moment ago. Try again.", name=str(connection))
    wait = (token.retry_at - timezone.now()).total_seconds() if token.retry_at else 0.0
    raise ConnectorError(message, code=exchange.UNAVAILABLE, retryable=True, retry_after=max(wait, 0.0))


def _record_failure(
    token: OAuthToken, connection: Connection, error: ConnectorError, rejected: str
) -> str | ConnectorError:
    """Record a failed renewal; return the present access token if it serves nevertheless, else the error."""
    if error.code == NEEDS_RECONNECT:
        if token.was_interrupted and token.refresh:  # type: ignore[attr-defined]
            lost = text("An earlier renewal was interrupted, and its new refresh token may have been lost with it.")
            error = ConnectorError(joined([error.message, lost]), code=error.code, details=error.details)
        OAuthToken.objects.filter(pk=token.pk).update(renewal_begun_at=None)
        health.require_reconnect(connection, error.message)
        return error
    if error.code != exchange.UNAVAILABLE:
        return error
    pause = min(max(PAUSE_AFTER_FAILURE, dt.timedelta(seconds=error.retry_after or 0.0)), LONGEST_PAUSE)
    begun_at = F("renewal_begun_at") if error.details.get("in_doubt") else Value(None)
    OAuthToken.objects.filter(pk=token.pk).update(retry_at=Now() + pause, renewal_begun_at=begun_at)
    access = _valid_access(token, connection)
    if access is None or rejected or token.is_over:  # type: ignore[attr-defined]
        return error
    log.warning("the sign-in of %s was not renewed and is used until it expires: %s", connection.slug, error.message)
    return _reveal(access)


def _store_again(connection: Connection, given: Tokens, used: StoredSecret | None) -> None:
    """Store tokens by another database connection, after the one that held the lock was lost. Raises OperationalError.

    Not if the row has moved on meanwhile: a person signed in, or changed the connection.
    """
    for attempt in range(1, STORE_ATTEMPTS + 1):
        database.close()
        try:
            with transaction.atomic():
                token = lock_token(connection)
                same = token is not None and (token.refresh_id, token.refresh and token.refresh.version) == (
                    used and used.pk,
                    used and used.version,
                )
                if same:
                    now = _unchanged(connection)
                    store_tokens(connection, given)
                    if now.health == Connection.Health.RECONNECT:  # found by one who used the old refresh token
                        health.record_sign_in(connection)
            return
        except (OperationalError, InterfaceError):
            if attempt == STORE_ATTEMPTS:
                raise


def _deleted(connection: Connection) -> ConnectorError:
    return ConnectorError(text("%(name)s was deleted.", name=str(connection)), code="invalid_connection")


def _unchanged(connection: Connection) -> Connection:
    """Return the current connection. Raises ConnectorError when it was deleted or its terms changed."""
    now = Connection.objects.filter(pk=connection.pk).first()
    if now is None:
        raise _deleted(connection)
    if terms_hash(now) != terms_hash(connection):
        message = text("%(name)s was changed in the meantime. Try again.", name=str(connection))
        raise ConnectorError(message, code=exchange.UNAVAILABLE, retryable=True)
    return now


def _check_health_unchanged(connection: Connection, now: Connection) -> None:
    """Raise ConnectorError when the previous lock holder found that a person has to sign in."""
    if now.health == Connection.Health.RECONNECT and now.health_rev != connection.health_rev:
        raise ConnectorError(now.health_message, code=NEEDS_RECONNECT)


def _request_tokens(setup: OAuthSetup, token: OAuthToken, connection: Connection) -> Tokens:
    _check_can_store(connection)
    if not setup.needs_person:
        return exchange.request_app_tokens(setup)
    if token.refresh:
        return exchange.refresh_tokens(setup, _reveal(token.refresh))
    message = text("%(name)s: the sign-in has expired. Reconnect the connection.", name=str(connection))
    if not token.access:
        message = text("%(name)s is not signed in. Open the connection and sign in.", name=str(connection))
    raise ConnectorError(message, code=NEEDS_RECONNECT)


def _check_can_store(connection: Connection) -> None:
    """Raise ConnectorError when new tokens could not be stored: then none are requested, and none are lost."""
    try:
        keyring().seal("", SecretLocation("oauth", connection.pk, connection.slug, 0))
    except KeyUnavailableError as error:
        raise _not_storable(error) from error


def _not_storable(error: Exception) -> ConnectorError:
    message = text("The token cannot be stored: %(reason)s", reason=str(error))
    return ConnectorError(message, code="secret_unavailable")


def _reveal(secret: StoredSecret) -> str:
    return resolve(f"database:{secret.name}").reveal()


def _store_secret(secret: StoredSecret | None, name: str, value: str, owner: Person) -> StoredSecret:
    """Store the value in that secret, or in a new one with an unguessable name."""
    kept = secret or StoredSecret(name=f"{name[:90]}-{secrets.token_hex(4)}", owner=owner)
    try:
        kept.put(value)
    except KeyUnavailableError as error:
        raise _not_storable(error) from error
    kept.save()
    return kept
