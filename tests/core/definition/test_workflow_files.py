"""Workflows as text: nothing is lost on the way, and every fault has a place and a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.definitions.validation import find_problems
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse, to_document
from automate_core.models import Step, Workflow
from tests.support.workflows import EVERY_KIND

FULL = """\
schema: 1
name: Everything
slug: everything
description: |
  Two lines:
  with a colon
tags:
  - a
  - b
timezone: Europe/Warsaw
triggers:
  - kind: webhook
    key: first
    endpoint: github
    event: issues
    filter:
      and:
        - ==:
            - var: event.payload.action
            - opened
        - '!':
            - var: event.payload.draft
  - kind: webhook
    key: second
    endpoint: other
steps:
  - kind: action
    key: set
    name: Set a value
    notes: A note
    action: data.set
    inputs:
      text: '{{ event.payload.title }}'
      number: 1.5
      nothing:
      yes_or_no: true
      deep:
        - a: {}
          b: []
  - kind: branch
    key: route
    name: Route
    arms:
      - key: one
        name: One
        when:
          ==:
            - var: steps.set.output.number
            - 1
        steps:
          - kind: branch
            key: inner
            arms:
              - key: only
                when: true
                steps:
                  - kind: stop
                    key: enough
                    outcome: failed
                    message: Enough
      - key: empty
        when:
          exists:
            - var: event.payload.x
    otherwise:
      - kind: action
        key: call
        action: http.request
        connection: echo
        inputs:
          url: /x
        retry:
          attempts: 3
          base: 0.5
        timeout: 5.0
