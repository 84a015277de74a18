"""Requests that are refused before Django sees them, as problem documents (RFC 9457) like those of the REST API."""

from __future__ import annotations

import json
import re
import uuid
from http import HTTPStatus

from automate_core.webhooks.asgi_types import Scope, Send

REQUEST_ID = "X-Request-Id"
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,99}")

#: As `automate_api.v1.error_codes`, of which the core knows nothing.
_CODES = {408: "request_timeout", 413: "too_large", 503: "unavailable"}


def request_id_of(given: str) -> str:
    """The ID of a request: what the client calls it where that is an ID, else a new one."""
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


async def refuse(scope: Scope, send: Send, status: int, detail: str, *extra: tuple[bytes, bytes]) -> None:
    """Answer a request with an error and these further headers."""
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID.lower().encode()), b"")
    request_id = request_id_of(given.decode("latin-1"))
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": _CODES.get(status, "invalid_request"),
        "detail": detail,
        "errors": [],
        "request_id": request_id,
    }
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (REQUEST_ID.lower().encode(), request_id.encode()),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
