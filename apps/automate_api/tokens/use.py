"""Use of a token: who it is, and what it may do meanwhile."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from hmac import compare_digest

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from automate_api.models import ApiToken
from automate_api.tokens.credentials import parse_token
from automate_governance.models import Preferences
from automate_governance.permissions import narrowed_to

_USE_INTERVAL = dt.timedelta(minutes=1)  # between two records of a use

# No request waits for another one that is recording the same use
_RECORD_USE = """
UPDATE automate_api_apitoken SET last_used_at = %(now)s WHERE id IN (
    SELECT id FROM automate_api_apitoken
    WHERE id = %(token)s AND (last_used_at IS NULL OR last_used_at < %(before)s) FOR NO KEY UPDATE SKIP LOCKED)
"""


def authenticate(text: str) -> ApiToken | None:
    """The valid token of that text, with its active owner; None for any other. Its use is recorded once a minute."""
    credential = parse_token(text)
    if credential is None:
        return None
    zone = Preferences.objects.filter(person=OuterRef("owner")).values("time_zone")
    tokens = ApiToken.objects.select_related("owner").annotate(zone=Subquery(zone))
    token = tokens.filter(prefix=credential.prefix).first()
    if token is None or not _matches(token, credential.digest):
        return None
    if not token.is_valid or not token.owner.is_active:
        return None
    token.owner_zone = token.zone or ""
    record_use(token)
    return token


def narrowed(token: ApiToken) -> AbstractContextManager[None]:
    """Limit the permissions of the token's owner to the token's scopes and workflows, in this block and context.

    A generator that streams a response runs after the block of its request: it needs a block of its own.
    """
    return narrowed_to(token.owner, token.scopes, token.workflows, token=token.prefix)


def is_valid_token(prefix: str) -> bool:
    """Whether a token with that prefix is valid, and its owner active: what a worker does for it later may go on."""
    token = ApiToken.objects.select_related("owner").filter(prefix=prefix).first()
    return token is not None and token.is_valid and token.owner.is_active


def _matches(token: ApiToken, digest: str) -> bool:
    return compare_digest(token.digest, digest) or (token.has_old_secret and compare_digest(token.old_digest, digest))


def record_use(token: ApiToken) -> None:
    """Record the time, at most once a minute."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _USE_INTERVAL:
        with connection.cursor() as cursor:
            cursor.execute(_RECORD_USE, {"token": token.pk, "now": now, "before": now - _USE_INTERVAL})
