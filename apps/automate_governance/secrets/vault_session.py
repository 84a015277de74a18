"""The HTTP session for hvac: the interface of `requests.Session` over our guarded session."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from automate_egress import HttpResponse, HttpSession

MAX_BODY_BYTES = 1_000_000


class GuardedSession:
    """Reaches one host alone, which may be on a private address: an administrator's setting names it."""

    verify, cert = True, None
    proxies: Mapping[str, str] = {}

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._pair = f"{self._host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._timeout_seconds = timeout_seconds

    def request(
        self, *, method: str, url: str, headers: Mapping[str, str], params: Any = None, json: Any = None, **_: Any
    ) -> ResponseAdapter:
        """Send one request under our own deadline. Raises EgressError."""
        session = HttpSession(
            internal_hosts=[self._pair],
            bound_hosts=[self._host],
            deadline=time.monotonic() + self._timeout_seconds,
            max_body_bytes=MAX_BODY_BYTES,
        )
        return ResponseAdapter(session.request(method, url, headers=headers, params=params, json=json))

    def close(self) -> None:
        """Do nothing: no connection is held."""


class ResponseAdapter:
    """The part of `requests.Response` that hvac reads."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response
        self.status_code = response.status
        self.ok = response.status < 400
        self.text = response.text
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        self.headers = {"Content-Type": kind}

    def json(self) -> Any:
        """Parse the body. Raises ValueError."""
        return self._response.json()
