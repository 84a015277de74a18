"""The edits of a draft, in the order in which they were made, for undo and redo."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import JSONField, Q
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from automate_authoring.drafts.changes import Change, merge_changes
from automate_authoring.drafts.errors import OtherChange
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_core.definition.step_names import names_in, shown_name, title_of_key
from automate_core.models import DraftCommand, Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_plugins import text
from automate_plugins.texts import stored

MAX_EDITS = 200  #: edits of a draft that are kept
MERGE_WINDOW = dt.timedelta(seconds=30)  #: typing in one field is one edit, unless it pauses so long
_Status = DraftCommand.Status


@dataclass(frozen=True)
class UndoStack:
    """The next edits to undo and to redo, or None."""

    undo: DraftCommand | None
    redo: DraftCommand | None

    @property
    def last(self) -> int:
        """The number of the last edit that counts, 0 when there is none: undo and redo carry it."""
        return self.undo.number if self.undo else 0


def load_undo_stack(workflow: Workflow) -> UndoStack:
    """The next edits to undo and to redo. Two queries."""
    commands = workflow.commands.select_related("author")
    return UndoStack(
        commands.filter(status=_Status.APPLIED).order_by("-number").first(),
        commands.filter(status=_Status.UNDONE).order_by("number").first(),
    )


def record_edit(
    workflow: Workflow, kind: str, words: str, changes: list[Change], by: Person, before: UndoStack, tab: str = ""
) -> tuple[DraftCommand, bool]:
    """(the edit, whether it is one of its own). What was undone is cut, what is too old is forgotten.

    Fields that the same person goes on typing in become one edit.
    """
    last = before.undo
    if last is not None and before.redo is None and _continues(last, kind, changes, by):
        whole = merge_changes(changes_of(last), changes)
        last.changes, last.rev, last.changed_at = [change.document() for change in whole], workflow.rev, timezone.now()
        last.words, last.message, last.tab = words, stored(words), tab
        last.save(update_fields=["changes", "rev", "changed_at", "words", "message", "tab"])
        return last, False
    if before.redo is not None:
        workflow.commands.filter(status=_Status.UNDONE).update(status=_Status.DROPPED)
    made = DraftCommand.objects.create(
        workflow=workflow,
        number=workflow.rev,
        kind=kind,
        words=words,
        message=stored(words),
        author=by,
        changes=[change.document() for change in changes],
        structural=any(change.moves for change in changes) or kind in _SLOT_KINDS,
        rev=workflow.rev,
        changed_by=by,
        tab=tab,
    )
    if workflow.rev % 10 == 0:  # now and then is enough
        oldest = workflow.commands.order_by("-number").values_list("number", flat=True)[MAX_EDITS : MAX_EDITS + 1]
        workflow.commands.filter(number__lte=next(iter(oldest), -1)).delete()
    return made, True


def names_of_deleted_steps(workflow: Workflow) -> Callable[[str], str]:
    """A function that returns the name of a deleted step by its key, as people read it, or "" for an unknown key.

    It asks the kept edits and the published version, with one query for each key, and a second one at most.
    """
    present: set[str] = set()

    @functools.cache
    def name_of(key: str) -> str:
        if not present:
            present.update(["", *workflow.steps.values_list("key", flat=True)])
        if key in present:
            return ""
        deletion = {"table": "step", "key": key, "after": None}
        edits = workflow.commands.alias(parts=Cast("changes", JSONField()))  # the column keeps the order of names: json
        found = edits.filter(Q(("parts__contains", [deletion]))).order_by("-number").first()
        for change in changes_of(found) if found else ():
            if (change.table, change.key, change.after) == ("step", key, None) and change.before:
                return shown_name(change.before["name"] or title_of_key(key))
        published = names_in(workflow.published_id) if workflow.published_id else {}
        return shown_name(published.get(key, ""))

    return name_of


_SLOT_KINDS = {"add_arm", "remove_arm", "move_arm"}
_TYPED = {"edit", "edit_trigger", "rename", "rename_arm", "edit_condition"}


def _continues(last: DraftCommand, kind: str, changes: list[Change], by: Person) -> bool:
    """Whether this is more of the last edit: the same fields of the same step, by the same person, at once."""
    if kind not in _TYPED or last.kind != kind or last.author_id != by.pk:
        return False
    if last.changed_by_id != by.pk or timezone.now() - last.changed_at > MERGE_WINDOW:
        return False
    return _edited_fields(changes_of(last)) == _edited_fields(changes) and not last.structural


def _edited_fields(changes: list[Change]) -> list[Any]:
    """Edited fields by row, down to the single input; None where a row is added or removed."""
    return [
        (change.table, change.key, _names(change)) if change.before and change.after else (change.key, None)
        for change in changes
    ]


def _names(change: Change) -> set[str]:
    before, after = change.before or {}, change.after or {}
    names = set(after) - {"inputs", "settings", "policy", "config"}
    for column in set(after) - names:
        was, now = before[column], after[column]
        for name in {*was, *now}:
            if was.get(name) != now.get(name):
                names |= _parts(f"{column}.{name}", was.get(name), now.get(name))
    return names


def _parts(name: str, was: Any, now: Any) -> set[str]:
    """The fields of routes, tracks or outcomes that differ; the name itself where it holds none, or not the same."""
    named_slots = [
        {named_slot["key"]: named_slot for named_slot in value} for value in (was, now) if _are_named_slots(value)
    ]
    if name not in _NAMED_SLOTS or len(named_slots) < 2 or list(named_slots[0]) != list(named_slots[1]):
        return {name}
    old, new = named_slots
    return {
        part
        for key, named_slot in new.items()
        for field in {*named_slot, *old[key]}
        for part in _leaves(f"{name}.{key}.{field}", old[key].get(field), named_slot.get(field))
    }


def _leaves(name: str, was: Any, now: Any) -> set[str]:
    """The values within a condition that differ; the whole of what is not of the same shape."""
    if isinstance(was, dict) and isinstance(now, dict) and list(was) == list(now):
        return {part for key in now for part in _leaves(f"{name}.{key}", was[key], now[key])}
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return {part for at in range(len(now)) for part in _leaves(f"{name}.{at}", was[at], now[at])}
    return {name} if was != now else set()


_NAMED_SLOTS = {f"settings.{name}" for name in NAMED_SLOT_FIELDS.values()}


def _are_named_slots(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(named_slot, dict) and "key" in named_slot for named_slot in value)


def changes_of(command: DraftCommand) -> list[Change]:
    """The changes of an edit."""
    return [Change(**document) for document in command.changes]


def set_status(
    command: DraftCommand, workflow: Workflow, by: Person, status: DraftCommand.Status, tab: str = ""
) -> None:
    """Note that an edit was undone, or made again."""
    command.status, command.rev, command.changed_by, command.changed_at = status, workflow.rev, by, timezone.now()
    command.tab = tab
    command.save(update_fields=["status", "rev", "changed_by", "changed_at", "tab"])


def row_edits_since(workflow: Workflow, rev: int, *, table: str = "", key: str = "") -> list[OtherChange]:
    """Edits after `rev`, newest first, of that row, or without one of the tree's structure."""
    commands = workflow.commands.filter(rev__gt=rev).select_related("changed_by").order_by("-rev")
    if not table:
        commands = commands.filter(structural=True)
    found = [
        command
        for command in commands[:50]
        if not table or any((change.table, change.key) == (table, key) for change in changes_of(command))
    ]
    return [as_other_change(command) for command in found[:5]]


