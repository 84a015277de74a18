"""Changes of workflows as the audit trail records them: by field, before and after, without secret values.

An input that its action declares as sensitive is recorded as changed, without its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from automate_authoring.drafts.changes import Change
from automate_authoring.drafts.step_location import node_place
from automate_authoring.drafts.values import OWN_FIELDS, Draft, Settings, StepNode, TriggerNode
from automate_authoring.publishing.differences import (
    WORKFLOW,
    Difference,
    FieldChange,
    changed_fields,
    find_differences,
    flat_fields,
)
from automate_connectors.registry import find_action
from automate_core.definition.document import ActionStep, Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.slots import StepIndex
from automate_governance import audit
from automate_plugins import text
from automate_plugins.texts import Text, marked, verbatim

MAX_FIELDS = 100  #: in one entry; the others are counted


def draft_changes(before: Draft, after: Draft, found: Iterable[Change]) -> dict[str, Any]:
    """Audit values of an edit."""
    actions = {key: node.action for key, node in {**before.steps, **after.steps}.items()}
    return _recorded((each for change in found for each in _of_row(change, before, after)), actions)


def version_changes(before: Mapping[str, Any] | None, after: Definition) -> dict[str, Any]:
    """Audit values of a published definition against the one before, as the review shows them."""
    try:
        present = parse(before) if before is not None else None
    except DefinitionError:  # of a version whose connectors were deleted
        present = None
    if present is None:
        return {}
    steps = [each.step for part in (present, after) for each in StepIndex(part.steps)]
    actions = {step.key: step.action for step in steps if isinstance(step, ActionStep)}
    return _recorded(find_differences(present, after), actions)


def _of_row(change: Change, before: Draft, after: Draft) -> Iterator[Difference]:
    if change.table == "workflow":
        yield from changed_fields("workflow", "", WORKFLOW, _fields(before.settings), _fields(after.settings))
        return
    old, new = (
        (draft.steps if change.table == "step" else draft.triggers).get(change.key) for draft in (before, after)
    )
    node: Any = new or old
    name = verbatim(node.label) if change.table == "step" else marked(node.label)
    moved = _place_change(before, after, old, new)
    if moved is not None:
        yield Difference(kind="moved", table=change.table, key=change.key, name=name, words="", fields=(moved,))
    yield from changed_fields(change.table, change.key, name, _fields(old), _fields(new))


def _fields(node: StepNode | TriggerNode | Settings | None) -> Mapping[str, Any]:
    """The fields of a row by their labels, without those that are empty."""
    if node is None:
        return {}
    document = {name: getattr(node, name) for name in OWN_FIELDS} if isinstance(node, Settings) else node.document()
    given = {name: value for name, value in document.items() if value not in (None, "", False, {}, [])}
    return {name: value for name, value in flat_fields(given).items() if name not in {"key", "kind"}}


def _place_change(before: Draft, after: Draft, old: Any, new: Any) -> FieldChange | None:
    """The list that a step was moved out of, and the one that it is in now."""
    if not isinstance(old, StepNode) or not isinstance(new, StepNode) or old.place == new.place:
        return None
    was, now = node_place(before, old), node_place(after, new)
    return FieldChange(name=marked(text("place")), was=was, now=now, before=was, after=now)


def _recorded(found: Iterable[Difference], actions: Mapping[str, str]) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    for each in found:
        sensitive = _sensitive_inputs(actions.get(each.key, "")) if each.table == "step" else frozenset()
        lines += (
            {"in": each.name, "field": field.name, **_values(field, field.name in sensitive)} for field in each.fields
        )
        if not each.fields:
            lines.append({"in": each.name, "what": each.words})
    left_out = {"left_out": len(lines) - MAX_FIELDS} if len(lines) > MAX_FIELDS else {}
    return ({"edits": lines[:MAX_FIELDS]} if lines else {}) | left_out


def _values(field: FieldChange, is_sensitive: bool) -> dict[str, Any]:
    if is_sensitive:
        return {"to": audit.CHANGED}
    name = _own_name(field.name)
    found = audit.difference(name, field.before, field.after).get(name, audit.CHANGED)
    return found if isinstance(found, dict) else {"to": found}


def _own_name(label: str) -> str:
    """The name of an input, a variable or a header alone, which may say that its value is secret."""
    return str(label.values.get("name", label)) if isinstance(label, Text) else label


def _sensitive_inputs(reference: str) -> frozenset[str]:
    try:
        action = find_action(reference)[1]
    except LookupError:
        return frozenset()
    return frozenset(spec.name for spec in action.fields or () if spec.sensitive)
