"""Rules of replies to callers: status, headers and content type, as a workflow may choose them.

A reply is seen under this site's own address. So it can neither run scripts there, nor set cookies, nor change what the
server says about the connection.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from automate_plugins import text

ContentType = Literal[
    "application/json",
    "application/problem+json",
    "text/plain",
    "text/html",
    "text/csv",
    "text/xml",
    "application/xml",
]
CONTENT_TYPES: tuple[str, ...] = get_args(ContentType)
MAX_HEADERS = 20
MAX_HEADER = 2_000  #: characters of a header's value
MAX_BODY_BYTES = 1_000_000

WITHOUT_BODY = frozenset({204, 205, 304})  #: statuses of answers that have none
_REDIRECTS = frozenset({201, 202, 301, 302, 303, 307, 308})  #: statuses with which a Location means something

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*\Z")
_LOCATION = re.compile(r"https?://[^\s\\]+\Z|/(?![/\\])[^\s\\]*\Z", re.IGNORECASE)
#: Set by the server, about the connection, or trusted by browsers and proxies for the whole site.
_RESERVED = frozenset(
    {
        "access-control-allow-credentials", "age", "alt-svc", "clear-site-data", "connection", "content-encoding",
        "content-length", "content-location", "content-range", "content-security-policy",
        "content-security-policy-report-only", "content-type", "cookie", "critical-ch", "accept-ch", "date",
        "document-policy", "expect-ct", "feature-policy", "host", "integrity-policy", "keep-alive", "nel",
        "observe-browsing-topics", "origin-agent-cluster", "permissions-policy", "public-key-pins", "referrer-policy",
        "refresh", "report-to", "reporting-endpoints", "server", "service-worker-allowed", "set-login", "set-cookie",
        "set-cookie2", "sourcemap", "speculation-rules", "status", "strict-transport-security", "te",
        "timing-allow-origin", "trailer", "transfer-encoding", "upgrade", "use-as-dictionary", "via",
        "www-authenticate", "x-content-type-options", "x-dns-prefetch-control", "x-frame-options", "x-sendfile",
        "x-xss-protection",
    }
)  # fmt: skip
_RESERVED_PREFIXES = (
    "attribution-reporting-", "automate-", "cross-origin-", "proxy-", "sec-", "x-accel-", "x-forwarded-",
    "x-lighttpd-", "x-litespeed-", "x-reproxy-",
)  # fmt: skip


def is_json_type(content_type: str) -> bool:
    """Whether a body of that type is a JSON value."""
    return content_type.endswith("json")


def read_status(value: Any) -> int:
    """The status that a value names: a whole number, also as text. Raises ValueError with the reason."""
    is_number = (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and re.fullmatch(r"\s*[0-9]{3}\s*", value, re.ASCII)
    )
    status = int(value) if is_number else value
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(text("The status must be a number from 200 to 599, not %(value)s.", value=repr(value)[:100]))
    return status


def header_name_problem(name: str) -> str | None:
    """Why a reply cannot have a header of that name; None when it can."""
    if not _NAME.match(name):
        return text("%(name)s is not a valid header name.", name=repr(name)[:120])
    lower = name.lower()
    if lower == "content-type":
        return text("Choose the content type of the reply instead of the header %(name)s.", name=name)
    if lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        return text("A reply cannot set the header %(name)s.", name=name)
    return None


def header_value_problem(name: str, value: str) -> str | None:
    """Why a header cannot have that value; None when it can."""
    if len(value) > MAX_HEADER:
        return text(
            "The header %(name)s can have at most %(maximum)s characters.", name=name, maximum=f"{MAX_HEADER:,}"
        )
    if not _VALUE.match(value):
        return text("The header %(name)s contains a character that headers cannot have.", name=name)
    if name.lower() == "location" and not _LOCATION.match(value):
        return text("Location must be a URL that starts with https://, http:// or a single slash.")
    return None


def headers_problem(headers: dict[str, Any]) -> str | None:
    """Why a reply cannot have headers of these names; None when it can."""
    if len(headers) > MAX_HEADERS:
        return text("A reply can have at most %(maximum)s headers.", maximum=MAX_HEADERS)
    seen: set[str] = set()
    for name in headers:
        if problem := header_name_problem(name):
            return problem
        if name.lower() in seen:
            return text("The header %(name)s is set twice.", name=name)
        seen.add(name.lower())
    return None


def location_problem(status: int, headers: dict[str, Any]) -> str | None:
    """Why the status does not go with a Location header; None when it does, and without the header."""
    if status in _REDIRECTS or not any(name.lower() == "location" for name in headers):
        return None
    return text("Location needs the status 201, 202 or a redirect such as 303, not %(status)s.", status=str(status))
