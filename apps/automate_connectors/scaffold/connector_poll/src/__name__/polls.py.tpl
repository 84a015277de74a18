"""Polls of $title: a workflow starts for each new record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.polls import Poll, PollItem, PollResult
from automate_connectors.context import Context
from automate_plugins import text
from $name.api import call_api

OVERLAP = timedelta(minutes=1)  # a record may be listed a moment after a later one


class Polls(ConnectorAdapter):
    """The triggers of the connector that poll."""

    polls = (
        Poll(
            name="new_record",
            label=text("New record"),
            description=text("Start for each new record"),
            sample={"number": 7, "title": "Anvil", "at": "2026-01-31T12:00:00+00:00"},
        ),
    )

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """The records since the cursor; the first call gives all, and the cursor behind them."""
        query = {"since": (datetime.fromisoformat(cursor) - OVERLAP).isoformat()} if cursor else {}
        records = call_api(context, "GET", "/records", params=query).get("records")
        if not isinstance(records, list):
            raise ConnectorError(text("The API did not answer with records."), code="invalid_answer")
        items = [
            PollItem(id=str(record["number"]), time=datetime.fromisoformat(record["at"]), data=record)
            for record in records
        ]
        return PollResult(items=items, cursor=max([cursor or "", *(record["at"] for record in records)]))
