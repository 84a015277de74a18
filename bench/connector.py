"""A connector of the benchmarks alone: an effect that costs nothing, so that what remains is the engine."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, Effect


class BenchConnector(ConnectorAdapter):
    """`touch` takes anything and returns at once."""

    code = "bench"
    name = "Bench"
    actions = (Action(name="touch", label="Touch", effect=Effect.EFFECTFUL),)

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Nothing is done."""
        return {"ok": True}
