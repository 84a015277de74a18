"""Calls of GitHub's REST API, and its refusals in words.

Source: https://docs.github.com/en/rest - errors carry `message` and, for 422, `errors`. The time to wait is in
Retry-After or, when x-ratelimit-remaining is 0, in x-ratelimit-reset (seconds since the epoch).
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.bounds.server_numbers import read_number
from automate_connectors.context import Context
from automate_connectors.declared.loading import load_document
from automate_connectors.web import http_error, invalid_input
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import ntext, text
from automate_plugins.texts import joined

DOCUMENT = load_document(Path(__file__).with_name("connector.yaml"))
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_LONGEST_WAIT = 86_400.0  #: seconds
_SECONDARY_WAIT = 60.0  # "wait at least one minute" where a secondary limit names no time


class Call:
    """One call of the API, with the connection's token."""

    def __init__(self, context: Context) -> None:
        self._context = context
        connection = context["connection"]
        self._base = (connection.get("base_url") or DOCUMENT.base_url).rstrip("/")
        self._token = connection.get("token") or connection.get("access_token")
        if not self._token:
            raise invalid_input(text("Select a GitHub connection that has a token."))

    def __call__(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, Any] | None = None,
        missing: str | None = None,
    ) -> HttpResponse:
        """Return the answer; a 404 too, if its body holds the text `missing`. Raises ConnectorError, EgressError."""
        self._context["log"](f"GitHub {method} {path}")
        response: HttpResponse = self._context["http"].request(
            method,
            self._base + path,
            headers={**DOCUMENT.headers, "Authorization": f"Bearer {self._token}"},
            params=query,
            json=body,
        )
        if missing is None or response.status != 404 or missing not in response.text:
            check_answer(f"{method} {path}", response)
        return response


def check_answer(request: str, response: HttpResponse) -> None:
    """Raise ConnectorError for a refusal; `request` is a method and a path."""
    if response.status >= 300:
        raise _refusal_error(request, response)


def _refusal_error(what: str, response: HttpResponse) -> ConnectorError:
    message = _reason(response)
    limited = response.headers.get("x-ratelimit-remaining") == "0" or "rate limit" in message.lower()
    if response.status == 429 or (response.status == 403 and limited):
        wait = _wait(response)
        return http_error(
            joined(
                [
                    ntext(
                        "GitHub asks to wait %(count)s second.", "GitHub asks to wait %(count)s seconds.", round(wait)
                    ),
                    message,
                ]
            ),
            response,
            code="rate_limited",
            retryable=True,
            wait=wait,
        )
    advice = {
        401: text("Reconnect the connection or replace its token."),
        403: text("The token lacks a permission for this repository."),
        404: text("Check the repository, the number and the token's permissions."),
        410: text("Issues are turned off in this repository."),
        422: text("GitHub rejected these values."),
    }.get(response.status, "")
    code = "needs_reconnect" if response.status == 401 else ""
    refusal = text("GitHub rejected %(request)s with HTTP %(status)s.", request=what, status=response.status)
    if message:
        refusal = text(
            "GitHub rejected %(request)s with HTTP %(status)s: %(message)s",
            request=what,
            status=response.status,
            message=message,
        )
    return http_error(joined([refusal, advice]), response, code=code)


def _reason(response: HttpResponse) -> str:
    """GitHub's message, with what it says of single fields."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors") if isinstance(found.get("errors"), list) else []
    fields = [
        str(one.get("message") or f"{one.get('field')} is {one.get('code')}") if isinstance(one, dict) else str(one)
        for one in errors or []
    ]
    reasons = [str(found["message"])] if found.get("message") else []
    given = "; ".join([*reasons, *fields])
    return redact_and_truncate(given, 500).rstrip(".") + "." if given else ""


def _wait(response: HttpResponse) -> float:
    """Seconds to wait, as the headers tell it."""
    if response.retry_after is not None:
        return response.retry_after
    reset = read_number(response.headers.get("x-ratelimit-reset", ""))
    if response.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return min(max(1.0, reset - time.time()), _LONGEST_WAIT)
    return _SECONDARY_WAIT


def repository_path(repository: str) -> str:
    """Return the path of a repository, which is named `owner/name`. Raises ConnectorError."""
    if not _REPOSITORY.fullmatch(repository) or {".", ".."} & set(repository.split("/")):
        raise invalid_input(
            text(
                "%(value)s is not a repository. Use owner/name, for example octocat/hello-world.",
                value=repr(repository[:100]),
            )
        )
    return f"/repos/{repository}"
