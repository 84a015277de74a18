"""The words of a service in a failure: what its answer says of the cause, beside the sentence of our own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from automate_governance.texts import error_message, escape_invisible

LONGEST = 200
#: Members of answers that describe an error, as RFC 9457, JSON:API, Google, GraphQL and most others name them.
_MEMBERS = ("message", "error_description", "detail", "description", "title", "reason", "error", "errors")


def with_service_words(message: str, body: str | None) -> str:
    """`HTTP 422 from POST erp/orders: SKU A-1 is not known`. `body` is the answer as the error keeps it, redacted."""
    words = service_words(body or "")
    return f"{message.rstrip('.')}: {words}" if words and words.casefold() not in message.casefold() else message


def error_with_words(error: Mapping[str, Any] | None) -> str:
    """The message of a stored error in the active language, with the service's words."""
    details = error.get("details") if error else None
    body = details.get("body") if isinstance(details, dict) else None
    return with_service_words(error_message(error), body if isinstance(body, str) else None)


def service_words(body: str) -> str:
    """What an answer says of the error, in one line; empty where it says nothing that a person reads."""
    try:
        found = next(_texts(json.loads(body)), "")
    except ValueError:
        found = "" if re.search(r"<\w+[^>]*>|^\s*[{[]", body) else body  # markup, or JSON that was cut
    line = " ".join(escape_invisible(found).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from [value] if value.strip() else []
    elif isinstance(value, list):
        for each in value[:3]:
            yield from _texts(each)
    elif isinstance(value, dict):
        for name in _MEMBERS:
            yield from _texts(value.get(name))
