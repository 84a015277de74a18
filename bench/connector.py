"""A connector of the benchmarks alone: effects that cost nothing, so that what remains is the engine."""

from __future__ import annotations

import time
from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect


class BenchConnector(ConnectorAdapter):
    """`touch` takes anything and returns at once. `note` logs `lines` lines and returns after `seconds`."""

    code = "bench"
    name = "Bench"
    actions = (
        Action(name="touch", label="Touch", effect=Effect.EFFECTFUL),
        Action(name="note", label="Note", effect=Effect.EFFECTFUL),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Nothing is done but to log and to wait."""
        for number in range(params.get("lines", 0)):
            context["log"](f"Line {number}: telemetry stream drops after the upgrade, 17 of 23 sensors reconnected")
        if seconds := params.get("seconds"):
            time.sleep(seconds)
        return {"ok": True}
