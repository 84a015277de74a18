"""Django models connector: rows of the host project, by the allow-list of AUTOMATE_MODELS and as the run-as user.

Every action commits together with the record of its step, so that each takes effect exactly once. No text from a
workflow becomes a name in a query: fields are looked up among those of the allow-list, look-ups in a table of ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils.translation import gettext

from automate_connectors import conditions
from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect, unknown_action
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.errors import translate_database_errors
from automate_connectors.adapters.models.table import MAX_CHANGED, MAX_FOUND, Table
from automate_connectors.model_allowlist import AllowedModel, allowed_models
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_MODEL = FieldSpec(
    name="model",
    label=text("Model"),
    required=True,
    help=text("A model in AUTOMATE_MODELS, as app.Model"),
    options="models",
)
_WHERE = FieldSpec(
    name="where",
    label=text("Conditions"),
    kind=FieldKind.JSON,
    help=text('All must match, for example {"status": "paid"}. pk is the primary key.'),
    columns=conditions.condition_columns("fields"),
    shown=True,
)
_WHICH = replace(_WHERE, required=True)
_FIELDS = FieldSpec(
    name="fields",
    label=text("Fields"),
    kind=FieldKind.LIST,
    help=text("Default: all readable fields"),
    options="fields",
)
_VALUES = FieldSpec(name="values", label=text("Values"), kind=FieldKind.MAPPING, required=True, options="writable")
_AT_MOST = FieldSpec(
    name="at_most",
    label=text("Maximum rows"),
    kind=FieldKind.INTEGER,
    default=1,
    help=text("From 1 to %(count)s. If more rows match, nothing is changed.", count=MAX_CHANGED),
)


def _action(name: str, label: str, description: str, *fields: FieldSpec) -> Action:
    return Action(
        name=name, label=label, description=description, effect=Effect.TRANSACTIONAL, fields=(_MODEL, *fields)
    )


class ModelsConnector(ConnectorAdapter):
    """Six actions on the rows that the run-as user may see and change, by Django's permissions or guardian's."""

    code = "models"
    name = text("Django models")
    description = text("Find and change rows of this site's models")
    icon = "table_rows"
    hue = 155
    actions = (
        _action(
            "find",
            text("Find rows"),
            text("Return matching rows with their readable fields"),
            _WHERE,
            FieldSpec(
                name="order_by",
                label=text("Order by"),
                kind=FieldKind.LIST,
                help=text("Fields. -total sorts in descending order."),
                options="order",
            ),
            _FIELDS,
            FieldSpec(
                name="limit",
                label=text("Limit"),
                kind=FieldKind.INTEGER,
                default=100,
                help=text("Up to %(count)s", count=MAX_FOUND),
            ),
        ),
        _action(
            "get",
            text("Get row"),
            text("Return the one matching row. Several matches are an error."),
            _WHICH,
            _FIELDS,
            FieldSpec(
                name="missing",
                label=text("If no row matches"),
                kind=FieldKind.CHOICE,
                choices=(("error", text("Fail")), ("null", text("Continue with null"))),
                default="error",
            ),
        ),
        _action("count", text("Count rows"), text("Count matching rows"), _WHERE),
        _action("create", text("Create row"), text("Create a row and validate it like a form"), _VALUES),
        _action("update", text("Update rows"), text("Set values in matching rows"), _WHICH, _VALUES, _AT_MOST),
        _action(
            "delete",
            text("Delete rows"),
            text("Delete matching rows and the rows that Django deletes with them"),
            _WHICH,
            _AT_MOST,
        ),
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
            raise ConnectorError(text("Select a model first."), code="invalid_input")
        fields = entry.write if name == "writable" else entry.read
        found = [(each, str(field.verbose_name).capitalize()) for each, field in fields.items()]
        if name == "order":
            return [
                each
                for at, label in found
                for each in ((at, label), (f"-{at}", gettext("%(field)s, descending") % {"field": label}))
            ]
        return found if name == "writable" else [("pk", gettext("Primary key")), *found]

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
        raise unknown_action(self.code, action)


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
