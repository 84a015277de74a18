"""Use of a token: who it is, and what it may do meanwhile."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from hmac import compare_digest

from django.db.models import Q
from django.utils import timezone

from automate_api.models import ApiToken
from automate_api.tokens.credentials import parse_token
from automate_governance.permissions import narrowed_to

_USE_INTERVAL = dt.timedelta(minutes=1)  # between two records of a use


def authenticate(text: str) -> ApiToken | None:
    """The valid token of that text, with its active owner; None for any other. Its use is recorded once a minute."""
    credential = parse_token(text)
    if credential is None:
        return None
    token = ApiToken.objects.select_related("owner").filter(prefix=credential.prefix).first()
    if token is None or not _matches(token, credential.digest):
        return None
    if not token.is_valid or not token.owner.is_active:
        return None
    _record_use(token)
    return token


def narrowed(token: ApiToken) -> AbstractContextManager[None]:
    """Limit the permissions of the token's owner to the token's scopes and workflows, in this block and context.

    A generator that streams a response runs after the block of its request: it needs a block of its own.
    """
    return narrowed_to(token.owner, token.scopes, token.workflows)


def _matches(token: ApiToken, digest: str) -> bool:
    return compare_digest(token.digest, digest) or (token.has_old_secret and compare_digest(token.old_digest, digest))


def _record_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _USE_INTERVAL:
        unrecorded = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_INTERVAL)
        ApiToken.objects.filter(unrecorded, pk=token.pk).update(last_used_at=now)
