"""Lists that are entries of a list: the step receives a list in a list, where the list itself is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automate_authoring.lint_rules.known_types import list_fields
from automate_connectors.registry import find_action
from automate_core.definition.document import ActionStep, Definition, ForEachStep, Problem, Step
from automate_core.definition.slots import walk
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import compile_value
from automate_plugins import text
from automate_plugins.fields import FieldKind

#: A name alone, with `default([])` where the list may be missing.
_LONE_NAME = re.compile(r"\s*\{\{-?\s*[A-Za-z_][\w.\[\]'\"]*\s*(\|\s*default\(\s*\[\]\s*\)\s*)?-?\}\}\s*")
_ALONE = text("This entry is itself a list: the step receives a list in a list. Use it as the whole list.")


@dataclass(frozen=True)
class NestedList:
    """An entry of a field of a step that is a list. `is_alone`: the field has no other entry."""

    place: str
    step: Step
    field: str
    index: int
    entry: str
    is_alone: bool

    @property
    def problem(self) -> Problem:
        """The warning at the entry."""
        reason = _ALONE
        if not self.is_alone:
            reason = text(
                "Entry %(number)s is itself a list: the step receives a list in a list. Insert single items of it.",
                number=self.index + 1,
            )
        return Problem(f"{self.place}.{self.field}[{self.index}]", reason)


def find_nested_lists(definition: Definition) -> Iterator[NestedList]:
    """The entries of lists that are known to be lists themselves. No query."""
    known = list_fields(definition)
    for place, step in walk(definition.steps):
        for field, value in _lists_of(step):
            for index, entry in enumerate(value):
                if _is_known(entry, known):
                    yield NestedList(place, step, field, index, entry, len(value) == 1)


def _lists_of(step: Step) -> Iterator[tuple[str, list[Any]]]:
    """(field, value) of the fields of a step whose entries are no lists."""
    if isinstance(step, ForEachStep) and isinstance(step.items, list):
        yield "items", step.items
    if not isinstance(step, ActionStep):
        return
    try:
        _, action = find_action(step.action)
    except LookupError:
        return  # an error already
    for spec in action.fields or ():
        value = step.inputs.get(spec.name)
        if spec.kind is FieldKind.LIST and not spec.nested and isinstance(value, list):
            yield f"inputs.{spec.name}", value


def _is_known(entry: Any, known: frozenset[str]) -> bool:
    if not isinstance(entry, str) or not _LONE_NAME.fullmatch(entry):
        return False
    try:
        paths = compile_value(entry).paths
    except TemplateError:
        return False  # an error already
    return any(".".join(map(str, path)) in known for path in paths)
