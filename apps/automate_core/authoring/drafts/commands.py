"""What authors do to a draft, one command at a time: locked, checked against what they saw, kept for undo.

Every command is one transaction. It raises NotPermittedError, RefusedError or ConflictError, and then nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from automate_connectors.models import Connection
from automate_connectors.registry import find_action
from automate_core.authoring.drafts import changes as changed
from automate_core.authoring.drafts import edits, field_edits, history, problems, reading, requests, rows
from automate_core.authoring.drafts.edits import Allowed, Done
from automate_core.authoring.drafts.errors import ConflictError, OtherChange, RefusedError
from automate_core.authoring.drafts.fields import OF_STEP, fields_of
from automate_core.authoring.drafts.history import Past
from automate_core.authoring.drafts.problems import DraftProblem
from automate_core.authoring.drafts.reading import Reading
from automate_core.authoring.drafts.values import Draft
from automate_core.models import DraftCommand, WebhookEndpoint, Workflow
from automate_governance import audit
from automate_governance.people import names as people
from automate_governance.permissions import NotPermittedError, Person, can, permitted


@dataclass(frozen=True, kw_only=True)
class State:
    """A draft as the builder shows it: its values and revisions, what it reads as, its problems, what can be undone.

    `merged` are the edits of other fields of the same step that the person had not seen when they made theirs.
    """

    workflow: Workflow
    draft: Draft
    reading: Reading
    problems: list[DraftProblem]
    past: Past
    done: Done
    changed: bool
    merged: tuple[OtherChange, ...] = ()


_NOTHING = Done("")


def look(workflow: Workflow) -> State:
    """The present state. Whether the person may see it is asked before."""
    draft = rows.load(workflow)
    return _state(workflow, draft, history.past(workflow), _NOTHING)


def _state(workflow: Workflow, draft: Draft, past: Past, done: Done, *, changed: bool = False) -> State:
    found = reading.read(draft)
    return State(
        workflow=workflow,
        draft=draft,
        reading=found,
        problems=problems.of(found, workflow),
        past=past,
        done=done,
        changed=changed,
    )


@transaction.atomic
def do(workflow_id: int, request: requests.Request, *, by: Person) -> State:
    """Make one edit. One that changes nothing is not kept."""
    workflow = _locked(workflow_id, by)
    before = rows.load(workflow)
    merged = _merged(workflow, before, request, by)
    after = before.copy()
    done = _made(after, request, by, workflow)
    edits.within_limits(after)
    found = changed.between(before, after)
    past = history.past(workflow)
    if not found:
        return replace(_state(workflow, before, past, done), merged=merged)
    after = _store(workflow, before, after, found, by)
    acting = _acting(before, after)
    kind = str(request.__struct_config__.tag)
    command, is_new = history.record(workflow, kind, done.words, found, by, past)
    _save_revisions(workflow, found, structural=command.structural)
    if is_new or acting:
        audit.record(by, "workflow.edited", workflow, changes={"what": done.words, **acting})
    return replace(_state(workflow, after, Past(command, None), done, changed=True), merged=merged)


@transaction.atomic
def undo(workflow_id: int, *, last: int, by: Person) -> State:
    """Take back the last edit, whoever made it. `last` is the number of the one that the person saw as the last."""
    workflow = _locked(workflow_id, by)
    past = _unless_others_went_on(workflow, last)
    if past.undo is None:
        raise RefusedError("there is nothing to undo")
    return _turn(workflow, past.undo, DraftCommand.Status.UNDONE, by)


@transaction.atomic
def redo(workflow_id: int, *, last: int, by: Person) -> State:
    """Make the edit again that was taken back last."""
    workflow = _locked(workflow_id, by)
    past = _unless_others_went_on(workflow, last)
    if past.redo is None:
        raise RefusedError("there is nothing to redo")
    return _turn(workflow, past.redo, DraftCommand.Status.APPLIED, by)


def _unless_others_went_on(workflow: Workflow, last: int) -> Past:
    past = history.past(workflow)
    if past.last != last:
        newest = workflow.commands.select_related("changed_by").order_by("-rev").first()
        raise ConflictError(past.last, [history.other(newest)] if newest else [])
    return past


def _turn(workflow: Workflow, command: DraftCommand, status: DraftCommand.Status, by: Person) -> State:
    """Apply an edit's changes forwards or backwards."""
    found = history.changes_of(command)
    if status == DraftCommand.Status.UNDONE:
        found = [change.inverse for change in found]
    before = rows.load(workflow)
    after = _store(workflow, before, changed.applied(before, found), found, by)
    history.turn(command, workflow, by, status)
    _save_revisions(workflow, found, structural=command.structural)
    word = "Undid" if status == DraftCommand.Status.UNDONE else "Did again"
    what = f"{word}: {command.words}"
    audit.record(by, "workflow.edited", workflow, changes={"what": what, **_acting(before, after)})
    whose = f" by {command.author.get_username()}" if command.author and command.author_id != by.pk else ""
    done = Done(f"{word}: {command.words}{whose}", _present_key(found, after))
    return _state(workflow, after, history.past(workflow), done, changed=True)


def _present_key(found: list[changed.Change], after: Draft) -> str:
    return next((change.key for change in found if change.key in after.steps), "")


def _locked(workflow_id: int, by: Person) -> Workflow:
    workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow_id)
    if not can(by, "change", workflow):
        raise NotPermittedError(f"{by.get_username()} may not change the workflow {workflow.slug}")
    return workflow


