"""Data connector: transforms values inside a run. Pure, with nothing to configure.

Its actions run in the engine's own thread, so each is limited: in rows, characters, depth and result.
"""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, unknown_action
from automate_connectors.adapters.data import dates, formats, lists, texts, values
from automate_plugins import text


class DataConnector(ConnectorAdapter):
    """Values, lists, texts, dates, and CSV, JSON and XML. `log` writes a line to the run."""

    code = "data"
    name = text("Data")
    description = text("Set, filter, sort and convert values, and write to the log")
    icon = "database"
    hue = 225
    actions = tuple(each.action for group in (values, lists, formats, dates, texts) for each in group.PURE_ACTIONS)

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action of that name."""
        pure_action = _PURE_ACTIONS.get(action)
        if pure_action is None:
            raise unknown_action(self.code, action)
        if action == "log":
            context["log"](params["message"], level=params["level"])
        return pure_action.run(params)


_PURE_ACTIONS = {
    each.action.name: each for group in (values, lists, formats, dates, texts) for each in group.PURE_ACTIONS
}
