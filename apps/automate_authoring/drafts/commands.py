"""Commands on a draft: locked, checked against the revision that the author saw, recorded for undo.

Every command is one transaction. It raises NotPermittedError, RefusedError or ConflictError, and then nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.db import transaction

from automate_authoring import recorded_changes, run_as
from automate_authoring.drafts import (
    action_versions,
    changes,
    edits,
    field_edits,
    history,
    parsing,
    problems,
    requests,
    rows,
)
from automate_authoring.drafts.edits import AllowedNames, EditResult
from automate_authoring.drafts.errors import ConflictError, OtherChange, RefusedError, SeveralEditsError
from automate_authoring.drafts.fields import OF_STEP, changed_fields
from automate_authoring.drafts.history import UndoStack
from automate_authoring.drafts.parsing import ParsedDraft
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.drafts.values import Draft
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.models import Connection
from automate_connectors.registry import find_action, find_poll, find_webhook
from automate_core.models import DraftCommand, WebhookEndpoint, Workflow
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can, permitted
from automate_plugins import text
from automate_plugins.texts import marked


@dataclass(frozen=True, kw_only=True)
class DraftState:
    """A draft as the builder shows it: its values and revisions, what it reads as, its problems, what can be undone.

    `merged` are the edits of other fields of the same step that the person had not seen when they made theirs.
    """

    workflow: Workflow
    draft: Draft
    parsed: ParsedDraft
    problems: list[DraftProblem]
    undo_stack: UndoStack
    done: EditResult
    changed: bool
    merged: tuple[OtherChange, ...] = ()


_NOTHING = EditResult("")


def load_state(workflow: Workflow) -> DraftState:
    """The present state. Whether the person may see it is asked before."""
    draft = rows.load_draft(workflow)
    return _build_state(workflow, draft, history.load_undo_stack(workflow), _NOTHING)


def _build_state(
    workflow: Workflow, draft: Draft, undo_stack: UndoStack, done: EditResult, *, changed: bool = False
) -> DraftState:
    found = parsing.parse_draft(draft)
    return DraftState(
        workflow=workflow,
        draft=draft,
        parsed=found,
        problems=problems.find_problems(found, workflow),
        undo_stack=undo_stack,
        done=done,
        changed=changed,
    )


@transaction.atomic
def run_command(workflow_id: int, request: requests.Request, *, by: Person, tab: str = "") -> DraftState:
    """Make one edit, in that browser tab if it is one's. An edit that changes nothing is not kept."""
    workflow = _lock_workflow(workflow_id, by)
    before = rows.load_draft(workflow)
    merged = _merged_edits(workflow, before, request, tab)
    after = before.copy()
    done = _apply_edit(after, request, by, workflow)
    edits.check_limits(after)
    found = changes.find_changes(before, after)
    undo_stack = history.load_undo_stack(workflow)
    if not found:
        return replace(_build_state(workflow, before, undo_stack, done), merged=merged)
    after = _store(workflow, before, after, found, by)
    acting = _run_as_difference(before, after)
    kind = str(request.__struct_config__.tag)
    command, is_new = history.record_edit(workflow, kind, done.words, found, by, undo_stack, tab)
    _save_revisions(workflow, found, structural=command.structural)
    edited = recorded_changes.draft_changes(before, after, found)
    if is_new or acting or edited:
        audit.record(by, "workflow.edited", workflow, changes={"what": marked(done.words), **acting, **edited})
    return replace(_build_state(workflow, after, UndoStack(command, None), done, changed=True), merged=merged)


@transaction.atomic
def run_commands(workflow_id: int, asked: Sequence[requests.Request], *, rev: int, by: Person) -> list[DraftState]:
    """Make several edits in turn, or none: the state after each. `rev` is that of the whole draft, `Workflow.rev`.

    The revisions in the requests do not count. Raises SeveralEditsError, which has the number of the edit that failed.
    """
    workflow = _lock_workflow(workflow_id, by)
    if workflow.rev != rev:
        raise ConflictError(workflow.rev, history.edits_since(workflow, rev))
    states: list[DraftState] = []
    for number, request in enumerate(asked, 1):
        try:
            present = Workflow.objects.get(pk=workflow_id)
            _, _, row_rev = _guarded_row(present, rows.load_draft(present), request)
            states.append(run_command(workflow_id, msgspec.structs.replace(request, rev=row_rev), by=by))
        except RefusedError as error:
            raise SeveralEditsError(number, error) from error
    return states


@transaction.atomic
def migrate_actions(workflow_id: int, *, by: Person) -> DraftState:
    """Bring all steps to the present versions of their actions, as one edit. Its words are empty without any change."""
    workflow = _lock_workflow(workflow_id, by)
    words = action_versions.migrate_draft(workflow, rows.load_draft(workflow), by=by)
    return replace(load_state(workflow), done=EditResult(words), changed=bool(words))


