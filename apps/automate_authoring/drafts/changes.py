"""Changes of an edit as rows before and after it. Applied backwards, they undo it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import msgspec

from automate_authoring.drafts.values import Draft, Settings, StepNode, TriggerNode

type Columns = dict[str, Any]
_PLACE = {"parent", "slot", "position"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One row. `before` is None for one that was made, `after` for one that was taken out; else what differs."""

    table: Literal["step", "trigger", "workflow"]
    key: str
    before: Columns | None
    after: Columns | None

    @property
    def inverse(self) -> Change:
        """The change that undoes this one."""
        return replace(self, before=self.after, after=self.before)

    @property
    def moves(self) -> bool:
        """Whether the tree, or the list of triggers, has another shape."""
        if self.table == "workflow":
            return False
        return self.before is None or self.after is None or not _PLACE.isdisjoint(self.after)

    @property
    def changes_content(self) -> bool:
        """Whether more than its place differs."""
        return self.before is None or self.after is None or not _PLACE.issuperset(self.after)

    def document(self) -> dict[str, Any]:
        """The change as JSON."""
        return {"table": self.table, "key": self.key, "before": self.before, "after": self.after}


def find_changes(before: Draft, after: Draft) -> list[Change]:
    """The changes that make one draft of the other."""
    found = [*_rows("step", before.steps, after.steps), *_rows("trigger", before.triggers, after.triggers)]
    return [*found, *_differences("workflow", "", before.settings, after.settings)]


def _rows(table: Literal["step", "trigger"], before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for key, node in before.items():
        if key not in after:
            yield Change(table=table, key=key, before=row_columns(node), after=None)
    for key, node in after.items():
        present = before.get(key)
        if present is None:
            yield Change(table=table, key=key, before=None, after=row_columns(node))
        elif present is not node:
            yield from _differences(table, key, present, node)


def _differences(table: Literal["step", "trigger", "workflow"], key: str, before: Any, after: Any) -> Iterator[Change]:
    """Columns are compared as JSON, in which 1 is not true and the order of names counts."""
    old, new = row_columns(before), row_columns(after)
    names = [name for name in new if msgspec.json.encode(old[name]) != msgspec.json.encode(new[name])]
    if names:
        was, is_now = ({name: side[name] for name in names} for side in (old, new))
        yield Change(table=table, key=key, before=was, after=is_now)


def row_columns(node: StepNode | TriggerNode | Settings) -> Columns:
    """Stored values of a node without its key and revision."""
    return {spec.name: getattr(node, spec.name) for spec in fields(node) if spec.name not in {"key", "rev", "pk"}}


def apply_changes(draft: Draft, changes: Iterable[Change]) -> Draft:
    """The draft after the changes."""
    result = draft.copy()
    for change in changes:
        if change.table == "workflow":
            result.settings = replace(result.settings, **(change.after or {}))
            continue
        rows: dict[str, Any] = result.steps if change.table == "step" else result.triggers
        node_type = StepNode if change.table == "step" else TriggerNode
        if change.after is None:
            del rows[change.key]
        elif change.before is None:
            rows[change.key] = node_type(key=change.key, **change.after)
        else:
            rows[change.key] = replace(rows[change.key], **change.after)
    return result


def merge_changes(first: list[Change], second: list[Change]) -> list[Change]:
    """Two edits of the same fields as one."""
    return [
        replace(later, before={**(later.before or {}), **(earlier.before or {})})
        for earlier, later in zip(first, second, strict=True)
    ]
