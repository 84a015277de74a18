"""Copies: references follow, and what the paster may not use does not come along."""

from __future__ import annotations

import pytest
from guardian.shortcuts import assign_perm
from hypothesis import given
from hypothesis import strategies as st

from automate_authoring import workflows
from automate_authoring.drafts import clipboard
from automate_authoring.drafts.errors import RefusedError
from automate_authoring.drafts.references import rewrite_references
from automate_connectors.models import Connection
from automate_core.definition.document import DefinitionError
from tests.support.costs import at_most

OTHER = "name: Other\nslug: other\ntriggers: [{kind: manual}]\nsteps: [{key: tell, action: data.set}]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ steps.a.output.x }}", "{{ steps.b.output.x }}"),
        ("{{ steps['a'].output }} and {{ steps[\"a\"] }}", "{{ steps['b'].output }} and {{ steps[\"b\"] }}"),
        ("{% if steps.a.output %}{{ callbacks.a }}{% endif %}", "{% if steps.b.output %}{{ callbacks.b }}{% endif %}"),
        ("{{ steps.ab.output ~ mysteps.a ~ x.steps.a }}", "{{ steps.ab.output ~ mysteps.a ~ x.steps.a }}"),
        ("{{ 'steps.a' ~ \"it's steps.a\" }}", "{{ 'steps.a' ~ \"it's steps.a\" }}"),
        ("{{ first(steps.a.output.x, steps.c.output) }}", "{{ first(steps.b.output.x, steps.c.output) }}"),
        ("{{ '}}' ~ steps.a }}", "{{ '}}' ~ steps.b }}"),
        ("steps.a stays in plain text", "steps.a stays in plain text"),
        ("{{ steps.a", "{{ steps.a"),
        ("{{ steps . a }}", "{{ steps . b }}"),
    ],
)
def test_references_in_expressions(text, expected):
    assert rewrite_references(text, {"a": "b"}) == expected


def test_references_in_rules():
    rule = {
        "and": [{"==": [{"var": "steps.a.output.x"}, {"var": ["steps.a", {"var": "steps.c"}]}]}, {"var": "steps.ab"}]
    }
    after = {
        "and": [{"==": [{"var": "steps.b.output.x"}, {"var": ["steps.b", {"var": "steps.c"}]}]}, {"var": "steps.ab"}]
    }
    assert rewrite_references({"when": rule}, {"a": "b"}) == {"when": after}
    assert rewrite_references({"inputs": {"var": "steps.a"}}, {"a": "b"}) == {"inputs": {"var": "steps.a"}}


@given(st.text(alphabet="{}%'\"\\ .[]stepa", max_size=200))
def test_rewriting_there_and_back(text):
    there = rewrite_references(text, {"stepa": "zz"})
    assert rewrite_references(there, {"zz": "stepa"}) == text


@pytest.mark.matrix
@pytest.mark.parametrize(
    "text", ["{{ ''" * 20_000, "{{ '" * 20_000, "{{ steps['a'" * 20_000, "{" * 100_000, "{{" + " " * 99_999]
)
def test_rewriting_takes_no_longer_than_the_text(text):
    with at_most(100):
        assert rewrite_references(text, {"a": "b"}).replace("'b'", "'a'") == text


# --- from one workflow to another -------------------------------------------------------------------------------------


@pytest.fixture
def other(workflow):
    return workflow(OTHER, publish=False)


@pytest.mark.django_db
def test_paste_into_another_workflow(editor, editor_of, owner, other):
    clip = clipboard.build_clip(editor.draft, ["route", "last"])
    into = editor_of(owner, other)
    state = into.do("paste", clip=clip, index=0)
    assert into.keys() == ["route", "last", "tell"] and state.done.selected == "route"
    assert into.keys("route", "bug") == ["tell_2", "each"]
    assert into.draft.steps["note"].inputs["of"] == "{{ steps.tell_2.output.message }}"
    assert {problem.step for problem in state.problems if problem.level == "error"} == {"route", "tell_2", "last"}, (
        "which name a step that did not come along"
    )
    into.undo()
    assert into.keys() == ["tell"]


