"""Signed addresses that a run waits at."""

from __future__ import annotations

from django.conf import settings
from django.core import signing


def url(run_id: str, path: str) -> str:
    """The address whose single POST answers the wait at `path`."""
    token = signing.dumps([run_id, path], salt="automate.callback")
    return f"{settings.AUTOMATE_SITE_URL}/hooks/callback/{token}/"
