"""Client ID metadata documents, fetched through the guarded way out: anybody can name a URL to fetch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from oauth2_provider.cimd import CIMDError, _effective_max_age, _validate_client_id_url

from automate_egress import HttpSession
from automate_egress.errors import EgressError

SECONDS = 5.0
MAX_BYTES = 16_384


_asked_by_person: ContextVar[bool] = ContextVar("automate_oauth_person", default=False)


@contextlib.contextmanager
def asked_by_person() -> Iterator[None]:
    """Let documents be fetched in the block: a person has signed in and asks for it."""
    token = _asked_by_person.set(True)
    try:
        yield
    finally:
        _asked_by_person.reset(token)


class AskedByPerson:
    """Fetches nothing for strangers, who reach the token endpoint with any client id."""

    def has_permission(self, request: Any, client_id: str) -> bool:
        """Whether the document of this client may be fetched now."""
        return _asked_by_person.get()


class GuardedFetcher:
    """Fetches from public servers alone, whatever the site's workflows may reach, and follows no redirect."""

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """(the document, how many seconds it counts). Raises CIMDError."""
        _validate_client_id_url(client_id)
        session = HttpSession(
            ports=(443,),
            proxy=getattr(settings, "AUTOMATE_EGRESS_PROXY", ""),
            bound_hosts=[urlsplit(client_id).hostname or ""],
            deadline=time.monotonic() + SECONDS,
            max_body_bytes=MAX_BYTES,
        )
        accepted = {"Accept": "application/json, application/*+json"}
        try:
            response = session.request("GET", client_id, headers=accepted, follow_redirects=False)
            document = response.json()
        except EgressError as error:
            raise CIMDError(str(error)) from error
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if response.status != 200 or not (media_type == "application/json" or media_type.endswith("+json")):
            raise CIMDError(f"HTTP {response.status}, {media_type}")
        if not isinstance(document, dict):
            raise CIMDError("the document is not an object")
        return document, _effective_max_age(response.headers.get("cache-control"))
