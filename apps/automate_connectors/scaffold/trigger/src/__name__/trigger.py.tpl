"""$title as a trigger: it starts a workflow for each new record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_connectors.context import Context
from automate_connectors.triggers.contract import PollingTrigger
from automate_plugins.fields import FieldKind, FieldSpec

OVERLAP = timedelta(minutes=1)  # a record may be listed a moment after a later one


class $class_name(PollingTrigger):
    """Asks a list of records that were changed since a time."""

    code = "$name"
    name = "$title"
    description = "Start for each new record"
    fields = (FieldSpec(name="url", label="URL of the list", kind=FieldKind.URL, required=True),)
    sample = {"number": 7, "at": "2026-01-31T12:00:00+00:00"}

    def poll(self, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """The records since the cursor; the first call gives all, and the cursor behind them."""
        query = {"since": (datetime.fromisoformat(cursor) - OVERLAP).isoformat()} if cursor else None
        response = context["http"].request("GET", params["url"], params=query)
        if response.status >= 400:
            raise ConnectorError(
                f"The list responded with HTTP {response.status}",
                code=f"http_{response.status}",
                retryable=response.status == 429 or response.status >= 500,
                retry_after=response.retry_after,
            )
        try:
            records = response.json()["records"]
        except (ValueError, TypeError, KeyError) as error:
            raise ConnectorError("The list is not JSON with records", code="invalid_answer") from error
        items = [
            PollItem(id=str(record["number"]), time=datetime.fromisoformat(record["at"]), data=record)
            for record in records
        ]
        return PollResult(items=items, cursor=max([cursor or "", *(record["at"] for record in records)]))
