"""Signed single-use URLs that a wait step is resolved by."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.signing import BadSignature, Signer

from automate_governance.admin_site import reverse

SALT = "automate.callback"


def callback_url(run_id: uuid.UUID | str, path: str) -> str:
    """The URL that resolves the wait at `path` of that run by one POST. Always the same; no query."""
    token = Signer(salt=SALT).sign_object([str(run_id), path])
    return f"{settings.AUTOMATE_SITE_URL}{reverse('automate:callback', args=[token])}"


def read_callback_token(token: str) -> tuple[uuid.UUID, str] | None:
    """The run and the path that a token was signed for; None when the signature is not ours."""
    try:
        run_id, path = Signer(salt=SALT).unsign_object(token)
    except BadSignature:
        return None
    return uuid.UUID(run_id), path
