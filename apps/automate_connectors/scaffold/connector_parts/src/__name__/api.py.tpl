"""Requests to the API of $title, for its triggers."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.context import Context
from automate_plugins import text


def call_api(context: Context, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Return the JSON object that the API answers; an empty one for 204. Raises ConnectorError."""
    connection = context["connection"]
    response = context["http"].request(
        method,
        f"{connection['base_url'].rstrip('/')}{path}",
        headers={"Authorization": f"Bearer {connection['token']}"},
        **body,
    )
    if response.status >= 400:
        raise ConnectorError(
            text("The API responded with HTTP %(status)s.", status=response.status),
            code=f"http_{response.status}",
            retryable=response.status == 429 or response.status >= 500,
            retry_after=response.retry_after,
        )
    found = response.json() if response.status != 204 else {}
    if not isinstance(found, dict):
        raise ConnectorError(text("The API did not answer with an object."), code="invalid_answer")
    return found
