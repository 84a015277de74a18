"""Undo and redo: of everything, across reloads, by anybody, and back to exactly what was there."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.drafts import changes, clipboard, commands, edits, field_edits, history, requests, rows
from automate_authoring.drafts import values as draft_values
from automate_authoring.drafts.edits import AllowedNames
from automate_authoring.drafts.errors import ConflictError, RefusedError
from automate_core.models import DraftCommand, Workflow
from automate_governance import texts
from tests.support.editors import Editor
from tests.support.workflows import TRIAGE

pytestmark = pytest.mark.django_db


def test_undo_and_redo_one_after_the_other(editor):
    before = workflows.load_definition(editor.workflow)
    editor.do("rename", key="look", name="See")
    editor.do("delete", key="route")
    after = workflows.load_definition(editor.workflow)
    assert editor.undo().done.words == "Undid: Deleted Route with 4 steps inside"
    editor.undo()
    assert workflows.load_definition(editor.workflow) == before
    state = editor.state
    assert state.undo_stack.undo is None and state.undo_stack.redo.words == "Renamed Look to See"
    editor.redo()
    assert editor.redo().done.words == "Redid: Deleted Route with 4 steps inside"
    assert workflows.load_definition(editor.workflow) == after and editor.state.undo_stack.redo is None


def test_the_history_is_shown_in_the_readers_language(editor, monkeypatch):
    editor.do("rename", key="look", name="See")
    german = {"Renamed %(old)s to %(new)s": "%(old)s in %(new)s umbenannt", "Undid: %(edit)s": "Rückgängig: %(edit)s"}
    monkeypatch.setattr(texts, "gettext", lambda message: german.get(message, message))
    assert texts.translated(editor.state.undo_stack.undo.label) == "Look in See umbenannt"
    assert texts.translated(editor.undo().done.words) == "Rückgängig: Look in See umbenannt"
    assert DraftCommand.objects.get().words == "Renamed Look to See", "stored in English"


def test_there_is_an_end_to_both(editor):
    for call in (editor.undo, editor.redo):
        with pytest.raises(RefusedError, match="There is nothing to"):
            call()


def test_a_new_edit_cuts_redo(editor):
    editor.do("rename", key="look", name="See")
    editor.undo()
    editor.do("rename", key="last", name="Finally")
    with pytest.raises(RefusedError, match="nothing to redo"):
        editor.redo()
    editor.undo()
    assert editor.state.undo_stack.undo is None and editor.draft.steps["look"].name == "Look"


def test_undo_belongs_to_the_draft_and_names_the_author(editor, editor_of, admin):
    editor.do("rename", key="look", name="See")
    other = editor_of(admin)
    assert other.state.undo_stack.undo.author.username == "owner"
    assert other.undo().done.words == "Undid: Renamed Look to See (by owner)"


def test_undo_on_an_older_state_is_a_conflict(editor, editor_of, admin):
    editor.do("rename", key="look", name="See")
    seen = editor.state.undo_stack.last
    editor_of(admin).do("rename", key="last", name="Finally")
    with pytest.raises(ConflictError) as caught:
        editor.undo(last=seen)
    [other] = caught.value.others
    assert (other.who, other.words) == ("root", "Renamed Last to Finally")
    editor.undo(last=caught.value.rev)
    assert editor.draft.steps["last"].name == "Last"


def test_typing_in_one_field_is_one_edit(editor):
    for text in ("h", "he", "hel"):
        editor.do("edit", key="look", set={"inputs.title": text})
    editor.do("edit", key="look", set={"inputs.other": 1})
    assert DraftCommand.objects.count() == 2
    editor.undo()
    assert editor.draft.steps["look"].inputs == {"title": "hel"}
    editor.undo()
    assert editor.draft.steps["look"].inputs == {"title": "{{ event.payload.title }}"}
    editor.redo()
    assert editor.draft.steps["look"].inputs == {"title": "hel"}


def test_typing_that_pauses_is_two_edits(editor, monkeypatch):
    editor.do("edit", key="look", set={"inputs.title": "a"})
    monkeypatch.setattr(history, "MERGE_WINDOW", -history.MERGE_WINDOW)
    editor.do("edit", key="look", set={"inputs.title": "b"})
    assert DraftCommand.objects.count() == 2


@pytest.mark.extended
def test_old_edits_are_forgotten(editor, monkeypatch):
    monkeypatch.setattr(history, "MAX_EDITS", 20)
    for number in range(45):
        editor.do("rename", key=("look", "last")[number % 2], name=f"Name {number}")
    assert 20 <= DraftCommand.objects.count() < 31
    while editor.state.undo_stack.undo:
        editor.undo()
    assert editor.draft.steps["look"].name != "Look", "what is forgotten stays"


# --- any edits, all undone, give what was there -----------------------------------------------------------------------

_KINDS = ("branch", "parallel", "for_each", "repeat", "wait", "approval", "try", "stop", "reply", "workflow")
_VALUES = (None, 1, True, "text", "{{ steps.look.output }}", {"a": [1]}, [], 1.0, "")
_operations = st.lists(st.tuples(st.integers(0, 17), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=12)


def document_of(draft, operation, first, second):
    """A command that makes sense most of the time, chosen by numbers."""
    keys = sorted(draft.steps) or ["none"]
    key, other = keys[first % len(keys)], keys[second % len(keys)]
    node = draft.steps.get(key)
    slots = [("", ""), *((each.key, slot) for each in draft.steps.values() for slot in each.slots)]
    parent, slot = slots[second % len(slots)]
    to = {"parent": parent, "slot": slot, "index": first % 5}
    arm = node.named_slots[second % len(node.named_slots)]["key"] if node and node.named_slots else "none"
    fields = ("notes", "disabled", "retry", "on_error", "items", "timeout", "on_timeout", "inputs.x", "match", "when")
    trigger = sorted(draft.triggers)[second % len(draft.triggers)] if draft.triggers else "none"
    return [
        {"do": "add", "kind": _KINDS[first % len(_KINDS)], **to},
        {"do": "add", "kind": "action", "action": "data.set", **to},
        {"do": "move", "key": key, **to},
        {"do": "duplicate", "key": key},
        {"do": "delete", "key": key},
        {"do": "wrap", "key": key, "kind": ("branch", "parallel", "for_each", "repeat", "try")[second % 5]},
        {"do": "unwrap", "key": key},
        {"do": "rename", "key": key, "name": f"Name {second}"},
        {"do": "disable", "key": key, "disabled": bool(second % 2)},
        {"do": "edit", "key": key, "set": {fields[second % len(fields)]: _VALUES[first % len(_VALUES)]}},
        {"do": "edit", "key": key, "set": {"on_error": {"steps": []} if second % 2 else {"value": second}}},
        {"do": "add_arm", "key": key, "name": f"Arm {second % 3}", "index": first % 4},
        {"do": "remove_arm", "key": key, "arm": arm},
        {"do": "move_arm", "key": key, "arm": arm, "index": first % 4},
        {"do": "edit_condition", "key": key, "arm": arm, "when": _VALUES[second % len(_VALUES)]},
        {"do": "add_trigger", "kind": "manual"} if second % 2 else {"do": "remove_trigger", "key": trigger},
        {"do": "edit_settings", "set": {"name": f"W {second}", "vars": {"n": first}}},
        {"do": "paste", "clip": clipboard.build_clip(draft, [other] if other in draft.steps else []), **to},
    ][operation]


_ANYTHING = AllowedNames(
    connections=lambda slugs: slugs, endpoints=lambda slugs: slugs, only_connection=lambda action: ""
)


def purely(draft, request):
    """A command on values alone."""
    by_type = commands._EDITS
    if isinstance(request, requests.EditSettings):
        return field_edits.edit_settings(draft, request, 1)
    make, may_name = by_type[type(request)]
    return make(draft, request, _ANYTHING) if may_name else make(draft, request)


def exact(draft):
    """The whole draft as bytes, in which 1 is not true and positions count."""
    rows_ = [
        sorted((key, changes.row_columns(node)) for key, node in table.items())
        for table in (draft.steps, draft.triggers)
    ]
    return msgspec.json.encode([*rows_, changes.row_columns(draft.settings)])


def whole(draft):
    """What always holds: every step stands in a list that there is, and once."""
    for node in draft.steps.values():
        assert not node.parent or node.slot in draft.steps[node.parent].slots
    reached = [key for top in draft.siblings(("", "")) for key in draft.subtree(top.key)]
    assert sorted(reached) == sorted(draft.steps)
    for nodes in draft.lists().values():
        assert len({node.position for node in nodes}) == len(nodes)


def _start():
    definition = yaml_files.read_workflow(TRIAGE)
    said = draft_values.Settings(
        name="T",
        description="",
        tags=[],
        timezone="UTC",
        priority=0,
        concurrency=None,
        vars={},
        subject="",
        search_terms={},
        retention=None,
        agents=None,
        runs_on="",
        run_as=1,
    )
    empty = draft_values.Draft(slug="triage", settings=said, steps={}, triggers={})
    return workflows._drafted(definition, empty)


@pytest.mark.extended
@settings(max_examples=150, deadline=None)
@given(_operations)
def test_every_change_has_its_inverse(operations):
    draft = _start()
    first, past = exact(draft), []
    for number, one, two in operations:
        after = draft.copy()
        try:
            purely(after, requests.read_request({"rev": 0, **document_of(draft, number, one, two)}))
        except RefusedError:
            continue
        whole(after)
        found = changes.find_changes(draft, after)
        assert exact(changes.apply_changes(draft, found)) == exact(after)
        past.append(found)
        draft = after
    for found in reversed(past):
        draft = changes.apply_changes(draft, [change.inverse for change in found])
        whole(draft)
    assert exact(draft) == first


_numbers = itertools.count()


@pytest.mark.extended
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_operations)
def test_any_edits_all_undone_give_the_first_draft_and_redone_the_last(owner, endpoint, operations):
    text = TRIAGE.replace("slug: triage", f"slug: triage-{next(_numbers)}")
    made = workflows.save_definition(yaml_files.read_workflow(text), owner=owner)
    editor = Editor(made, owner)
    first, definition = exact(rows.load_draft(made)), workflows.load_definition(made)
    for number, one, two in operations:
        try:
            editor.do(**document_of(editor.draft, number, one, two))
        except RefusedError:
            continue
    last = exact(rows.load_draft(Workflow.objects.get(pk=made.pk)))
    while editor.state.undo_stack.undo:
        editor.undo()
    assert exact(rows.load_draft(Workflow.objects.get(pk=made.pk))) == first
    assert workflows.load_definition(Workflow.objects.get(pk=made.pk)) == definition
    while editor.state.undo_stack.redo:
        editor.redo()
    assert exact(rows.load_draft(Workflow.objects.get(pk=made.pk))) == last
    whole(editor.draft)


def test_what_can_be_edited_can_be_read(editor):
    """The kinds of requests are those of the commands."""
    assert set(commands._EDITS) | {requests.EditSettings} == set(requests.TYPES.values())
    assert callable(edits.add_step)
