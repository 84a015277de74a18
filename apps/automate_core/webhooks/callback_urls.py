"""Signed single-use URLs that a wait step is resolved by: of callbacks, and of pages of hosted forms."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import NoReverseMatch

from automate_governance.admin_site import reverse

SALT = "automate.callback"
PAGE_SALT = "automate.form_page"


def callback_url(run_id: uuid.UUID | str, path: str) -> str:
    """The URL that resolves the wait at `path` of that run by one POST. Always the same; no query."""
    token = Signer(salt=SALT).sign_object([str(run_id), path])
    return f"{settings.AUTOMATE_SITE_URL}{reverse('automate:callback', args=[token])}"


def read_callback_token(token: str) -> tuple[uuid.UUID, str] | None:
    """The run and the path that a token was signed for; None when the signature is not ours."""
    return _read_token(token, SALT)


def form_page_url(run_id: uuid.UUID | str, path: str) -> str:
    """The URL of the page of a hosted form for which a run waits at `path`; empty when the project serves no forms."""
    token = Signer(salt=PAGE_SALT).sign_object([str(run_id), path])
    try:
        return f"{settings.AUTOMATE_SITE_URL}{reverse('automate_forms:page', args=[token])}"
    except NoReverseMatch:
        return ""


def read_page_token(token: str) -> tuple[uuid.UUID, str] | None:
    """The run and the path that the token of a page was signed for; None when the signature is not ours."""
    return _read_token(token, PAGE_SALT)


def token_of(url: str) -> str:
    """The token at the end of such a URL, which responses mask."""
    return url.rstrip("/").rpartition("/")[2]


def _read_token(token: str, salt: str) -> tuple[uuid.UUID, str] | None:
    try:
        run_id, path = Signer(salt=salt).unsign_object(token)
    except BadSignature:
        return None
    return uuid.UUID(run_id), path
