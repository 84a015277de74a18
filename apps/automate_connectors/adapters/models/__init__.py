"""Django models connector: rows of the host project, by the allow-list of AUTOMATE_MODELS and as the run-as user.

Every action commits together with the record of its step, so that each takes effect exactly once. No text from a
workflow becomes a name in a query: fields are looked up among those of the allow-list, look-ups in a table of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, OptionsError, unknown_action
from automate_connectors.adapters.models import reading
from automate_connectors.adapters.models.actions import ACTIONS
from automate_connectors.adapters.models.choices import Offers
from automate_connectors.adapters.models.deletion import delete_rows
from automate_connectors.adapters.models.errors import translate_database_errors
from automate_connectors.adapters.models.links import add_related, remove_related
from automate_connectors.adapters.models.table import Table
from automate_connectors.adapters.models.writing import Writer
from automate_connectors.model_allowlist import AllowedModel, allowed_models
from automate_plugins import text

_CALLS: dict[str, Callable[[Table, dict[str, Any]], Any]] = {
    "find": reading.find,
    "search": reading.search,
    "get": reading.get,
    "count": lambda table, params: {"count": table.where(table.permitted("view"), params.get("where")).count()},
    "aggregate": reading.aggregate,
    "create": lambda table, params: Writer(table).create(params["values"]),
    "create_many": lambda table, params: Writer(table).create_many(params["rows"]),
    "update": lambda table, params: Writer(table).update(params["where"], params["values"], params["at_most"]),
    "update_many": lambda table, params: Writer(table).update_many(params["rows"], params["key"]),
    "update_or_create": lambda table, params: Writer(table).update_or_create(params["match"], params["values"]),
    "delete": lambda table, params: delete_rows(table, params["where"], params["at_most"]),
    "add_related": add_related,
    "remove_related": remove_related,
}


class ModelsConnector(ConnectorAdapter):
    """Actions on the rows that the run-as user may see and change, by Django's permissions or guardian's."""

    code = "models"
    name = text("Django models")
    description = text("Find and change rows of this site's models")
    icon = "table_rows"
    hue = 155
    actions = ACTIONS

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """Return `models` that are allowed and viewable; of the chosen one its fields for an input, and their types."""
        if name == "models" and not allowed_models():
            reason = text("No model is open to workflows. A developer lists them in AUTOMATE_MODELS.")
            raise OptionsError(reason, [], code="no_models")
        offers = Offers(context.get("user"))
        return offers.allowed() if name == "models" else offers.of_model(name, params.get("model"))

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action of that name."""
        call = _CALLS.get(action)
        if call is None:
            raise unknown_action(self.code, action)
        table = Table(_find_allowed_model(params["model"]), context.get("user"))
        with translate_database_errors(table.entry):
            return call(table, params)


def _find_allowed_model(label: str) -> AllowedModel:
    known = allowed_models()
    entry = known.get(label.lower())
    if entry is None:
        raise ConnectorError(
            text(
                "Workflows cannot use the model %(model)s. Models in AUTOMATE_MODELS: %(known)s.",
                model=label[:100],
                known=", ".join(known),
            )
            if known
            else text(
                "Workflows cannot use the model %(model)s. AUTOMATE_MODELS is empty.",
                model=label[:100],
            ),
            code="not_exposed",
        )
    return entry
