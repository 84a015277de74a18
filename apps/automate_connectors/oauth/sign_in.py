"""Sign-in by authorization code (RFC 6749, section 4.1, and RFC 7636).

The state is stored as a hash, for one person's session; the verifier is derived from it and never stored.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection, SignInAttempt
from automate_connectors.oauth import exchange, tokens
from automate_connectors.oauth.grant_binding import terms_hash
from automate_connectors.oauth.setup import OAuthSetup
from automate_connectors.oauth.token_answers import MOST_KEPT, Tokens
from automate_governance import audit
from automate_governance.permissions import NotPermittedError, Person, can
from automate_plugins import text
from automate_plugins.texts import joined

ATTEMPT_LIFETIME = dt.timedelta(minutes=10)
SALT = "automate.oauth.verifier"


class SignInError(Exception):
    """A failed sign-in; the message says why, for the person who tried."""


def redirect_uri(path: str) -> str:
    """Return the URL that the provider redirects to, by the configured site and never by a request."""
    return f"{settings.AUTOMATE_SITE_URL}{path}"


def begin_sign_in(connection: Connection, by: Person, *, session: str, back: str) -> str:
    """Return the provider's URL to visit; `back` is the path to return to. Raises SignInError."""
    setup = _setup(connection, by)
    state = secrets.token_urlsafe(32)
    SignInAttempt.objects.filter(begun_at__lt=Now() - ATTEMPT_LIFETIME).delete()
    SignInAttempt.objects.create(
        state=_hash(state), session=_hash(session), connection=connection, user=by, terms=terms_hash(connection)
    )
    try:
        return exchange.authorize_url(setup, state=state, verifier=_verifier(state), redirect_uri=redirect_uri(back))
    except ConnectorError as error:
        raise SignInError(joined([f"{connection}:", error.message])) from error


def finish_sign_in(
    state: str,
    code: str,
    by: Person,
    *,
    session: str,
    back: str,
    refused: str = "",
    query: Mapping[str, str] = MappingProxyType({}),
) -> Connection:
    """Store the tokens for `code`, and resolve waits. Raises SignInError; the state is consumed either way.

    `query` is that of the address with which the person came back: the provider's row may keep values of it.

    The code is sent to its own provider alone, and the tokens are valid for the terms the person saw at the beginning.
    """
    attempt = _consume_attempt(state, by, session)
    connection = attempt.connection
    if refused:
        setup = connection.sign_in
        raise SignInError(joined([f"{connection}:", exchange.refusal(setup, refused)]) if setup else refused)
    setup = _setup(connection, by)
    _check_terms(connection, attempt)
    try:
        given = exchange.exchange_code(setup, code, verifier=_verifier(state), redirect_uri=redirect_uri(back))
        with transaction.atomic():
            tokens.lock_token(connection)
            _check_terms(Connection.objects.filter(pk=connection.pk).first(), attempt)
            tokens.store_tokens(connection, _with_query(setup, given, query), by=by)
            health.record_sign_in(connection)
            audit.record(by, "connection.signed_in", connection, changes={"provider": setup.name})
    except ConnectorError as error:
        raise SignInError(joined([f"{connection}:", error.message])) from error
    return connection


def _with_query(setup: OAuthSetup, given: Tokens, query: Mapping[str, str]) -> Tokens:
    """Return the tokens with the values that the provider's row keeps of the address."""
    values = {name: query[name] for name in setup.row.callback if query.get(name)}
    kept = {name: value for name, value in values.items() if value.isprintable() and len(value) <= MOST_KEPT}
    return replace(given, kept={**given.kept, **kept})


@transaction.atomic
def _consume_attempt(state: str, by: Person, session: str) -> SignInAttempt:
    """Return the attempt begun here, and delete it, whatever follows."""
    attempts = SignInAttempt.objects.select_for_update().filter(
        state=_hash(state), session=_hash(session), user=by, begun_at__gte=Now() - ATTEMPT_LIFETIME
    )
    attempt = attempts.first()
    if attempt is None:
        raise SignInError(text("This sign-in has expired or was already used. Start again."))
    SignInAttempt.objects.filter(pk=attempt.pk).delete()
    return attempt


def _check_terms(now: Connection | None, attempt: SignInAttempt) -> None:
    if now is None or terms_hash(now) != attempt.terms:
        raise SignInError(
            text(
                "%(name)s was changed while you signed in. Check its settings and start again.",
                name=str(attempt.connection),
            )
        )


def _setup(connection: Connection, by: Person) -> OAuthSetup:
    if not can(by, "change", connection):
        message = text("You need the Change permission for the connection %(name)s.", name=str(connection))
        raise NotPermittedError(message)
    setup = connection.sign_in
    if setup is None or not setup.needs_person:
        raise SignInError(text("%(name)s does not use a sign-in.", name=str(connection)))
    return setup


def _verifier(state: str) -> str:
    """Return 64 characters that only this site can derive from the state."""
    return salted_hmac(SALT, state, algorithm="sha256").hexdigest()


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
