"""Drafts in their tables: read in two queries, written as few rows as an edit changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_authoring.drafts.changes import Change, row_columns
from automate_authoring.drafts.values import OWN_FIELDS, Draft, Settings, StepNode, TriggerNode
from automate_core.models import Step, Trigger, Workflow

_STEP = (
    "kind",
    "slot",
    "position",
    "name",
    "action",
    "connection",
    "inputs",
    "policy",
    "settings",
    "notes",
    "disabled",
)
_TRIGGER = ("kind", "config", "filter", "position")


def load_draft(workflow: Workflow) -> Draft:
    """The draft as it stands. Two queries."""
    steps = list(workflow.steps.all())
    keys = {step.pk: step.key for step in steps}
    return Draft(
        slug=workflow.slug,
        settings=Settings(**{name: getattr(workflow, name) for name in OWN_FIELDS}, run_as=workflow.run_as_id),
        steps={step.key: _node(step, keys) for step in steps},
        triggers={trigger.key: _trigger_node(trigger) for trigger in workflow.triggers.all()},
    )


def _node(step: Step, keys: dict[int, str]) -> StepNode:
    parent = keys[step.parent_id] if step.parent_id else ""
    values = {name: getattr(step, name) for name in _STEP}
    return StepNode(key=step.key, parent=parent, rev=step.rev, pk=step.pk, **values)


def _trigger_node(trigger: Trigger) -> TriggerNode:
    values = {name: getattr(trigger, name) for name in _TRIGGER}
    return TriggerNode(key=trigger.key, rev=trigger.rev, pk=trigger.pk, **values)


def write_changes(workflow: Workflow, before: Draft, after: Draft, changes: Iterable[Change], rev: int) -> None:
    """Store the changes, which made `after` of `before`; what says something else has that revision from now on.

    `workflow` gets its settings and is left for the caller to save.
    """
    by_table: dict[str, list[Change]] = {"step": [], "trigger": [], "workflow": []}
    for change in changes:
        by_table[change.table].append(change)
    for change in by_table["workflow"]:
        for name, value in (change.after or {}).items():
            setattr(workflow, "run_as_id" if name == "run_as" else name, value)
    _write_steps(workflow, before, after, by_table["step"], rev)
    _write_triggers(workflow, before, after, by_table["trigger"], rev)


def _write_steps(workflow: Workflow, before: Draft, after: Draft, changes: list[Change], rev: int) -> None:
    made = {change.key for change in changes if change.before is None}
    known = {key: node.pk for key, node in before.steps.items() if node.pk is not None}
    while made:  # level by level, since a row names its parent's
        level = [key for key in made if after.steps[key].parent not in made]
        rows = [_row(workflow, after.steps[key], known, rev) for key in level]
        known |= {row.key: row.pk for row in Step.objects.bulk_create(rows)}
        made -= set(level)
    _update(
        Step,
        [(change, _row(workflow, after.steps[change.key], known, rev)) for change in changes if _is_update(change)],
        after.steps,
    )
    if deleted := [change.key for change in changes if change.after is None]:
        workflow.steps.filter(key__in=deleted).delete()


def _row(workflow: Workflow, node: StepNode, known: dict[str, int], rev: int) -> Step:
    values = row_columns(node)
    holder = values.pop("parent")
    parent = known[holder] if holder else None
    return Step(pk=known.get(node.key), workflow=workflow, key=node.key, parent_id=parent, rev=rev, **values)


def _write_triggers(workflow: Workflow, before: Draft, after: Draft, changes: list[Change], rev: int) -> None:
    def row(change: Change) -> Trigger:
        node, present = after.triggers[change.key], before.triggers.get(change.key)
        return Trigger(
            pk=present.pk if present else None, workflow=workflow, key=node.key, rev=rev, **row_columns(node)
        )

    if made := [row(change) for change in changes if change.before is None]:
        Trigger.objects.bulk_create(made)
    _update(Trigger, [(change, row(change)) for change in changes if _is_update(change)], after.triggers)
    if deleted := [change.key for change in changes if change.after is None]:
        workflow.triggers.filter(key__in=deleted).delete()


def _is_update(change: Change) -> bool:
    return change.before is not None and change.after is not None


def _update(model: Any, updates: list[tuple[Change, Any]], nodes: dict[str, Any]) -> None:
    """One statement for all rows; a row that only moved keeps its revision."""
    names: set[str] = set()
    for change, row in updates:
        names |= (change.after or {}).keys()
        if change.changes_content:
            names.add("rev")
        else:
            row.rev = nodes[change.key].rev
    if updates:
        model.objects.bulk_update([row for _, row in updates], names)
