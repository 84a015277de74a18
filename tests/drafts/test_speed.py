"""A workflow of 220 steps: an edit asks a bounded number of questions and is there within a tenth of a second."""

from __future__ import annotations

import pytest

from automate_core.authoring import workflows
from automate_core.authoring.drafts import commands
from automate_core.definition.parsing import parse
from tests.drafts.conftest import Editor
from tests.support.costs import at_most

pytestmark = pytest.mark.django_db


def large(steps=220):
    """Branches in a row, each with three routes and a loop."""
    made, number = [], 0
    while number < steps:
        inner = [
            {
                "kind": "action",
                "key": f"set_{number + n}",
                "action": "data.set",
                "inputs": {"t": "{{ event.payload.t }}", "n": n},
            }
            for n in range(8)
        ]
        made.append(
            {
                "kind": "branch",
                "key": f"branch_{number}",
                "arms": [
                    {"key": "a", "when": {"==": [{"var": "event.payload.t"}, "a"]}, "steps": inner[:3]},
                    {"key": "b", "when": {"==": [{"var": "event.payload.t"}, "b"]}, "steps": inner[3:5]},
                ],
                "otherwise": [
                    {"kind": "for_each", "key": f"each_{number}", "items": "{{ event.payload.l }}", "steps": inner[5:]}
                ],
            }
        )
        number += 10
    return {"name": "Large", "slug": "large", "triggers": [{"kind": "manual"}], "steps": made}


@pytest.fixture
def editor(owner):
    made = workflows.save_definition(parse(large()), owner=owner)
    assert made.steps.count() == 220
    return Editor(made, owner)


EDITS = {
    "add": {"do": "add", "kind": "stop", "index": 3},
    "edit": {"do": "edit", "key": "set_33", "set": {"inputs.n": 5}},
    "move": {"do": "move", "key": "branch_100", "index": 2},
    "duplicate": {"do": "duplicate", "key": "branch_100"},
    "delete": {"do": "delete", "key": "branch_50"},
    "wrap": {"do": "wrap", "key": "branch_60", "kind": "try"},
    "unwrap": {"do": "unwrap", "key": "each_70"},
    "move arm": {"do": "move_arm", "key": "branch_10", "arm": "a", "index": 1},
    "settings": {"do": "edit_settings", "set": {"name": "New"}},
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_220_steps(editor, name, django_assert_max_num_queries):
    commands.load_state(editor.workflow)  # templates are compiled once a process
    fields = EDITS[name]
    rev = editor.rev_of(fields["do"], fields)
    with at_most(60), django_assert_max_num_queries(27):  # ten, on a machine of its own
        state = editor.do(rev=rev, **fields)
    assert state.changed
    with django_assert_max_num_queries(29):
        commands.undo(editor.workflow.pk, last=state.undo_stack.last, by=editor.by)


def test_an_import_of_1000_steps_takes_few_questions(owner, django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        made = workflows.save_definition(parse(large(1000)), owner=owner)
    assert made.steps.count() == 1000
