"""Problems of a draft: each at its step and field, errors and warnings apart."""

from __future__ import annotations

import msgspec
import pytest

from automate_authoring import usability, workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.definitions.validation import find_problems as faults_of
from automate_authoring.drafts import commands, parsing, rows
from automate_core.models import WebhookEndpoint
from tests.support.workflows import EVERY_KIND

pytestmark = pytest.mark.django_db


def told(state, level="error"):
    return {(problem.step or problem.trigger, problem.field) for problem in state.problems if problem.level == level}


def test_a_whole_draft_has_none(editor):
    assert editor.state.problems == []


@pytest.mark.parametrize("text", [EVERY_KIND])
def test_a_draft_reads_as_its_definition(owner, text):
    definition = yaml_files.read_workflow(text)
    workflow = workflows.save_definition(definition, owner=owner)
    read = parsing.parse_draft(rows.load_draft(workflow))
    assert read.definition == definition == workflows.load_definition(workflow) and read.faults == []
    assert faults_of(read.definition) == []


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("fields", "step", "field", "reason"),
    [
        (
            {"do": "edit", "key": "look", "set": {"inputs.title": "{{ steps.nope.output }}"}},
            "look",
            "inputs.title",
            "steps.nope.output: no step",
        ),
        (
            {"do": "edit", "key": "look", "set": {"inputs.title": "{{ first(event.payload.a, steps.tell.output) }}"}},
            "look",
            "inputs.title",
            "steps.tell.output: no step",
        ),
        (
            {"do": "edit", "key": "look", "set": {"inputs.title": "{{ first() }}"}},
            "look",
            "inputs.title",
            "first: missing a required argument",
        ),
        ({"do": "edit", "key": "look", "set": {"inputs.title": "{{ 1 +"}}, "look", "inputs.title", "incomplete"),
        ({"do": "edit", "key": "each", "set": {"items": "no list"}}, "each", "items", "For each needs a list"),
        ({"do": "edit", "key": "tell", "set": {"action": "nope.nope"}}, "tell", "action", "The connector 'nope'"),
        ({"do": "edit", "key": "tell", "unset": ["inputs.message"]}, "tell", "inputs.message", "message is required"),
        ({"do": "edit", "key": "tell", "set": {"inputs.level": "loud"}}, "tell", "inputs.level", "must be one of"),
        ({"do": "delete", "key": "note"}, "each", "steps", "Add at least one step."),
        (
            {"do": "edit_condition", "key": "route", "arm": "bug", "when": {"near": [1]}},
            "route",
            "arms[0].when.near",
            "no operator",
        ),
        ({"do": "edit", "key": "note", "set": {"timeout": "soon"}}, "note", "timeout", "Must be a number, not text."),
    ],
)
def test_errors_stand_at_their_step_and_field(editor, fields, step, field, reason):
    [problem] = [found for found in editor.do(**fields).problems if found.level == "error"]
    assert (problem.step, problem.field) == (step, field) and reason in problem.reason


def test_a_value_that_may_lie_in_two_places_is_none(editor):
    either = "{{ first(steps.tell.output.message, steps.look.output.title, event.payload.title) | upper }}"
    assert editor.do("edit", key="last", set={"inputs.found": either}).problems == []


def test_several_faults_of_one_draft_are_all_told(editor):
    editor.do("add", kind="wait")
    editor.do("add", kind="workflow")
    editor.do("edit", key="each", set={"concurrency": 0, "on_item_error": "maybe"})
    assert told(editor.state) == {
        ("wait", ""),
        ("workflow", "workflow"),
        ("each", "concurrency"),
        ("each", "on_item_error"),
    }


def test_they_come_in_reading_order(editor):
    for key in ("last", "note", "look"):
        editor.do("edit", key=key, set={"timeout": -1})
    assert [problem.step for problem in editor.state.problems] == ["look", "note", "last"]


def test_an_empty_draft_needs_a_step(editor):
    for key in ("look", "route", "careful", "both", "last"):
        state = editor.do("delete", key=key)
    assert [(problem.field, problem.level) for problem in state.problems] == [("steps", "error")]


def test_warnings_do_not_keep_from_publishing(editor, endpoint):
    editor.do("add", kind="stop", index=0)
    editor.do("edit", key="last", set={"inputs.api_key": "0123456789"})
    WebhookEndpoint.objects.update(scheme="unsigned")
    state = editor.state
    assert told(state, "warning") == {
        ("route", ""),
        ("look", ""),
        ("last", "inputs.api_key"),
        ("webhook", "endpoint"),
    } - {("route", "")}
    assert told(state) == set()
    assert workflows.publish(editor.workflow, author=editor.by).number == 2


def test_a_connection_is_judged_for_whom_the_workflow_runs_as(editor, colleague):
    from automate_connectors.models import Connection

    made = Connection.objects.create(name="Mine", slug="mine", connector="http", owner=editor.by)
    editor.do("edit", key="look", set={"connection": "mine"})
    assert told(editor.state) == set()
    made.owner = colleague
    made.save()
    assert told(editor.state) == {("look", "connection")}


def test_calls_that_come_back(editor, workflow):
    workflow("name: B\nslug: b\ntriggers: [{kind: manual}]\nsteps: [{kind: workflow, key: c, workflow: triage}]\n")
    editor.do("add", kind="workflow", name="Call")
    state = editor.do("edit", key="call", set={"workflow": "b"})
    [problem] = state.problems
    assert (problem.step, problem.reason) == (
        "call",
        "b calls this workflow. Workflows cannot call each other in a circle.",
    )


def test_look_asks_few_questions(editor, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        commands.load_state(editor.workflow)


def test_what_people_sign_in_to_needs_a_connection(editor):
    """Although none of its settings is required: without a connection, nobody is signed in."""
    editor.do("add_trigger", kind="poll", config={"poll": "gmail.new_email"})
    label = editor.do("add", kind="action", action="gmail.list_labels").done.selected
    missing = {(found.step or found.trigger, found.field) for found in editor.state.problems if found.missing}
    assert missing == {("poll", "connection"), (label, "connection")}


def test_a_webhook_that_two_people_cannot_read_is_one_problem(triage, owner, colleague, admin):
    triage.run_as = colleague
    triage.save(update_fields=["run_as"])
    definition = workflows.load_definition(triage)
    gone = msgspec.structs.replace(definition.triggers[0], endpoint="gone")
    definition = msgspec.structs.replace(definition, triggers=[gone])
    people = sorted([admin, colleague], key=str)
    [problem] = [each for each in usability.unusable(definition, people) if each.path == "triggers[0].endpoint"]
    assert "whose payloads colleague, root can view. Choose a webhook." in problem.reason
