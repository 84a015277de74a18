"""Two people at one draft: nobody's edit is lost in silence, and two steps are two people's."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connections
from django.utils import timezone, translation
from guardian.shortcuts import assign_perm

from automate_authoring.drafts.errors import ConflictError, RefusedError
from automate_core.models import DraftCommand, Step
from automate_governance.texts import translated

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(editor_of, colleague, triage):
    assign_perm("change_workflow", colleague, triage)
    return editor_of(colleague)


def test_a_stale_field_carries_who_when_and_what(editor, anna):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("edit", key="look", set={"notes": "Anna was here"})
    with pytest.raises(ConflictError, match="colleague changed this first: Changed notes of Look") as caught:
        editor.do("edit", rev=seen, key="look", set={"notes": "mine"})
    [other] = caught.value.others
    assert (other.who, other.words) == ("colleague", "Changed notes of Look") and other.at.tzinfo
    assert editor.draft.steps["look"].notes == "Anna was here"
    editor.do("edit", rev=caught.value.rev, key="look", set={"notes": "mine"})
    assert editor.draft.steps["look"].notes == "mine"


@pytest.mark.parametrize(
    ("fields", "words", "german"),
    [
        ({"name": "Told"}, "Changed the name to “Told”", "Namen in „Told“ geändert"),
        ({"name": "Told", "notes": "n"}, "Changed name, notes of Look", "Name, Notizen von Look geändert"),
    ],
)
def test_a_new_name_does_not_stand_where_its_owner_is_named(editor, anna, fields, words, german):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("edit", key="look", set=fields)
    with pytest.raises(ConflictError) as caught:
        editor.do("edit", rev=seen, key="look", set={"name": "Mine"})
    [other] = caught.value.others
    assert other.words == words
    with translation.override("de"):
        assert translated(other.words) == german


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("do", "fields", "meanwhile"),
    [
        ("edit", {"key": "look", "set": {"notes": "b"}}, {"do": "edit", "key": "look", "set": {"inputs.title": "a"}}),
        ("edit", {"key": "look", "set": {"inputs.x": 1}}, {"do": "edit", "key": "look", "set": {"inputs.y": 2}}),
        ("edit", {"key": "look", "set": {"retry": {}}}, {"do": "rename", "key": "look", "name": "See"}),
        ("disable", {"key": "look", "disabled": True}, {"do": "edit", "key": "look", "unset": ["inputs.title"]}),
        ("edit_settings", {"set": {"name": "B"}}, {"do": "edit_settings", "set": {"description": "A"}}),
        (
            "edit_trigger",
            {"key": "webhook", "set": {"event": "b"}},
            {"do": "edit_trigger", "key": "webhook", "set": {"filter": True}},
        ),
        (
            "edit_condition",
            {"key": "route", "arm": "bug", "when": True},
            {"do": "edit_condition", "key": "route", "arm": "question", "when": False},
        ),
        (
            "edit_condition",
            {"key": "route", "arm": "bug", "when": True},
            {"do": "rename_arm", "key": "route", "arm": "bug", "name": "B"},
        ),
    ],
)
def test_different_fields_merge(editor, anna, do, fields, meanwhile):
    before = editor.draft
    seen = editor.rev_of(do, fields)
    anna.do(**meanwhile)
    between = editor.draft
    state = editor.do(do, rev=seen, **fields)
    assert state.changed and [other.who for other in state.merged] == ["colleague"]
    assert editor.draft not in (before, between)
    editor.undo()
    assert editor.draft == between, "undo takes back the one edit alone"


def test_a_tab_does_not_conflict_with_what_was_typed_in_it_just_now(editor, anna):
    """A page that is loaded anew may not know yet what the one before it sent. Another tab of the same person does
    conflict: it shows what it read before."""
    seen, rule = editor.rev_of("edit", {"key": "route"}), {"==": [{"var": "steps.look.output.title"}, ""]}
    for typed in ("d", "de", "def"):
        editor.do("edit_condition", rev=seen, tab="one", key="route", arm="bug", when={"==": [rule["=="][0], typed]})
    assert editor.draft.steps["route"].named_slots[0]["when"]["=="][1] == "def"
    assert DraftCommand.objects.filter(kind="edit_condition").count() == 1, "typing in one value is one edit"
    for other in ("two", ""):
        with pytest.raises(ConflictError):
            editor.do("edit_condition", rev=seen, tab=other, key="route", arm="bug", when=rule)
    DraftCommand.objects.update(changed_at=timezone.now() - dt.timedelta(minutes=1))
    with pytest.raises(ConflictError):
        editor.do("edit_condition", rev=seen, tab="one", key="route", arm="bug", when=rule)
    anna.do("edit_condition", key="route", arm="bug", when=rule)
    with pytest.raises(ConflictError):
        editor.do("edit_condition", rev=seen, tab="one", key="route", arm="bug", when=True)


def test_a_field_beside_the_same_field_is_a_conflict(editor, anna):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("edit", key="look", set={"inputs.title": "a"})
    anna.do("edit", key="look", set={"notes": "x"})
    with pytest.raises(ConflictError) as caught:
        editor.do("edit", rev=seen, key="look", set={"inputs.title": "b", "inputs.more": 1})
    assert [other.words for other in caught.value.others] == ["Changed title of Look"], "that of the field alone"


def test_two_people_in_two_steps_do_not_meet(editor, anna):
    mine, theirs = (editor.rev_of("edit", {"key": key}) for key in ("look", "last"))
    anna.do("edit", rev=theirs, key="last", set={"notes": "x"})
    editor.do("edit", rev=mine, key="look", set={"notes": "y"})
    anna.do("move", key="look", index=3)
    editor.do("rename", rev=editor.rev_of("edit", {"key": "look"}), key="look", name="Z")
    assert editor.draft.steps["look"].name == "Z"


def test_a_move_does_not_disturb_who_types_in_that_step(editor, anna):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("move", key="look", parent="both", slot="right")
    assert editor.do("edit", rev=seen, key="look", set={"notes": "y"}).changed


def test_typing_does_not_disturb_who_moves(editor, anna):
    seen = editor.rev_of("move", {})
    anna.do("edit", key="last", set={"notes": "x"})
    assert editor.do("move", rev=seen, key="last", index=0).changed


@pytest.mark.matrix
@pytest.mark.parametrize(
    "fields",
    [
        {"do": "add", "kind": "stop"},
        {"do": "move", "key": "look"},
        {"do": "delete", "key": "look"},
        {"do": "duplicate", "key": "look"},
        {"do": "wrap", "key": "look", "kind": "try"},
        {"do": "unwrap", "key": "careful"},
        {"do": "add_arm", "key": "route"},
        {"do": "remove_trigger", "key": "webhook"},
    ],
)
def test_a_stale_tree(editor, anna, fields):
    seen = editor.rev_of("move", {})
    anna.do("move", key="last", index=0)
    with pytest.raises(ConflictError) as caught:
        editor.do(rev=seen, **fields)
    assert [(other.who, other.words) for other in caught.value.others] == [("colleague", "Moved Last to 1 of 5")]
    assert DraftCommand.objects.count() == 1


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("do", "fields", "meanwhile"),
    [
        ("edit_settings", {"set": {"name": "B"}}, {"do": "edit_settings", "set": {"name": "A"}}),
        (
            "edit_trigger",
            {"key": "webhook", "set": {"event": "b"}},
            {"do": "edit_trigger", "key": "webhook", "set": {"event": "a"}},
        ),
        (
            "edit_condition",
            {"key": "route", "arm": "bug", "when": True},
            {"do": "edit_condition", "key": "route", "arm": "bug", "when": False},
        ),
        (
            "rename_arm",
            {"key": "route", "arm": "bug", "name": "B"},
            {"do": "rename_arm", "key": "route", "arm": "bug", "name": "A"},
        ),
    ],
)
def test_stale_settings_triggers_and_conditions(editor, anna, do, fields, meanwhile):
    seen = editor.rev_of(do, fields)
    anna.do(**meanwhile)
    with pytest.raises(ConflictError) as caught:
        editor.do(do, rev=seen, **fields)
    assert caught.value.others[0].who == "colleague"


def test_an_undo_is_a_change_too(editor, anna):
    anna.do("edit", key="look", set={"notes": "x"})
    seen = editor.rev_of("edit", {"key": "look"})
    anna.undo()
    with pytest.raises(ConflictError) as caught:
        editor.do("edit", rev=seen, key="look", set={"notes": "y"})
    assert caught.value.others[0].words == "Undid: Changed notes of Look"
    anna.do("rename", key="last", name="Z")  # which drops what was undone
    with pytest.raises(ConflictError) as caught:
        editor.do("edit", rev=seen, key="look", set={"notes": "y"})
    assert caught.value.others[0].who == "colleague"


def test_a_step_that_came_back_is_not_the_one_that_was_seen(editor, anna):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("delete", key="look")
    with pytest.raises(RefusedError, match="The step 'look' no longer exists"):
        editor.do("edit", rev=seen, key="look", set={"notes": "y"})
    anna.undo()
    with pytest.raises(ConflictError):
        editor.do("edit", rev=seen, key="look", set={"notes": "y"})


def test_a_conflict_beyond_what_is_remembered(editor, anna):
    seen = editor.rev_of("edit", {"key": "look"})
    anna.do("edit", key="look", set={"notes": "x"})
    DraftCommand.objects.all().delete()
    with pytest.raises(ConflictError, match="This was changed in the meantime") as caught:
        editor.do("edit", rev=seen, key="look", set={"notes": "y"})
    assert caught.value.others == []


@pytest.mark.django_db(transaction=True)
def test_at_the_same_time_one_wins_and_the_other_is_told(editor, anna):
    """Real threads at a barrier: both saw the same state."""
    seen, start = editor.rev_of("move", {}), threading.Barrier(2)
    outcomes = []

    def go(who, key):
        try:
            start.wait()
            who.do("delete", rev=seen, key=key)
            outcomes.append("done")
        except ConflictError as error:
            outcomes.append(error.others[0].words)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=go, args=pair) for pair in ((editor, "look"), (anna, "last"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert "done" in outcomes and {"Deleted Look", "Deleted Last"} & set(outcomes)
    assert Step.objects.filter(key__in=["look", "last"]).count() == 1