def _merged(workflow: Workflow, draft: Draft, request: requests.Request, by: Person) -> tuple[OtherChange, ...]:
    """The edits since `request.rev` that the request goes together with: those of other fields of the same row.

    Raises ConflictError when the same field was changed since, or the tree was where the request changes the tree.
    """
    table, key, present = _guarded(workflow, draft, request)
    if request.rev == present:
        return ()
    fields = fields_of(draft, request)
    found = fields and history.clashes(workflow, request.rev, fields, table=table, key=key, present=present, by=by)
    if not found:
        raise ConflictError(present, history.since(workflow, request.rev, table=table, key=key))
    same, others = found
    if same:
        raise ConflictError(present, same)
    return tuple(others)


def _guarded(workflow: Workflow, draft: Draft, request: requests.Request) -> tuple[str, str, int]:
    """(table, key, revision) of the row that the request changes; of the whole tree for all others."""
    match request:
        case requests.EditTrigger(key=key):
            return "trigger", key, field_edits.trigger_of(draft, key).rev
        case requests.EditSettings():
            return "workflow", "", workflow.settings_rev
        case _ if isinstance(request, OF_STEP):
            return "step", request.key, edits.step_of(draft, request.key).rev
    return "", "", workflow.structure_rev


def _made(draft: Draft, request: requests.Request, by: Person, workflow: Workflow) -> Done:
    if isinstance(request, requests.EditSettings):
        return field_edits.edit_settings(draft, request, _run_as(request.set, by))
    allowed = Allowed(
        connections=lambda slugs: _slugs(permitted(by, "use", Connection.objects.filter(slug__in=slugs))),
        endpoints=lambda slugs: _slugs(permitted(by, "view_payload", WebhookEndpoint.objects.filter(slug__in=slugs))),
        only_connection=lambda action: _only_connection(action, {by, workflow.run_as}),
    )
    make, may_name = _EDITS[type(request)]
    done: Done = make(draft, request, allowed) if may_name else make(draft, request)
    return done


_EDITS: dict[type[Any], tuple[Callable[..., Done], bool]] = {
    requests.Add: (edits.add, True),
    requests.Move: (edits.move, False),
    requests.Paste: (edits.paste, True),
    requests.Duplicate: (edits.duplicate, False),
    requests.Delete: (edits.delete, False),
    requests.Wrap: (edits.wrap, False),
    requests.Unwrap: (edits.unwrap, False),
    requests.Rename: (field_edits.rename, False),
    requests.Disable: (field_edits.disable, False),
    requests.Edit: (field_edits.edit, True),
    requests.RenameInput: (field_edits.rename_input, False),
    requests.AddArm: (field_edits.add_arm, False),
    requests.RemoveArm: (field_edits.remove_arm, False),
    requests.MoveArm: (field_edits.move_arm, False),
    requests.RenameArm: (field_edits.rename_arm, False),
    requests.EditCondition: (field_edits.edit_condition, False),
    requests.AddTrigger: (field_edits.add_trigger, True),
    requests.EditTrigger: (field_edits.edit_trigger, True),
    requests.RemoveTrigger: (field_edits.remove_trigger, False),
}


def _only_connection(action: str, people: set[Person]) -> str:
    """The connection that all of them may use, where there is one alone and the action takes one."""
    try:
        adapter, _ = find_action(action)
    except LookupError:
        return ""
    if not adapter.takes_connection:
        return ""
    usable = [_slugs(permitted(who, "use", Connection.objects.filter(connector=adapter.code))) for who in people]
    found = set.intersection(*usable)
    return found.pop() if len(found) == 1 else ""


def _slugs(found: Any) -> set[str]:
    return set(found.values_list("slug", flat=True))


def _run_as(asked: dict[str, Any], by: Person) -> Any:
    """The person whom a request names. Raises RefusedError, which does not say who there is."""
    name = asked.get("run_as")
    if name is None:
        return by.pk
    found = people.active([str(name)]).first() if by.is_superuser or name == by.get_username() else None
    if found is None:
        raise RefusedError("a workflow runs as yourself, unless a superuser names somebody else", "run_as")
    return found.pk


def _acting(before: Draft, after: Draft) -> dict[str, Any]:
    """What the audit trail says of a change of whom the draft would act as: names, since people may go."""
    pair = before.settings.run_as, after.settings.run_as
    if pair[0] == pair[1]:
        return {}
    names = {person.pk: person.get_username() for person in get_user_model()._default_manager.filter(pk__in=pair)}
    return audit.difference("run_as", *(names.get(key, str(key)) for key in pair))


def _store(workflow: Workflow, before: Draft, after: Draft, found: list[changed.Change], by: Person) -> Draft:
    """Write the changes under the workflow's next revision, and give the draft with the revisions it now has."""
    if after.settings.run_as not in {before.settings.run_as, by.pk} and not by.is_superuser:
        raise NotPermittedError("a workflow runs as yourself, unless a superuser names somebody else")
    workflow.rev += 1
    rows.write(workflow, before, after, found, workflow.rev)
    for change in found:
        if change.after is None or not change.says_something_else:
            continue
        nodes: Any = {"step": after.steps, "trigger": after.triggers}.get(change.table, {})
        if change.key in nodes:
            nodes[change.key] = replace(nodes[change.key], rev=workflow.rev)
    return after


def _save_revisions(workflow: Workflow, found: list[changed.Change], *, structural: bool) -> None:
    names = {"rev", "updated_at"}
    if structural:
        workflow.structure_rev = workflow.rev
        names.add("structure_rev")
    for change in found:
        if change.table == "workflow":
            workflow.settings_rev = workflow.rev
            names |= {"settings_rev", *(change.after or {})}
    workflow.save(update_fields=names)
