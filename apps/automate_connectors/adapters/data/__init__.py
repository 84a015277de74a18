"""Data connector: transforms values inside a run, and reads and writes files. Nothing to configure.

Its actions on values are pure and run in the engine's own thread, so each is limited: in rows, characters, depth and
result. Those on files run in the threads of effects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, OptionsError, unknown_action
from automate_connectors.adapters.data import dates, documents, formats, lists, pdf_text, texts, values, workbooks
from automate_connectors.adapters.data.pure_action import MAX_ITEMS, MAX_TEXT
from automate_connectors.adapters.tables import read_tables
from automate_plugins import text

_PURE_ACTIONS = {
    name: run for group in (values, lists, formats, dates, texts) for name, run in group.PURE_ACTIONS.items()
}
_FILE_ACTIONS = {name: run for group in (documents, workbooks, pdf_text) for name, run in group.FILE_ACTIONS.items()}


class DataConnector(ConnectorAdapter):
    """Values, lists, texts, dates, CSV, JSON and XML, also as files; Excel and PDF. `log` writes a line to the run."""

    code = "data"
    name = text("Data")
    description = text("Set, filter, sort and convert values, read and write files, and write to the log")
    icon = "database"
    hue = 225
    actions = read_tables(
        Path(__file__).with_name("tables.yaml"),
        max_items=MAX_ITEMS,
        max_characters=MAX_TEXT,
        max_searched=texts.MAX_SEARCHED,
        max_pattern=texts.MAX_PATTERN,
        delimiter=formats.DELIMITER,
        where=lists.WHERE,
        measures=lists.MEASURES,
    ).actions

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """Return the fields of the items, where the items are known."""
        if not isinstance(params.get("items"), list):
            reason = text("The items are not known yet. Test the step that gives them, to choose from their fields.")
            raise OptionsError(reason, [], code="no_sample")
        return [(field, "") for field in lists.item_fields(params)]

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action of that name."""
        if (perform := _FILE_ACTIONS.get(action)) is not None:
            output = perform(params, context["files"])
        elif (compute := _PURE_ACTIONS.get(action)) is not None:
            output = compute(params)
        else:
            raise unknown_action(self.code, action)
        if action == "log":
            context["log"](params["message"], level=params["level"])
        for caution in (*lists.cautions(action, params), *formats.cautions(action, params, output)):
            context["log"](caution, level="warning")
        return output
