"""Client ID metadata documents, fetched through the guarded way out: anybody can name a URL to fetch."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _
from oauth2_provider.cimd import CIMDError, _effective_max_age, _validate_client_id_url
from oauth2_provider.settings import oauth2_settings

from automate_egress import HttpSession
from automate_egress.errors import EgressBlockedError, EgressError, EgressInvalidAnswerError

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


_BLOCKED, _UNREACHABLE, _ANSWER, _CONTENT = "blocked", "unreachable", "answer", "content"


class _DocumentError(CIMDError):  # type: ignore[misc]  # untyped upstream
    """A document that was not read. `kind` says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _key(client_id: str) -> str:
    return f"automate.oauth.document.{hashlib.sha256(client_id.encode()).hexdigest()}"


def _remember(client_id: str, kind: str) -> None:
    cache.set(_key(client_id), kind, oauth2_settings.CIMD_FAILURE_BACKOFF_SECONDS)


def client_problem(client_id: str) -> str:
    """Why a client is unknown, for the person who is to connect it.

    It does not tell a refused connection from an unknown name, which would map a network.
    """
    try:
        _validate_client_id_url(client_id)
    except (CIMDError, ValueError):
        return _("The client_id is not the URL of a client's metadata document, with https, a host and a path.")
    match cache.get(_key(client_id)):
        case "blocked":
            return _("The document at the client_id is not read: it must be on a public server, on port 443.")
        case "unreachable":
            return _("The document at the client_id cannot be reached, or took too long.")
        case "answer":
            return _("The client_id leads to no document: the answer has to be a JSON object with the status 200.")
        case "content":
            return _(
                "The document at the client_id describes no client that can be connected: it names this client_id, its"
                " redirect_uris and no secret."
            )
    return _("The document at the client_id could not be read. Try again in a minute.")


class AskedByPerson:
    """Fetches nothing for strangers, who reach the token endpoint with any client id."""

    def has_permission(self, request: Any, client_id: str) -> bool:
        """Whether the document of this client may be fetched now."""
        return _asked_by_person.get()


class GuardedFetcher:
    """Fetches from public servers alone, whatever the site's workflows may reach, and follows no redirect."""

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """(the document, how many seconds it counts). Raises CIMDError.

        What became of it is kept as long as the document is not asked for again, for the page that a person sees.
        """
        try:
            found = self._fetch(client_id)
        except _DocumentError as error:
            _remember(client_id, error.kind)
            raise
        _remember(client_id, _CONTENT)
        return found

    def _fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
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
        except EgressBlockedError as error:
            raise _DocumentError(_BLOCKED, str(error)) from error
        except EgressInvalidAnswerError as error:
            raise _DocumentError(_ANSWER, str(error)) from error
        except EgressError as error:
            raise _DocumentError(_UNREACHABLE, str(error)) from error
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if response.status != 200 or not (media_type == "application/json" or media_type.endswith("+json")):
            raise _DocumentError(_ANSWER, f"HTTP {response.status}, {media_type}")
        if not isinstance(document, dict):
            raise _DocumentError(_ANSWER, "the document is not an object")
        return document, _effective_max_age(response.headers.get("cache-control"))
