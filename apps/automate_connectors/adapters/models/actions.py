"""The actions of the connector of Django models, as data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automate_connectors import conditions
from automate_connectors.adapters.measures import measures_field
from automate_connectors.adapters.models.reading import FUNCTIONS, MAX_FOUND
from automate_connectors.adapters.models.writing import MAX_CHANGED, MAX_ROWS
from automate_connectors.adapters.tables import read_tables
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_WHERE = FieldSpec(
    name="where",
    label=text("Conditions"),
    kind=FieldKind.JSON,
    help=text('All must match, for example {"status": "paid"}. pk is the primary key.'),
    columns=conditions.condition_columns("fields"),
    shown=True,
)

ACTIONS = read_tables(
    Path(__file__).with_name("tables.yaml"),
    max_found=MAX_FOUND,
    max_changed=MAX_CHANGED,
    max_rows=MAX_ROWS,
    where=_WHERE,
    which=replace(_WHERE, required=True),
    measures=measures_field(FUNCTIONS, options="values"),
).actions