"""


@pytest.mark.django_db
def test_every_kind_goes_through_file_draft_and_file(owner):
    definition = yaml_files.read_workflow(EVERY_KIND)
    assert find_problems(definition) == []
    draft = workflows.load_definition(workflows.save_definition(definition, owner=owner))
    assert draft == definition
    assert yaml_files.read_workflow(yaml_files.write_workflow(draft)) == definition
    assert yaml_files.write_workflow(draft) == yaml_files.write_workflow(definition)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{kind: wait, key: a}", "steps[0]: Choose one: a duration, a time (until), a callback or a form."),
        ("{kind: wait, key: a, callback: true}", "steps[0].timeout: A wait for a callback or a form needs a timeout."),
        ("{kind: wait, key: a, duration: soon}", "steps[0].duration: 'soon' is not a duration."),
        ("{kind: wait, key: a, until: tomorrow}", "steps[0].until: 'tomorrow' is not a date and time such as"),
        (
            "{kind: for_each, key: a, items: 7, steps: [{key: b, action: data.set}]}",
            "steps[0].items: For each needs a list",
        ),
        (
            "{kind: repeat, key: a, until: true, steps: [{key: b, action: data.set}]}",
            "maximum is required.",
        ),
        ("{kind: approval, key: a, timeout: 1d}", "steps[0].assignees: Choose who may decide: people or groups."),
        ("{kind: approval, key: a, groups: [x]}", "timeout is required."),
        ("{kind: workflow, key: a, workflow: w}", "steps[0].workflow: A workflow cannot start itself."),
        (
            "{key: a, action: data.set, on_error: {}}",
            "steps[0].on_error: Choose what to do on an error: a value or steps.",
        ),
        ("{key: a, action: data.set, inputs: {x: '{{ vars.no }}'}}", "vars.no: the workflow has no variables."),
        ("{key: a, action: data.set, inputs: {x: '{{ item }}'}}", "there is no 'item' here"),
        ("{key: a, action: data.set, inputs: {x: '{{ error.code }}'}}", "there is no 'error' here"),
        (
            "{key: a, action: data.set, inputs: {x: '{{ callbacks.b }}'}}",
            "callbacks.b: no step waits for a callback or a form.",
        ),
        (
            "{kind: parallel, key: a, arms: [{key: x}, {key: x}]}",
            "steps[0].arms[1].key: The key 'x' is already used by another route.",
        ),
    ],
)
def test_faults_of_the_kinds_have_a_place_and_a_reason(part, said):
    with pytest.raises(DefinitionError) as raised:
        definition = yaml_files.read_workflow(f"name: W\nslug: w\nsteps: [{part}]")
        raise DefinitionError(find_problems(definition))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{kind: schedule}", "triggers[0]: Set either a cron expression (cron) or an interval (every)."),
        ("{kind: schedule, cron: 61 * * * *}", "triggers[0].cron: "),
        ("{kind: schedule, every: 0}", "triggers[0].every: Must be at least 1 second."),
        ("{kind: schedule, cron: 0 8 * * *, timezone: Mars}", "triggers[0].timezone: 'Mars' is not a time zone"),
        ("{kind: run, workflow: w}", "triggers[0].workflow: A workflow cannot be started by the end of its own runs."),
        ("{kind: carrier_pigeon}", "is not a kind of trigger. Use one of: webhook, schedule, "),
    ],
)
def test_faults_of_triggers_have_a_place_and_a_reason(part, said):
    with pytest.raises(DefinitionError) as raised:
        definition = yaml_files.read_workflow(f"name: W\nslug: w\ntriggers: [{part}]")
        raise DefinitionError(find_problems(definition))
    assert said in str(raised.value)


@pytest.mark.django_db
def test_nothing_is_lost_between_file_draft_and_file(owner):
    definition = yaml_files.read_workflow(FULL)
    assert yaml_files.write_workflow(definition) == FULL
    workflow = workflows.save_definition(definition, owner=owner)
    assert workflows.load_definition(workflow) == definition
    assert yaml_files.write_workflow(workflows.load_definition(workflow)) == FULL
    assert parse(to_document(definition)) == definition


@pytest.mark.django_db
def test_reading_a_draft_costs_two_queries(owner, django_assert_num_queries):
    workflow = workflows.save_definition(yaml_files.read_workflow(FULL), owner=owner)
    with django_assert_num_queries(2):
        workflows.load_definition(workflow)


@pytest.mark.django_db
def test_a_second_import_replaces_the_draft(owner):
    first = workflows.save_definition(yaml_files.read_workflow(FULL), owner=owner)
    again = workflows.save_definition(yaml_files.read_workflow(FULL.replace("Set a value", "Other")), owner=owner)
    assert (again.pk, Workflow.objects.count(), Step.objects.get(key="set").name) == (first.pk, 1, "Other")


def test_a_second_import_of_the_same_changes_nothing(owner, workflow):
    made = workflow("name: S\nslug: s\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]")
    again = workflow("name: S\nslug: s\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]")
    assert (again.rev, again.published, again.versions.count()) == (made.rev, made.published, 1)
    assert not again.has_unpublished_changes
    text = "name: S\nslug: s\ntriggers: [{endpoint: github}]\nsteps: [{key: b, action: data.set}]"
    assert workflow(text, publish=False).has_unpublished_changes
    changed = workflow(text)
    assert not changed.has_unpublished_changes and changed.versions.count() == 2


def test_nobody_listens_to_an_endpoint_whose_deliveries_are_not_theirs_to_read(endpoint, stranger, colleague):
    from guardian.shortcuts import assign_perm

    text = "name: Spy\nslug: spy\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set}]"
    draft = workflows.save_definition(yaml_files.read_workflow(text), owner=stranger)
    with pytest.raises(DefinitionError, match="no webhook endpoint 'github' whose payloads stranger can view"):
        workflows.publish(draft, author=stranger)
    assign_perm("view_payload_webhookendpoint", stranger, endpoint)
    assert workflows.publish(draft, author=stranger).number == 1


def test_a_workflow_without_steps_is_not_published(workflow):
    with pytest.raises(DefinitionError, match="Add at least one step"):
        workflow("name: Empty\nslug: empty\ntriggers: [{endpoint: github}]")


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60) | st.sampled_from(
    [
        "a\r\nb",
        "a\rb\n",
        "a\u2028b\n",
        "a\x85\nb",
        "a\x07\nb",
        " a\n b",
        "a \n",
        "a\t\nb",
        "\n",
        "\n\na",
        "# a\nb",
        "a\n---\nb",
    ]
)


@pytest.mark.extended
@given(
    st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
)
def test_whatever_a_step_holds_comes_back_from_its_file(inputs):
    definition = parse({"name": "X", "slug": "x", "steps": [{"key": "a", "action": "data.set", "inputs": inputs}]})
    assert yaml_files.read_workflow(yaml_files.write_workflow(definition)) == definition


FAULTS = {
    "unknown kind": ("steps: [{kind: loop, key: a}]", "steps[0].kind", "'loop' is not a kind of step."),
    "unknown field": (
        "steps: [{key: a, action: data.set, retries: 3}]",
        "steps[0].retries",
        "There is no field 'retries' here. Did you mean 'retry'?",
    ),
    "field of another kind": (
        "steps: [{key: a, kind: approval, title: T, timeout: 1h}]",
        "steps[0].title",
        "'title' is a field of other kinds. Remove it, or change the kind.",
    ),
    "bad key": ("steps: [{key: Not Good, action: data.set}]", "steps[0].key", "lowercase letters"),
    "key twice": (
        "steps: [{key: a, action: data.set}, {key: a, action: data.set}]",
        "steps[1].key",
        "The key 'a' is already used by steps[0].",
    ),
    "unknown connector": (
        "steps: [{key: a, action: erp.create}]",
        "steps[0].action",
        "The connector 'erp' is not installed",
    ),
    "unknown action": (
        "steps: [{key: a, action: data.sett}]",
        "steps[0].action",
        "The connector data has no action 'sett'",
    ),
    "unknown input": (
        "steps: [{key: a, action: data.pick, inputs: {sauce: 1, source: {}, fields: []}}]",
        "steps[0].inputs.sauce",
        "This action has no input 'sauce'. Available: source, fields.",
    ),
    "missing input": ("steps: [{key: a, action: http.request}]", "steps[0].inputs.url", "url is required"),
    "mistyped input": (
        "steps: [{key: a, action: data.pick, inputs: {source: 5, fields: []}}]",
        "steps[0].inputs.source",
        "must be a mapping (got number)",
    ),
    "text as a condition": (
        "steps: [{kind: branch, key: r, arms: [{key: a, when: 'a > 1'}]}]",
        "steps[0].arms[0].when",
        "A condition is true, false or an operator",
    ),
    "long connection": (
        f"steps: [{{key: a, action: data.set, connection: {'c' * 101}}}]",
        "steps[0].connection",
        "100",
    ),
    "broken template": (
        "steps: [{key: a, action: data.set, inputs: {x: '{{ event. }}'}}]",
        "steps[0].inputs.x",
        "The expression is incomplete.",
    ),
    "dangling step": (
        "steps: [{key: a, action: data.set, inputs: {x: '{{ steps.b.output }}'}}, {key: b, action: data.set}]",
        "steps[0].inputs.x",
        "steps.b.output: no step comes before this one.",
    ),
    "no output": (
        "steps: [{key: a, action: data.set}, {key: b, action: data.set, inputs: {x: '{{ steps.a.n }}'}}]",
        "steps[1].inputs.x",
        "Use steps.a.output.",
    ),
    "unknown name": (
        "steps: [{key: a, action: data.set, inputs: {x: '{{ payload.x }}'}}]",
        "steps[0].inputs.x",
        "there is no 'payload' here. For a field of the payload, use event.payload.x. "
        "Available: callbacks, event, run, steps, vars.",
    ),
    "unknown part of an event": (
        "steps: [{key: a, action: data.set, inputs: {x: '{{ event.body }}'}}]",
        "steps[0].inputs.x",
        "an event has only payload",
    ),
    "branch without condition": (
        "steps: [{kind: branch, key: b, arms: [{key: one}]}]",
        "steps[0].arms[0]",
        "when is required.",
    ),
    "branch without arms": ("steps: [{kind: branch, key: b, arms: []}]", "steps[0].arms", "Add at least one route."),
    "bad rule": (
        "steps: [{kind: branch, key: b, arms: [{key: one, when: {equals: [1, 1]}}]}]",
        "steps[0].arms[0].when.equals",
        "no operator 'equals'",
    ),
    "bad filter": (
        "triggers: [{endpoint: x, filter: {'==': [{var: steps.a.output}, 1]}}]",
        "triggers[0].filter",
        "there is no 'steps' here",
    ),
    "bad time zone": ("timezone: Mars/Base", "timezone", "not a time zone"),
    "other schema": ("schema: 2", "schema", "2 is not allowed here."),
    "too many attempts": (
        "steps: [{key: a, action: data.set, retry: {attempts: 999}}]",
        "steps[0].retry.attempts",
        "at most 50",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_place_and_a_reason(name):
    text, path, reason = FAULTS[name]
    with pytest.raises(DefinitionError) as caught:
        definition = yaml_files.read_workflow(f"name: X\nslug: x\n{text}")
        if found := find_problems(definition):
            raise DefinitionError(found)
    assert any(problem.path == path and reason in problem.reason for problem in caught.value.problems), caught.value


def test_all_faults_are_told_at_once():
    text = "name: X\nslug: x\nsteps: [{key: a, action: no.no}, {key: b, action: data.set, inputs: {x: '{{ nope }}'}}]"
    assert [problem.path for problem in find_problems(yaml_files.read_workflow(text))] == [
        "steps[0].action",
        "steps[1].inputs.x",
    ]


HOSTILE = {
    "not YAML": ("a: [1", "Line 1"),
    "a key twice": ("name: a\nname: b", "Line 2: Invalid YAML: a key occurs twice"),
    "an alias": ("name: &a x\nslug: *a", "Aliases"),
    "an object": ("name: !!python/object/apply:os.system [id]", "Line 1"),
    "a control character": ("name: \x07", "Invalid YAML: remove the control character"),
    "a NUL": ('name: "a\\0b"', "NUL"),
    "endless": ("a: " + "[" * 50_000 + "]" * 50_000, "Line 1: Nested more than 150 levels deep"),
    "deep by indentation": ("\n".join(" " * depth + "a:" for depth in range(200)), "Line 151: Nested more than"),
    "many values": ("a: [" + "b, " * 100_000 + "]", "Line 1: More than 60,000 values"),
    "large": ("a: " + "x" * 1_000_001, "larger than"),
    "nothing": ("", "The file is empty."),
    "an expression without quotes": ("name: X\nslug: {{ x }}", "Line 2: Put quotes around a text that starts with {{"),
    "two documents": ("name: X\n---\nname: Y", "A file can contain only one workflow."),
    "a mistyped name": (
        "name: X\nslug: x\ntrigers: []",
        "Line 3: trigers: There is no field 'trigers' here. Did you mean 'triggers'?",
    ),
    "an unknown kind": (
        "name: X\nslug: x\nsteps:\n  - {kind: loop, key: a}",
        "Line 4: steps[0].kind: 'loop' is not a kind of step. Use one of: action, branch, parallel, for_each, repeat, wait, approval, workflow, try, stop",
    ),
    "an infinity": (
        "name: X\nslug: x\nsteps: [{key: a, action: data.set, inputs: {n: .inf}}]",
        "a value that JSON does not support",
    ),
    "a slug with a line end": ('name: X\nslug: "x\\n"', "Line 2: slug: Use lowercase letters and digits"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(name):
    text, reason = HOSTILE[name]
    with pytest.raises((yaml_files.WorkflowFileError, DefinitionError)) as caught:
        yaml_files.read_workflow(text)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_yaml_is_read_as_1_2():
    """No and yes are words, and a date is text."""
    text = "name: X\nslug: x\nsteps: [{key: a, action: data.set, inputs: {country: NO, on: yes, day: 2026-11-25}}]"
    assert yaml_files.read_workflow(text).steps[0].inputs == {"country": "NO", "on": "yes", "day": "2026-11-25"}
