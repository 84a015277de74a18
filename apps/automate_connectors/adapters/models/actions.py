"""The actions of the connector of Django models, described as data."""

from __future__ import annotations

from dataclasses import replace

from automate_connectors import conditions
from automate_connectors.adapters.base import Action, Effect
from automate_connectors.adapters.measures import measures_field
from automate_connectors.adapters.models.reading import FUNCTIONS, MAX_FOUND
from automate_connectors.adapters.models.writing import MAX_CHANGED, MAX_ROWS
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
_ORDER = FieldSpec(
    name="order_by",
    label=text("Order by"),
    kind=FieldKind.LIST,
    help=text("Fields. -total sorts in descending order."),
    options="order",
)
_FIELDS = FieldSpec(
    name="fields",
    label=text("Fields"),
    kind=FieldKind.LIST,
    help=text("Default: all readable fields"),
    options="fields",
)
_LIMIT = FieldSpec(
    name="limit",
    label=text("Limit"),
    kind=FieldKind.INTEGER,
    default=100,
    help=text("Up to %(count)s", count=MAX_FOUND),
)
_PAGE = FieldSpec(
    name="page", label=text("Page"), kind=FieldKind.INTEGER, default=1, help=text("Pages of the size of the limit")
)
_VALUES = FieldSpec(name="values", label=text("Values"), kind=FieldKind.MAPPING, required=True, options="writable")
_AT_MOST = FieldSpec(
    name="at_most",
    label=text("Maximum rows"),
    kind=FieldKind.INTEGER,
    default=1,
    help=text("From 1 to %(count)s. If more rows match, nothing is changed.", count=MAX_CHANGED),
)
_ROWS = FieldSpec(
    name="rows",
    label=text("Rows"),
    kind=FieldKind.JSON,
    required=True,
    help=text("Up to %(count)s mappings. If one of them is invalid, nothing is changed.", count=MAX_ROWS),
)
_RELATION = FieldSpec(
    name="relation", label=text("Relation"), required=True, help=text("A many-to-many field"), options="links"
)
_RELATED = FieldSpec(
    name="related",
    label=text("Related rows"),
    kind=FieldKind.JSON,
    required=True,
    help=text('A key, a lookup such as {"name": "Buyers"}, or a list of them'),
)


def _action(name: str, label: str, description: str, *fields: FieldSpec) -> Action:
    return Action(
        name=name, label=label, description=description, effect=Effect.TRANSACTIONAL, fields=(_MODEL, *fields)
    )


ACTIONS = (
    _action(
        "find",
        text("Find rows"),
        text("Return matching rows with their readable fields"),
        _WHERE,
        _ORDER,
        _FIELDS,
        _LIMIT,
        _PAGE,
    ),
    _action(
        "search",
        text("Search rows"),
        text("Return rows that contain the words of a text, in upper or lower case"),
        FieldSpec(
            name="query", label=text("Search for"), required=True, help=text("Each word must be in one of the fields")
        ),
        FieldSpec(
            name="search_in",
            label=text("Search in"),
            kind=FieldKind.LIST,
            help=text("Default: the fields that AUTOMATE_MODELS names for the search, or all text fields"),
            options="searched",
        ),
        _WHERE,
        _ORDER,
        _FIELDS,
        replace(_LIMIT, default=20),
        _PAGE,
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
    _action(
        "aggregate",
        text("Aggregate rows"),
        text("Group matching rows and count them, or calculate sums, averages and extremes"),
        _WHERE,
        FieldSpec(
            name="by",
            label=text("Group by"),
            kind=FieldKind.LIST,
            help=text("Fields. Leave empty for a single group."),
            shown=True,
            options="values",
        ),
        measures_field(FUNCTIONS, options="values"),
        replace(_ORDER, options="", help=text("Groups and measures. -revenue sorts in descending order.")),
        _LIMIT,
    ),
    _action("create", text("Create row"), text("Create a row and validate it like a form"), _VALUES),
    _action(
        "create_many",
        text("Create rows"),
        text("Create several rows in one transaction. If one of them is invalid, none is created."),
        _ROWS,
    ),
    _action("update", text("Update rows"), text("Set values in matching rows"), _WHICH, _VALUES, _AT_MOST),
    _action(
        "update_many",
        text("Update rows one by one"),
        text("Set the values of each row in one transaction. If one of them is invalid, none is changed."),
        _ROWS,
        FieldSpec(
            name="key",
            label=text("Key"),
            default="pk",
            help=text("The field of each mapping that names its row"),
            options="columns",
        ),
    ),
    _action(
        "update_or_create",
        text("Update or create row"),
        text("Set values in the row with these unique values, or create it"),
        FieldSpec(
            name="match",
            label=text("Match"),
            kind=FieldKind.MAPPING,
            required=True,
            help=text("Values of unique fields"),
            options="writable",
        ),
        _VALUES,
    ),
    _action(
        "delete",
        text("Delete rows"),
        text("Delete matching rows and the rows that Django deletes with them"),
        _WHICH,
        _AT_MOST,
    ),
    _action(
        "add_related",
        text("Add related rows"),
        text("Add rows to a many-to-many field of matching rows"),
        _WHICH,
        _RELATION,
        _RELATED,
        _AT_MOST,
    ),
    _action(
        "remove_related",
        text("Remove related rows"),
        text("Remove rows from a many-to-many field of matching rows. They are not deleted."),
        _WHICH,
        _RELATION,
        _RELATED,
        _AT_MOST,
    ),
)