@transaction.atomic
def undo(workflow_id: int, *, last: int, by: Person, tab: str = "") -> DraftState:
    """Undo the last edit, by any author. `last` is the number of the edit that the person saw as the last one."""
    workflow = _lock_workflow(workflow_id, by)
    undo_stack = _checked_undo_stack(workflow, last)
    if undo_stack.undo is None:
        raise RefusedError(text("There is nothing to undo."))
    return _replay_recorded(workflow, undo_stack.undo, DraftCommand.Status.UNDONE, by, tab)


@transaction.atomic
def redo(workflow_id: int, *, last: int, by: Person, tab: str = "") -> DraftState:
    """Make the edit again that was taken back last."""
    workflow = _lock_workflow(workflow_id, by)
    undo_stack = _checked_undo_stack(workflow, last)
    if undo_stack.redo is None:
        raise RefusedError(text("There is nothing to redo."))
    return _replay_recorded(workflow, undo_stack.redo, DraftCommand.Status.APPLIED, by, tab)


def _checked_undo_stack(workflow: Workflow, last: int) -> UndoStack:
    undo_stack = history.load_undo_stack(workflow)
    if undo_stack.last != last:
        newest = workflow.commands.select_related("changed_by").order_by("-rev").first()
        raise ConflictError(undo_stack.last, [history.as_other_change(newest)] if newest else [])
    return undo_stack


def _replay_recorded(
    workflow: Workflow, command: DraftCommand, status: DraftCommand.Status, by: Person, tab: str
) -> DraftState:
    """Apply an edit's changes forwards or backwards."""
    found = history.changes_of(command)
    if status == DraftCommand.Status.UNDONE:
        found = [change.inverse for change in found]
    before = rows.load_draft(workflow)
    after = _store(workflow, before, changes.apply_changes(before, found), found, by)
    history.set_status(command, workflow, by, status, tab)
    _save_revisions(workflow, found, structural=command.structural)
    is_undo = status == DraftCommand.Status.UNDONE
    words = _undo_words(command.label) if is_undo else _redo_words(command.label)
    edited = {**_run_as_difference(before, after), **recorded_changes.draft_changes(before, after, found)}
    audit.record(by, "workflow.edited", workflow, changes={"what": marked(words), **edited})
    if command.author and command.author_id != by.pk:
        words = text("%(edit)s (by %(who)s)", edit=words, who=sign_in_name(command.author))
    done = EditResult(words, _present_key(found, after))
    return _build_state(workflow, after, history.load_undo_stack(workflow), done, changed=True)


def _undo_words(edit: str) -> str:
    return text("Undid: %(edit)s", edit=edit)


def _redo_words(edit: str) -> str:
    return text("Redid: %(edit)s", edit=edit)


def _present_key(found: list[changes.Change], after: Draft) -> str:
    return next((change.key for change in found if change.key in after.steps), "")


def _lock_workflow(workflow_id: int, by: Person) -> Workflow:
    workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow_id)
    if not can(by, "change", workflow):
        raise NotPermittedError(
            text(
                "%(person)s needs the Change permission for the workflow %(slug)s.",
                person=sign_in_name(by),
                slug=workflow.slug,
            )
        )
    return workflow


def _merged_edits(workflow: Workflow, draft: Draft, request: requests.Request, tab: str) -> tuple[OtherChange, ...]:
    """The edits since `request.rev` that the request goes together with: those of other fields of the same row.

    Raises ConflictError when the same field was changed since, or the tree was where the request changes the tree.
    """
    table, key, present = _guarded_row(workflow, draft, request)
    if present <= request.rev <= workflow.rev:  # a page that shows the whole draft has one revision for all its rows
        return ()
    fields = changed_fields(draft, request)
    found = fields and history.find_conflicts(
        workflow, request.rev, fields, table=table, key=key, present=present, tab=tab
    )
    if not found:
        raise ConflictError(present, history.row_edits_since(workflow, request.rev, table=table, key=key))
    same, others = found
    if same:
        raise ConflictError(present, same)
    return tuple(others)


def _guarded_row(workflow: Workflow, draft: Draft, request: requests.Request) -> tuple[str, str, int]:
    """(table, key, revision) of the row that the request changes; of the whole tree for all others."""
    match request:
        case requests.EditTrigger(key=key):
            return "trigger", key, field_edits.find_trigger(draft, key).rev
        case requests.EditSettings():
            return "workflow", "", workflow.settings_rev
        case _ if isinstance(request, OF_STEP):
            return "step", request.key, edits.find_step(draft, request.key).rev
    return "", "", workflow.structure_rev


