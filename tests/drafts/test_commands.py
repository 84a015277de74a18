"""Each command: what it does to the tree, what it refuses, and that the draft still publishes."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from guardian.shortcuts import assign_perm

from automate_authoring import workflows
from automate_authoring.drafts.errors import RefusedError
from automate_core.definition.document import DefinitionError
from automate_core.definition.slots import walk
from automate_core.models import DraftCommand, Step, Workflow
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError

pytestmark = pytest.mark.django_db


def refused(call, *arguments, **fields):
    with pytest.raises(RefusedError) as caught:
        call(*arguments, **fields)
    return str(caught.value)


# --- the tree ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "keys"),
    [
        ({"index": 0}, ["post", "look", "route", "careful", "both", "last"]),
        ({"index": 2}, ["look", "route", "post", "careful", "both", "last"]),
        ({}, ["look", "route", "careful", "both", "last", "post"]),
    ],
)
def test_add_at_the_top(editor, at, keys):
    state = editor.do("add", kind="action", action="http.post", **at)
    assert editor.keys() == keys and state.done.selected == "post"
    assert state.done.words == "Added Post"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("parent", "slot"),
    [
        ("route", "bug"),
        ("route", "question"),
        ("route", "otherwise"),
        ("each", "steps"),
        ("careful", "always"),
        ("both", "right"),
    ],
)
def test_add_inside(editor, parent, slot):
    editor.do("add", kind="wait", parent=parent, slot=slot, index=0, name="A break")
    assert editor.keys(parent, slot)[0] == "a_break"


@pytest.mark.matrix
@pytest.mark.parametrize("kind", [kind for kind in Step.Kind.values if kind != "action"])
def test_every_kind_can_be_added_and_says_what_it_still_needs(editor, kind):
    state = editor.do("add", kind=kind)
    mine = [problem for problem in state.problems if problem.step == state.done.selected and problem.level == "error"]
    assert bool(mine) == (kind not in {"stop", "reply", "parallel"})


@pytest.mark.extended
def test_many_insertions_at_one_place_stay_in_order(editor):
    made = [editor.do("add", kind="stop", index=1).done.selected for _ in range(15)]
    assert editor.keys() == ["look", *reversed(made), "route", "careful", "both", "last"]
    assert made[:3] == ["stop", "stop_2", "stop_3"]


def test_an_insertion_leaves_the_others_where_they_are(editor):
    before = {step.key: step.position for step in Step.objects.all()}
    editor.do("add", kind="stop", index=3)
    assert {step.key: step.position for step in Step.objects.exclude(key="stop")} == before


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("key", "to", "keys"),
    [
        ("last", {"index": 0}, ["last", "look", "route", "careful", "both"]),
        ("look", {"index": 2}, ["route", "careful", "look", "both", "last"]),
        ("look", {}, ["route", "careful", "both", "last", "look"]),
        ("look", {"index": 99}, ["route", "careful", "both", "last", "look"]),
    ],
)
def test_move_within_a_list(editor, key, to, keys):
    editor.do("move", key=key, **to)
    assert editor.keys() == keys


def test_move_takes_what_is_inside_along(editor):
    state = editor.do("move", key="each", parent="careful", slot="steps", index=0)
    assert editor.keys("careful", "steps") == ["each", "risky"] and editor.keys("each", "steps") == ["note"]
    assert state.done.words == "Moved Each to 1 of 2, in Careful"


def test_nothing_is_moved_into_itself(editor):
    assert "into itself" in refused(editor.do, "move", key="route", parent="each", slot="steps")
    assert "into itself" in refused(editor.do, "move", key="each", parent="each", slot="steps")
    assert DraftCommand.objects.count() == 0


def test_a_move_to_where_it_stands_is_no_edit(editor):
    assert not editor.do("move", key="look", index=0).changed
    assert not editor.do("move", key="last").changed
    assert DraftCommand.objects.count() == 0


def test_duplicate_gives_new_keys_and_rewrites_what_is_inside(editor):
    state = editor.do("duplicate", key="route")
    assert editor.keys() == ["look", "route", "route_2", "careful", "both", "last"] and state.done.selected == "route_2"
    steps = editor.draft.steps
    assert steps["note_2"].inputs == {"n": "{{ item }}", "of": "{{ steps.tell_2.output.message }}"}
    assert steps["tell_2"].inputs == {"message": "{{ steps.look.output.title }}"}, "what is outside stays"
    assert steps["note"].inputs["of"] == "{{ steps.tell.output.message }}"
    assert steps["route_2"].named_slots[0]["when"] == {"==": [{"var": "steps.look.output.title"}, "bug"]}
    assert not [problem for problem in state.problems if problem.level == "error"]


def test_delete_takes_what_is_inside_along(editor):
    state = editor.do("delete", key="route")
    assert editor.keys() == ["look", "careful", "both", "last"] and not Step.objects.filter(key="note").exists()
    assert state.done.words == "Deleted Route with 4 steps inside" and state.done.selected == "look"


def test_a_deleted_step_is_missed_by_those_that_name_it(editor):
    state = editor.do("delete", key="look")
    assert {problem.step for problem in state.problems if problem.level == "error"} == {"route", "tell", "last"}


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("kind", "slot"),
    [("branch", "route_1"), ("for_each", "steps"), ("try", "steps"), ("parallel", "track_1"), ("repeat", "steps")],
)
def test_wrap_and_unwrap_are_each_others_inverse(editor, kind, slot):
    before = workflows.load_definition(editor.workflow)
    made = editor.do("wrap", key="careful", kind=kind).done.selected
    assert editor.keys(made, slot) == ["careful"] and editor.keys()[2] == made
    editor.do("unwrap", key=made)
    assert workflows.load_definition(editor.workflow) == before


def test_unwrap_refuses_to_run_what_stood_in_different_routes(editor):
    assert "Several routes" in refused(editor.do, "unwrap", key="route")
    editor.do("delete", key="refuse")
    editor.do("unwrap", key="route")
    assert editor.keys() == ["look", "tell", "each", "careful", "both", "last"]


def test_unwrap_of_an_empty_step(editor):
    assert "is empty. Delete it instead." in refused(editor.do, "unwrap", key="look")


# --- what steps say ---------------------------------------------------------------------------------------------------


def test_rename_is_a_label_and_breaks_nothing(editor):
    state = editor.do("rename", key="look", name="Have a look")
    assert editor.draft.steps["look"].name == "Have a look"
    assert state.done.words == "Renamed Look to Have a look" and not state.problems


def test_disable_and_enable(editor):
    assert {problem.step for problem in editor.do("disable", key="look", disabled=True).problems} == {
        "route",
        "tell",
        "last",
    }
    assert editor.do("disable", key="look", disabled=False).problems == []


def test_edit_inputs_policy_and_settings(editor):
    editor.do(
        "edit", key="look", set={"inputs.title": "x", "inputs.extra": [1, True], "retry": {"attempts": 3}, "notes": "n"}
    )
    editor.do("edit", key="each", set={"concurrency": 5, "on_item_error": "collect"})
    editor.do("edit", key="look", unset=["inputs.title", "notes"])
    definition = workflows.load_definition(editor.workflow)
    steps = {step.key: step for _, step in walk(definition.steps)}
    assert (
        steps["look"].inputs == {"extra": [1, True]} and steps["look"].retry.attempts == 3 and steps["look"].notes == ""
    )
    assert steps["each"].concurrency == 5 and steps["each"].on_item_error == "collect"


def test_one_is_not_true(editor):
    editor.do("edit", key="look", set={"inputs.title": 1})
    assert editor.do("edit", key="look", set={"inputs.title": True}).changed
    assert editor.draft.steps["look"].inputs == {"title": True}


def test_a_faulty_value_is_kept_and_told_at_its_field(editor):
    state = editor.do("edit", key="look", set={"retry": {"attempts": "many"}, "timeout": -1})
    told = {problem.field: problem.reason for problem in state.problems}
    assert told == {"retry.attempts": "Must be a whole number, not text.", "timeout": "Must be greater than 0."}
    assert editor.draft.steps["look"].policy["retry"] == {"attempts": "many"}
    with pytest.raises(DefinitionError, match="retry"):
        workflows.publish(editor.workflow, author=editor.by)
    with pytest.raises(CommandError, match="is incomplete: steps"):
        call_command("automate_export", "triage")
    editor.do("edit", key="look", set={"retry": {"attempts": 2}}, unset=["timeout"])
    assert workflows.publish(editor.workflow, author=editor.by).number == 2


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("key", "set_", "reason"),
    [
        ("look", {"key": "other"}, "has no field 'key'"),
        ("look", {"steps": []}, "has no field 'steps'"),
        ("route", {"arms": []}, "has no field 'arms'"),
        ("look", {"nope": 1}, "has no field 'nope'"),
        ("look", {"notes": 7}, "Must be text"),
        ("look", {"notes": "a\0b"}, "NUL"),
        ("look", {"inputs.x": float("inf")}, "JSON"),
        ("look", {"inputs.x": "\ud800"}, "JSON"),
        ("look", {"inputs.": 1}, "Enter an input name"),
        ("look", {"inputs": []}, "Must be an object"),
        ("look", {"name": "x" * 201}, "at most 200 characters"),
        ("look", {"connection": "not-there"}, "no connection 'not-there' that you can use"),
        ("nobody", {"notes": "x"}, "The step 'nobody' no longer exists."),
    ],
)
def test_what_cannot_be_stored_is_refused(editor, key, set_, reason):
    assert reason in refused(editor.do, "edit", key=key, set=set_)
    assert DraftCommand.objects.count() == 0


def test_steps_in_place_of_a_failure_come_and_go_with_the_policy(editor):
    editor.do("edit", key="look", set={"on_error": {"steps": [{"this": "is left out"}]}})
    inside = editor.do("add", kind="stop", parent="look", slot="on_error").done.selected
    state = editor.do("edit", key="look", set={"on_error": {"value": 1}})
    assert inside not in editor.draft.steps and "deleted Stop" in state.done.words
    editor.undo()
    assert editor.keys("look", "on_error") == [inside]


def test_what_happens_on_time_out(editor):
    wait = editor.do("add", kind="wait").done.selected
    editor.do("edit", key=wait, set={"callback": True, "timeout": "1h", "on_timeout": []})
    editor.do("add", kind="stop", parent=wait, slot="timeout")
    assert not [p for p in editor.state.problems if p.level == "error"]
    editor.do("edit", key=wait, unset=["on_timeout"])
    assert "stop" not in editor.draft.steps


# --- routes -----------------------------------------------------------------------------------------------------------


def names(editor, key):
    return [lane["name"] for lane in editor.draft.steps[key].named_slots]


def test_routes_are_added_reordered_renamed_and_removed(editor):
    state = editor.do("add_arm", key="route", name="Feature", index=0)
    assert names(editor, "route") == ["Feature", "Bug", "Question"]
    [needs] = state.problems
    assert (needs.step, needs.field) == ("route", "arms[0].when") and "Add a condition." in needs.reason
    editor.do(
        "edit_condition", key="route", arm="feature", when={"==": [{"var": "steps.look.output.title"}, "feature"]}
    )
    assert editor.state.problems == []
    editor.do("move_arm", key="route", arm="feature", index=2)
    editor.do("rename_arm", key="route", arm="bug", name="Defect")
    assert names(editor, "route") == ["Defect", "Question", "Feature"]
    editor.do("remove_arm", key="route", arm="bug")
    assert names(editor, "route") == ["Question", "Feature"] and "tell" not in editor.draft.steps
    assert "note" not in editor.draft.steps, "with all that was inside"


def test_the_last_route_may_go_which_is_a_problem(editor):
    editor.do("remove_arm", key="route", arm="bug")
    state = editor.do("remove_arm", key="route", arm="question")
    assert [(problem.step, problem.field) for problem in state.problems] == [("route", "arms")]


def test_tracks_and_outcomes_are_routes_too(editor):
    editor.do("add_arm", key="both", name="Middle")
    ask = editor.do("add", kind="approval").done.selected
    editor.do("add_arm", key=ask, name="Ask again")
    editor.do("add", kind="stop", parent=ask, slot="ask_again")
    assert editor.keys(ask, "ask_again") == ["stop"]
    assert "has no conditions" in refused(editor.do, "edit_condition", key="both", arm="left", when=True)
    assert "cannot have routes" in refused(editor.do, "add_arm", key="look")


def test_otherwise_is_no_route_to_remove(editor):
    assert "no longer has the route 'otherwise'" in refused(editor.do, "remove_arm", key="route", arm="otherwise")


# --- triggers and settings --------------------------------------------------------------------------------------------


def test_triggers(editor):
    state = editor.do("add_trigger", kind="schedule", config={"cron": "0 8 * *"})
    [wrong] = [problem for problem in state.problems if problem.level == "error"]
    assert (wrong.trigger, wrong.field) == ("schedule", "cron")
    editor.do("edit_trigger", key="schedule", set={"cron": "0 8 * * 1"})
    editor.do(
        "edit_trigger", key="webhook", set={"event": "push", "filter": {"exists": [{"var": "event.payload.ref"}]}}
    )
    editor.do("remove_trigger", key="schedule")
    [trigger] = workflows.load_definition(editor.workflow).triggers
    assert (trigger.event, trigger.filter) == ("push", {"exists": [{"var": "event.payload.ref"}]})
    state = editor.do("remove_trigger", key="webhook")
    assert [problem.level for problem in state.problems] == ["warning"]


def test_an_endpoint_has_to_be_theirs_to_read(editor_of, owner, stranger, triage):
    assign_perm("change_workflow", stranger, triage)
    assert "whose payloads you can view" in refused(
        editor_of(stranger).do, "add_trigger", kind="webhook", config={"endpoint": "github"}
    )
    editor_of(stranger).do("edit_trigger", key="webhook", set={"endpoint": "github", "event": "push"})  # it was there


def test_settings(editor):
    editor.do("edit_settings", set={"name": "New", "tags": ["a"], "timezone": "Europe/Warsaw", "vars": {"n": 1}})
    editor.do("edit_settings", set={"concurrency": {"limit": 2, "policy": "skip"}})
    editor.workflow.refresh_from_db()
    definition = workflows.load_definition(editor.workflow)
    assert (definition.name, definition.tags, definition.vars, definition.concurrency.limit) == (
        "New",
        ["a"],
        {"n": 1},
        2,
    )
    state = editor.do("edit_settings", set={"timezone": "Mars", "concurrency": {"limit": 0}})
    assert {problem.field for problem in state.problems} == {"timezone", "concurrency.limit"}
    assert "has no field 'slug'" in refused(editor.do, "edit_settings", set={"slug": "other"})
    assert "Must be text" in refused(editor.do, "edit_settings", set={"name": 1})


def test_run_as_is_oneself_or_a_superusers_choice(editor, editor_of, colleague, admin, triage):
    assign_perm("change_workflow", colleague, triage)
    assert "can only run as you" in refused(editor.do, "edit_settings", set={"run_as": "colleague"})
    editor_of(colleague).do("edit_settings", set={"run_as": "colleague"})
    with pytest.raises(NotPermittedError):
        editor_of(colleague).undo()  # which would name the owner
    editor_of(admin).do("edit_settings", set={"run_as": "owner"})
    triage.refresh_from_db()
    assert triage.run_as.username == "owner"


# --- around all -------------------------------------------------------------------------------------------------------


def test_it_takes_the_permission_to_change(editor_of, colleague, stranger, triage):
    assign_perm("view_workflow", colleague, triage)
    for person in (colleague, stranger):
        for call in (
            lambda person=person: editor_of(person).do("rename", key="look", name="x"),
            lambda person=person: editor_of(person).undo(),
            lambda person=person: editor_of(person).redo(),
        ):
            with pytest.raises(NotPermittedError, match="needs the Change permission for the workflow triage"):
                call()
    assert DraftCommand.objects.count() == 0


def test_each_edit_is_in_the_audit_trail_and_in_the_list(editor):
    editor.do("rename", key="look", name="See")
    editor.do("delete", key="last")
    entries = AuditEntry.objects.filter(verb="workflow.edited").order_by("id")
    assert [entry.changes["what"] for entry in entries] == ["Renamed Look to See", "Deleted Last"]
    assert [command.words for command in DraftCommand.objects.order_by("number")] == [
        "Renamed Look to See",
        "Deleted Last",
    ]
    assert Workflow.objects.get().has_unpublished_changes


def test_a_new_step_is_called_as_its_action_and_no_two_are_called_the_same(editor):
    for _ in range(2):
        editor.do("add", kind="action", action="http.request", index=0)
    editor.do("duplicate", key="request_2")
    names = {key: node.name for key, node in editor.draft.steps.items() if key.startswith("request")}
    assert names == {"request": "Send request", "request_2": "Send request 2", "request_3": "Send request 3"}


def test_the_only_connection_that_a_person_made_is_chosen_where_one_is_needed(editor, colleague):
    from automate_connectors.models import Connection

    def added(action="slack.post_message"):
        state = editor.do("add", kind="action", action=action, index=0)
        return state.draft.steps[state.done.selected].connection

    theirs = Connection.objects.create(name="Theirs", slug="theirs", connector="slack", owner=colleague)
    assign_perm("use_connection", editor.by, theirs)
    Connection.objects.create(name="ERP", slug="erp", connector="http", owner=editor.by)
    assert added() == "", "the only one is another person's"
    assert added("http.request") == "", "a request goes nowhere but where somebody says"
    Connection.objects.create(name="Mine", slug="mine", connector="slack", owner=editor.by)
    assert added() == "mine"
    Connection.objects.create(name="Second", slug="second", connector="slack", owner=editor.by)
    assert added() == "", "two to choose from"


def test_a_workflow_that_gets_too_large_is_refused(editor, monkeypatch):
    from automate_authoring.drafts import edits

    monkeypatch.setattr(edits, "MAX_STEPS", 13)
    assert "at most 13 steps" in refused(editor.do, "duplicate", key="route")
    assert len(editor.draft.steps) == 12 and DraftCommand.objects.count() == 0


@pytest.mark.extended
def test_a_workflow_that_gets_too_deep_is_refused(editor):
    for _ in range(19):
        editor.do("wrap", key="last", kind="try")
    assert "nested at most 20 levels deep" in refused(editor.do, "wrap", key="last", kind="try")


def test_an_import_is_an_edit_too(editor, owner):
    from automate_authoring.definitions import yaml_files

    before = workflows.load_definition(editor.workflow)
    text = "name: Small\nslug: triage\ntriggers: [{kind: manual}]\nsteps: [{key: look, kind: stop}]\n"
    workflows.save_definition(yaml_files.read_workflow(text), owner=owner)
    assert editor.keys() == ["look"] and editor.draft.steps["look"].kind == "stop"
    editor.undo()
    assert workflows.load_definition(editor.workflow) == before


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "explode", "rev": 0},
        {"do": "delete", "key": "look"},
        {"do": "delete", "rev": -1, "key": "look"},
        {"do": "delete", "rev": 0, "key": "../x"},
        {"do": "add", "rev": 0, "kind": "goto"},
        {"do": "move", "rev": 0},
        {},
        [],
        None,
        {"do": "add", "rev": 2**40, "kind": "stop"},
        {"do": "delete", "rev": 0, "key": "look", "more": 1},
    ],
)
def test_a_request_that_makes_no_sense(request_):
    from automate_authoring.drafts import requests

    assert refused(requests.read_request, request_)


def test_the_documentation_lists_the_commands_that_there_are():
    import re

    from automate_authoring.drafts import requests
    from tests.conftest import ROOT

    section = (ROOT / "docs/drafts.md").read_text().split("## Commands")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} - {"do"} == set(requests.TYPES)