@pytest.mark.extended
@pytest.mark.django_db
def test_a_connection_that_is_not_theirs_has_to_be_chosen_anew(editor, editor_of, owner, colleague, workflow):
    Connection.objects.create(name="Mine", slug="mine", connector="http", owner=owner)
    editor.do("add", kind="action", action="http.request", name="Call")
    editor.do("edit", key="call", set={"connection": "mine", "inputs.url": "/x", "inputs.method": "GET"})
    editor.do("wrap", key="call", kind="try")
    clip = clipboard.build_clip(editor.draft, ["try", "webhook"])
    from automate_authoring.definitions import yaml_files

    theirs = workflows.save_definition(yaml_files.read_workflow(OTHER), owner=colleague)
    into = editor_of(colleague, theirs)
    state = into.do("paste", clip=clip)
    assert any("Call: choose a connection" in remark for remark in state.done.remarks)
    assert any("choose a webhook" in remark for remark in state.done.remarks)
    told = {(problem.step or problem.trigger, problem.field): problem for problem in state.problems}
    assert (
        "You cannot use the original one" in told["call", "connection"].reason
        and told["call", "connection"].level == "error"
    )
    assert "You cannot view the payloads" in told["webhook", "endpoint"].reason
    with pytest.raises(DefinitionError, match="Choose a connection"):
        workflows.publish(theirs, author=colleague)
    assign_perm("use_connection", colleague, Connection.objects.get())
    into.do("edit", key="call", set={"connection": "mine"})
    into.do("remove_trigger", key="webhook")
    assert not [problem for problem in into.state.problems if problem.level == "error"]
    assert editor.do("paste", clip=clip).done.remarks == (), "the owner may use both"


@pytest.mark.django_db
def test_a_connection_of_somebody_else_cannot_be_put_in(editor_of, triage, owner, colleague):
    Connection.objects.create(name="Mine", slug="mine", connector="http", owner=owner)
    assign_perm("change_workflow", colleague, triage)
    with pytest.raises(RefusedError, match="no connection 'mine' that you can use") as caught:
        editor_of(colleague).do("edit", key="look", set={"connection": "mine"})
    assert caught.value.field == "connection"


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize(
    "clip",
    [
        {},
        {"schema": 1},
        {"schema": 2, "steps": [{"key": "a", "kind": "stop"}]},
        {"schema": 1, "steps": "x"},
        {"schema": 1, "steps": [1]},
        {"schema": 1, "steps": [{"kind": "stop"}]},
        {"schema": 1, "steps": [{"key": "A B", "kind": "stop"}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "goto"}]},
        {"schema": 1, "steps": [{"key": "a", "kind": ["stop"]}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "stop", "more": 1}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "stop", "notes": "\0"}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "branch", "arms": {}}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "branch", "arms": [{"key": "otherwise"}]}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "branch", "arms": [{"key": "x"}, {"key": "x"}]}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "try", "steps": {}}]},
        {"schema": 1, "steps": [{"key": "a", "kind": "try", "steps": [{"key": "a", "kind": "stop"}]}]},
        {"schema": 1, "triggers": [{"kind": "nope"}]},
        {"schema": 1, "triggers": [7]},
        {"schema": 1, "triggers": [{"kind": ["a"]}]},
        {"schema": 1, "triggers": [{"kind": "webhook", "endpoint": ["a"]}]},
    ],
)
def test_a_clip_that_makes_no_sense_is_refused(editor, clip):
    with pytest.raises(RefusedError):
        editor.do("paste", clip=clip)
    assert editor.keys() == ["look", "route", "careful", "both", "last"]


@pytest.mark.django_db
def test_a_clip_as_deep_as_a_well_is_refused(editor):
    step = {"key": "k0", "kind": "stop"}
    for number in range(1, 60):
        step = {"key": f"k{number}", "kind": "try", "steps": [step]}
    with pytest.raises(RefusedError, match="nested at most"):
        editor.do("paste", clip={"schema": 1, "steps": [step]})
