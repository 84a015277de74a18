"""Clients that people have connected by OAuth. Each is an API token of the person, listed and revoked as such.

Its own secret is never shown, so only access tokens of the client lead to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from automate_api.mcp.oauth.provider import REFRESH_DAYS, resource
from automate_api.models import ApiToken
from automate_api.tokens.issuing import create_token, revoke_token
from automate_api.tokens.use import record_use
from automate_governance.permissions import Person

_USED = "used"  # in the place of OpenID's nonce, which these codes do not have
MAX_TEXT = 500  #: characters of an access token


def find_connection(person: Any, client_id: str) -> ApiToken | None:
    """The token that stands for a person's connection to a client; None without a valid one."""
    found = ApiToken.objects.select_related("owner").filter(owner=person, client_id=client_id, revoked_at=None)
    token = found.order_by("-id").first()
    return token if token is not None and token.is_valid and token.owner.is_active else None


@transaction.atomic
def connect_client(person: Person, application: Any, scopes: Iterable[str]) -> ApiToken:
    """Connect a client with these scopes, in place of an earlier connection of the person with it. Audited."""
    for earlier in ApiToken.objects.filter(owner=person, client_id=application.client_id, revoked_at=None):
        revoke_token(earlier, by=person)
    for model in (get_access_token_model(), get_refresh_token_model(), get_grant_model()):
        model.objects.filter(user=person, application=application).delete()
    name = f"{application.name or application.client_id}"[:100]
    token, _ = create_token(person, by=person, name=name, scopes=scopes, days=REFRESH_DAYS)
    token.client_id = application.client_id
    token.save(update_fields=["client_id"])
    return token


def authenticate_access(text: str) -> ApiToken | None:
    """The connection of a valid access token for this resource, with the scopes that both have; None for any other."""
    if not text or len(text) > MAX_TEXT:
        return None
    checksum = hashlib.sha256(text.encode()).hexdigest()
    access = get_access_token_model().objects.select_related("application").filter(token_checksum=checksum).first()
    if access is None or access.is_expired() or access.user_id is None or access.application is None:
        return None
    if not is_own_resource(access.resource):
        return None
    token = find_connection(access.user_id, access.application.client_id)
    if token is None:
        return None
    record_use(token)
    token.scopes = [scope for scope in token.scopes if scope in access.scope.split()]
    return token


def use_code(code: str, application: Any) -> bool:
    """Mark a code as used; False when it was already. The first of several requests with it wins."""
    codes = get_grant_model().objects.filter(code=code, application=application)
    return bool(codes.exclude(nonce=_USED).update(nonce=_USED, expires=timezone.now()))


def end_reused_code(code: str, application: Any) -> None:
    """End the tokens of a code that is used again: who has it is not who was to have it (RFC 6749, section 4.1.2)."""
    used = get_grant_model().objects.filter(code=code, application=application, nonce=_USED).first()
    if used is not None:
        for model in (get_access_token_model(), get_refresh_token_model()):
            model.objects.filter(user=used.user, application=application, created__gte=used.created).delete()


def is_own_resource(named: Any) -> bool:
    """Whether a token or a request is for the MCP server, and for nothing else."""
    own = resource(settings.AUTOMATE_SITE_URL)
    return isinstance(named, list) and bool(named) and all(str(each).rstrip("/") == own for each in named)


def delete_expired() -> int:
    """Delete what OAuth no longer needs: codes and access tokens that have expired. The number of rows."""
    now = timezone.now()
    deleted = get_grant_model().objects.filter(expires__lt=now - dt.timedelta(hours=1)).delete()[0]
    return int(deleted + get_access_token_model().objects.filter(expires__lt=now - dt.timedelta(days=1)).delete()[0])
