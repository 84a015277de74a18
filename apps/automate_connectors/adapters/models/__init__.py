"""Django models connector: rows of the host project, by the allow-list of AUTOMATE_MODELS and as the run-as user.

Every action commits together with the record of its step, so that each takes effect exactly once. No text from a
workflow becomes a name in a query: fields are looked up among those of the allow-list, look-ups in a table of ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from automate_connectors import conditions
from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.errors import translate_database_errors
from automate_connectors.adapters.models.table import MAX_CHANGED, MAX_FOUND, Table
from automate_connectors.model_allowlist import AllowedModel, allowed_models
from automate_plugins.fields import FieldKind, FieldSpec

_MODEL = FieldSpec(
    name="model",
    label="Model",
    required=True,
    help="One that AUTOMATE_MODELS lists, as app.Model",
    options="models",
)
_WHERE = FieldSpec(
    name="where",
    label="Conditions",
    kind=FieldKind.JSON,
    help='All hold: [{"field": "status", "op": "==", "value": "paid"}], or {"status": "paid"}; pk is the key',
    columns=conditions.condition_columns("fields"),
    shown=True,
)
_WHICH = replace(_WHERE, required=True)
_FIELDS = FieldSpec(
    name="fields",
    label="Fields",
    kind=FieldKind.LIST,
    help="All that may be read unless given",
    options="fields",
)
_VALUES = FieldSpec(name="values", label="Values", kind=FieldKind.MAPPING, required=True, options="writable")
_AT_MOST = FieldSpec(
    name="at_most",
    label="At most",
    kind=FieldKind.INTEGER,
    default=1,
    help=f"If more rows fit, none is touched; up to {MAX_CHANGED}",
)


def _action(name: str, label: str, description: str, *fields: FieldSpec) -> Action:
    return Action(
        name=name, label=label, description=description, effect=Effect.TRANSACTIONAL, fields=(_MODEL, *fields)
    )


class ModelsConnector(ConnectorAdapter):
    """Six actions on the rows that the run-as user may see and change, by Django's permissions or guardian's."""

    code = "models"
    name = "Django models"
    description = "Find and change rows of this site's own models"
    icon = "table_rows"
    hue = 155
    actions = (
        _action(
            "find",
            "Find rows",
            "Rows that fit, with the fields that may be read",
            _WHERE,
            FieldSpec(
                name="order_by",
                label="Order by",
                kind=FieldKind.LIST,
                help='Fields; "-total" is downwards',
                options="order",
            ),
            _FIELDS,
            FieldSpec(name="limit", label="Limit", kind=FieldKind.INTEGER, default=100, help=f"Up to {MAX_FOUND:,}"),
        ),
        _action(
            "get",
            "Get one row",
            "The one row that fits; none and several are errors",
            _WHICH,
            _FIELDS,
            FieldSpec(
                name="missing",
                label="If there is none",
                kind=FieldKind.CHOICE,
                choices=(("error", "Fail"), ("null", "Go on with null")),
                default="error",
            ),
        ),
        _action("count", "Count rows", "How many rows fit", _WHERE),
        _action("create", "Create a row", "A new row, checked as a form would", _VALUES),
        _action("update", "Update rows", "New values for rows that fit", _WHICH, _VALUES, _AT_MOST),
        _action("delete", "Delete rows", "Rows that fit, and what Django deletes with them", _WHICH, _AT_MOST),
    )

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """Return `models` that are allowed and viewable; of the chosen one `fields`, `order`, and `writable` fields."""
        user = context.get("user")
        known = {label: entry for label, entry in allowed_models().items() if rights.may_view(user, entry.model)}
        if name == "models":
            return [(label, str(entry.model._meta.verbose_name).capitalize()) for label, entry in known.items()]
        chosen = params.get("model")
        entry = known.get(chosen.lower()) if isinstance(chosen, str) else None
        if entry is None:
            raise ConnectorError("choose the model first, as a value", code="invalid_input")
        fields = entry.write if name == "writable" else entry.read
        found = [(each, str(field.verbose_name).capitalize()) for each, field in fields.items()]
        if name == "order":
            return [each for at, label in found for each in ((at, label), (f"-{at}", f"{label}, downwards"))]
        return found if name == "writable" else [("pk", "Primary key"), *found]

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action of that name."""
        table = Table(_find_allowed_model(params["model"]), context.get("user"))
        with translate_database_errors(table.entry):
            match action:
                case "find":
                    return table.find(params)
                case "get":
                    return table.get(params)
                case "count":
                    return {"count": table.where(table.permitted("view"), params.get("where")).count()}
                case "create":
                    return table.create(params["values"])
                case "update":
                    return table.update(params["where"], params["values"], params["at_most"])
                case "delete":
                    return table.delete(params["where"], params["at_most"])
        raise ConnectorError(f"models has no action {action!r}", code="unknown_action")


def _find_allowed_model(label: str) -> AllowedModel:
    known = allowed_models()
    entry = known.get(label.lower())
    if entry is None:
        raise ConnectorError(
            f"model: AUTOMATE_MODELS has no {label[:100]!r}; it has {', '.join(known) or 'none'}", code="not_exposed"
        )
    return entry