def _apply_edit(draft: Draft, request: requests.Request, by: Person, workflow: Workflow) -> EditResult:
    if isinstance(request, requests.EditSettings):
        return field_edits.edit_settings(draft, request, _run_as(request.set, by))
    allowed = AllowedNames(
        connections=lambda slugs: _slugs(permitted(by, "use", Connection.objects.filter(slug__in=slugs))),
        endpoints=lambda slugs: _slugs(permitted(by, "view_payload", WebhookEndpoint.objects.filter(slug__in=slugs))),
        only_connection=lambda reference: _own_connection(reference, by, workflow.run_as),
    )
    make, may_name = _EDITS[type(request)]
    done: EditResult = make(draft, request, allowed) if may_name else make(draft, request)
    return done


_EDITS: dict[type[Any], tuple[Callable[..., EditResult], bool]] = {
    requests.Add: (edits.add_step, True),
    requests.Move: (edits.move_step, False),
    requests.Paste: (edits.paste_clip, True),
    requests.Duplicate: (edits.duplicate_step, False),
    requests.Delete: (edits.delete_step, False),
    requests.Wrap: (edits.wrap_step, False),
    requests.Unwrap: (edits.unwrap_step, False),
    requests.Rename: (field_edits.rename_step, False),
    requests.Disable: (field_edits.disable_step, False),
    requests.Edit: (field_edits.edit_step, True),
    requests.RenameInput: (field_edits.rename_input, False),
    requests.AddSlot: (field_edits.add_slot, False),
    requests.RemoveSlot: (field_edits.remove_slot, False),
    requests.MoveSlot: (field_edits.move_slot, False),
    requests.RenameSlot: (field_edits.rename_slot, False),
    requests.EditCondition: (field_edits.edit_condition, False),
    requests.AddTrigger: (field_edits.add_trigger, True),
    requests.EditTrigger: (field_edits.edit_trigger, True),
    requests.RemoveTrigger: (field_edits.remove_trigger, False),
}


def _own_connection(reference: str, by: Person, runs_as: Person) -> str:
    """The only connection that the person made, where the action or trigger cannot do without one.

    Where it can, a chosen connection would send to a place that the author did not name. Those of others are left out.
    """
    adapter = _find_adapter(reference)
    if adapter is None or not adapter.needs_connection:
        return ""
    own = Connection.objects.filter(connector=adapter.code, owner_id=by.pk)
    found = _slugs(permitted(by, "use", own)) & _slugs(permitted(runs_as, "use", own))
    return found.pop() if len(found) == 1 else ""


def _find_adapter(reference: str) -> ConnectorAdapter | None:
    """The connector of an action, a poll or a webhook."""
    for find in (find_action, find_poll, find_webhook):
        try:
            return find(reference)[0]
        except LookupError:
            continue
    return None


def _slugs(found: Any) -> set[str]:
    return set(found.values_list("slug", flat=True))


def _run_as(asked: dict[str, Any], by: Person) -> Any:
    """The person whom a request names. Raises RefusedError, which does not say who there is."""
    name = asked.get("run_as")
    if name is None:
        return by.pk
    found = run_as.find_choosable(by, str(name))
    if found is None:
        raise RefusedError(run_as.REASON, "run_as")
    return found.pk


def _run_as_difference(before: Draft, after: Draft) -> dict[str, Any]:
    """Audit entry for a change of `run_as`, by name because users can be deleted."""
    pair = before.settings.run_as, after.settings.run_as
    if pair[0] == pair[1]:
        return {}
    names = {person.pk: sign_in_name(person) for person in get_user_model()._default_manager.filter(pk__in=pair)}
    return audit.difference("run_as", *(names.get(key, str(key)) for key in pair))


def _store(workflow: Workflow, before: Draft, after: Draft, found: list[changes.Change], by: Person) -> Draft:
    """Write the changes under the workflow's next revision, and give the draft with the revisions it now has."""
    chosen = after.settings.run_as
    if chosen != before.settings.run_as and not run_as.may_choose(by, chosen):
        raise NotPermittedError(run_as.REASON)
    workflow.rev += 1
    rows.write_changes(workflow, before, after, found, workflow.rev)
    for change in found:
        if change.after is None or not change.changes_content:
            continue
        nodes: Any = {"step": after.steps, "trigger": after.triggers}.get(change.table, {})
        if change.key in nodes:
            nodes[change.key] = replace(nodes[change.key], rev=workflow.rev)
    return after


def _save_revisions(workflow: Workflow, found: list[changes.Change], *, structural: bool) -> None:
    names = {"rev", "updated_at"}
    if structural:
        workflow.structure_rev = workflow.rev
        names.add("structure_rev")
    for change in found:
        if change.table == "workflow":
            workflow.settings_rev = workflow.rev
            names |= {"settings_rev", *(change.after or {})}
    workflow.save(update_fields=names)
