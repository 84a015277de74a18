"""HTTP connector: one request to an API, with the connection's credentials and a stable Idempotency-Key header."""

from __future__ import annotations

import base64
import email.utils
import time
from collections.abc import Mapping
from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_plugins.fields import FieldKind, FieldSpec

_METHODS = tuple((method, method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
_AUTH = (("none", "None"), ("bearer", "Bearer token"), ("basic", "User and password"), ("header", "Header"))
_RETRYABLE_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_SHOWN_BODY = 2_000


class HttpConnector(ConnectorAdapter):
    """`request` sends one request. A status of 400 or more is an error; 429 and 5xx may be retried."""

    code = "http"
    name = "HTTP"
    description = "Call an API"
    icon = "public"
    hue = 245
    config_fields = (
        FieldSpec(name="base_url", label="Base URL", kind=FieldKind.URL, help="Steps add their URLs to its end"),
        FieldSpec(name="auth", label="Authentication", kind=FieldKind.CHOICE, choices=_AUTH, default="none"),
        FieldSpec(name="token", label="Token", kind=FieldKind.SECRET, help="For bearer tokens and headers"),
        FieldSpec(name="header_name", label="Header name", help="The header that carries the token"),
        FieldSpec(name="username", label="User name"),
        FieldSpec(name="password", label="Password", kind=FieldKind.SECRET),
    )
    actions = (
        Action(
            name="request",
            label="Send a request",
            description="Call a URL and give its answer",
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(name="method", label="Method", kind=FieldKind.CHOICE, choices=_METHODS, default="GET"),
                FieldSpec(name="url", label="URL", required=True, help="Whole, or what follows the base URL"),
                FieldSpec(name="query", label="Query", kind=FieldKind.MAPPING),
                FieldSpec(name="headers", label="Headers", kind=FieldKind.MAPPING),
                FieldSpec(name="json", label="JSON body", kind=FieldKind.JSON),
                FieldSpec(name="body", label="Text body", kind=FieldKind.LONG_TEXT),
            ),
        ),
    )

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check that the chosen kind of authentication has what it needs. Raises ValueError."""
        needs = {"bearer": ("token",), "basic": ("username", "password"), "header": ("token", "header_name")}
        auth = config.get("auth", "none")
        missing = [name for name in needs.get(auth, ()) if not config.get(name)]
        if missing:
            raise ValueError(f"authentication by {auth} needs {' and '.join(missing)}")

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Send the request and return `status`, `headers` and `body` (parsed when the answer is JSON)."""
        connection = context.get("connection") or {}
        method, url = params.get("method", "GET"), _address(connection.get("base_url") or "", params["url"])
        headers = {str(name): str(value) for name, value in (params.get("headers") or {}).items()}
        headers |= _credentials(connection)
        if method not in {"GET", "HEAD", "OPTIONS"}:
            headers.setdefault("Idempotency-Key", context["idempotency_key"])
        context["log"](f"{method} {url}")
        response = context["http"].request(
            method, url, headers=headers, params=params.get("query"), json=params.get("json"), data=params.get("body")
        )
        if response.status >= 400:
            raise _error(method, url, response)
        return {"status": response.status, "headers": _plain(response.headers), "body": _body(response)}


def _address(base: str, url: str) -> str:
    """`url` itself when it is whole or there is no base, else what it adds to the end of the base."""
    return url if "://" in url or not base else f"{base.rstrip('/')}/{url.lstrip('/')}"


def _credentials(connection: Mapping[str, Any]) -> dict[str, str]:
    match connection.get("auth"):
        case "bearer":
            return {"Authorization": f"Bearer {connection['token']}"}
        case "basic":
            pair = f"{connection['username']}:{connection['password']}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        case "header":
            return {str(connection["header_name"]): str(connection["token"])}
    return {}


def _body(response: Any) -> Any:
    if "json" in response.headers.get("content-type", ""):
        try:
            return response.json()
        except ValueError:
            return response.text
    return response.text


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() != "set-cookie"}


def _error(method: str, url: str, response: Any) -> ConnectorError:
    return ConnectorError(
        f"{method} {url.partition('?')[0]} failed with HTTP {response.status}",
        code=f"http_{response.status}",
        retryable=response.status in _RETRYABLE_STATUSES,
        retry_after=_retry_after(response.headers.get("retry-after", "")),
        details={"status": response.status, "body": response.text[:_SHOWN_BODY]},
    )


def _retry_after(value: str) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, section 10.2.3): a number, or a date."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