def find_conflicts(
    workflow: Workflow, rev: int, fields: set[str], *, table: str, key: str, present: int, tab: str
) -> tuple[list[OtherChange], list[OtherChange]] | None:
    """Edits after `rev` of these fields of the row, and edits of its other fields; newest first, at most five each.

    Edits that the same tab of a browser made just now are not conflicts: a page that reloads while an edit is being
    saved would otherwise conflict with itself. None when the answer is unknown: the row was created or deleted since,
    or the edits since `rev` are no longer stored.

    `present` is the row's current revision.
    """
    oldest = workflow.commands.order_by("number").values_list("number", flat=True).first()
    commands = workflow.commands.filter(rev__gt=rev).select_related("changed_by").order_by("-rev")
    found = [
        (command, change)
        for command in commands
        for change in changes_of(command)
        if (change.table, change.key) == (table, key) and change.changes_content
    ]
    is_whole = oldest is not None and oldest <= rev + 1 and bool(found) and found[0][0].rev == present
    if not is_whole or any(change.before is None or change.after is None for _, change in found):
        return None
    just_now = timezone.now() - MERGE_WINDOW
    same = [
        command
        for command, change in found
        if _overlap(_names(change), fields) and not (tab and command.tab == tab and command.changed_at > just_now)
    ]
    rest = [command for command, change in found if not _overlap(_names(change), fields)]
    return [as_other_change(command) for command in same[:5]], [as_other_change(command) for command in rest[:5]]


def _overlap(some: set[str], others: set[str]) -> bool:
    """Whether one of them is, or is a part of, one of the others."""
    return any(f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.") for a in some for b in others)


def edits_since(workflow: Workflow, rev: int) -> list[OtherChange]:
    """All that was done to the draft after `rev`, newest first, at most five."""
    return [
        as_other_change(each)
        for each in workflow.commands.filter(rev__gt=rev).select_related("changed_by").order_by("-rev")[:5]
    ]


def authors_since(workflow: Workflow, rev: int) -> dict[tuple[str, str], tuple[str, ...]]:
    """Authors of the edits after `rev`, by (table, key) of the row, as far as edits are stored.

    An older edit that was undone since counts for the person who undid it; an edit made and undone since does not
    count.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for command in workflow.commands.filter(rev__gt=rev).select_related("author", "changed_by").order_by("rev"):
        applied = command.status == _Status.APPLIED
        if not applied and command.number > rev:
            continue
        who = command.author if applied else command.changed_by
        for change in changes_of(command):
            found.setdefault((change.table, change.key), {})[sign_in_name(who) if who else _("a deleted user")] = None
    return {row: tuple(names) for row, names in found.items()}


def as_other_change(command: DraftCommand) -> OtherChange:
    """Return an edit as another person's change."""
    who = sign_in_name(command.changed_by) if command.changed_by else _("a deleted user")
    undone = command.status != _Status.APPLIED
    return OtherChange(
        who, command.changed_at, text("Undid: %(edit)s", edit=command.label) if undone else command.label
    )
