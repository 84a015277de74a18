"""A workflow of 220 steps: an edit asks a bounded number of questions and is there within a tenth of a second."""

from __future__ import annotations

import pytest

from automate_authoring import workflows
from automate_authoring.drafts import commands
from automate_core.definition.parsing import parse
from tests.support.costs import at_most
from tests.support.editors import Editor
from tests.support.large_workflows import large_workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(owner):
    made = workflows.save_definition(parse(large_workflow()), owner=owner)
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


@pytest.mark.matrix
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
        made = workflows.save_definition(parse(large_workflow(1000)), owner=owner)
    assert made.steps.count() == 1000
