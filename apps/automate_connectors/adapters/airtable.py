"""Fields and views of an Airtable table as choices: the list of tables has them within each table.

Source: https://airtable.com/developers/web/api/get-base-schema
"""

from __future__ import annotations

from typing import Any

from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.paging import value_at
from automate_connectors.web import invalid_input
from automate_plugins import text

_LISTS = ("fields", "views")


class AirtableTables(DeclaredConnector):
    """Offers `fields` and `views` of the table that a step names, by its ID or its name."""

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """The names of the fields or the views, or a list of the document."""
        if name not in _LISTS:
            return super().options(name, params, context)
        for needed in ("base", "table"):
            if not params.get(needed) or "{{" in str(params[needed]):
                raise invalid_input(text("Fill in %(name)s first.", name=needed))
        found = self._caller(context)("list_tables", {"base": params["base"]}).output()
        tables = [each for each in _items(found, "tables") if params["table"] in (each.get("id"), each.get("name"))]
        names = [str(each["name"]) for table in tables[:1] for each in _items(table, name) if each.get("name")]
        return [(each, each) for each in names]


def _items(value: Any, place: str) -> list[dict[str, Any]]:
    found = value_at(value, place)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
