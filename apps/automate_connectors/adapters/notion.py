"""Data sources of Notion's databases, since its API version 2025-09-03.

https://developers.notion.com/guides/get-started/upgrade-guide-2025-09-03
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import PollResult
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.paging import value_at

_DATABASE = "database"  #: the input that names a data source
_UNKNOWN = frozenset({"object_not_found", "validation_error"})


class NotionDataSources(DeclaredConnector):
    """Accepts the ID of a database, which stands in its address, for that of its first data source."""

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Call the action; where its data source is a database, with the first one of it."""
        inherited = super().execute
        return self._with_data_source(lambda given: inherited(action, given, context), params, context)

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """Poll likewise."""
        inherited = super().poll
        return self._with_data_source(lambda given: inherited(name, given, cursor, context), params, context)

    def _with_data_source[T](self, call: Callable[[dict[str, Any]], T], params: dict[str, Any], context: Context) -> T:
        try:
            return call(params)
        except ConnectorError as error:
            is_unknown = _DATABASE in params and error.details.get("reason") in _UNKNOWN
            source = self._first_data_source(params[_DATABASE], context) if is_unknown else None
            if source is None:
                raise
        return call({**params, _DATABASE: source})

    def _first_data_source(self, database: Any, context: Context) -> str | None:
        """Return the ID of the first data source; None where the ID is none of a database."""
        try:
            found = self._caller(context)("get_database", {_DATABASE: database}).output()
        except ConnectorError as error:
            if error.details.get("reason") in _UNKNOWN:
                return None
            raise
        source = value_at(found, "data_sources.0.id")
        return source if isinstance(source, str) else None
