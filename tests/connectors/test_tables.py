"""Files of YAML with the actions, polls and settings of connectors in Python."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import Action, Effect
from automate_connectors.adapters.polls import Poll
from automate_connectors.adapters.tables import read_tables, texts
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec

TABLES = """\
settings:
  - {name: auth, kind: choice, choices: {on: Use it, off: Leave it}, default: off}
  - {name: token, kind: secret, required: true, when: {auth: [on]}}
fields:
  both: [&limit {name: limit, kind: integer, default: 10, help: Up to %(most)s}]
actions:
  - name: find
    label: Find
    effect: pure
    needs_one_of: [where, limit]
    fields: [where, *limit]
    outputs: [{name: items, kind: list}]
  - {name: any, label: Any}
polls:
  - {name: new, least_seconds: 30, fields: [*limit], sample: {id: 7}}
"""
WHERE = FieldSpec(name="where")
LIMIT = FieldSpec(name="limit", kind=FieldKind.INTEGER, default=10, help="Up to 10,000")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tables.yaml"
    path.write_text(TABLES)
    return path


def test_a_file_describes_what_the_contract_of_connectors_names(file):
    tables = read_tables(file, most=10_000, where=WHERE)
    assert tables.settings == (
        FieldSpec(name="auth", kind=FieldKind.CHOICE, choices=(("on", "Use it"), ("off", "Leave it")), default="off"),
        FieldSpec(name="token", kind=FieldKind.SECRET, required=True, when=("auth", ("on",))),
    )
    assert tables.fields == {"both": (LIMIT,)}
    assert tables.actions == (
        Action(
            name="find",
            label="Find",
            effect=Effect.PURE,
            needs_one_of=("where", "limit"),
            fields=(WHERE, LIMIT),
            outputs=(FieldSpec(name="items", kind=FieldKind.LIST),),
        ),
        Action(name="any", label="Any"),
    )
    assert tables.polls == (Poll(name="new", least_seconds=30, fields=(LIMIT,), sample={"id": 7}),)
    assert list(texts(file)) == ["Use it", "Leave it", "Up to %(most)s", "Find", "Any"]


def test_limits_in_texts_are_written_in_the_language_of_the_reader():
    from django.utils import translation

    from automate_connectors.adapters.data import DataConnector

    [items, _] = next(action for action in DataConnector.actions if action.name == "filter").fields
    with translation.override("de"):
        assert translated(items.help) == "Bis zu 10.000 Elemente"


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("least_seconds", "seconds", TypeError),
        ("kind: list", "kind: lists", ValueError),
        ("[where,", "[which,", KeyError),
    ],
)
def test_a_name_that_the_contract_does_not_have_is_an_error(file, before, after, error):
    file.write_text(TABLES.replace(before, after))
    with pytest.raises(error, match=after.strip("[,").removeprefix("kind: ")):
        read_tables(file, most=10_000, where=WHERE)
