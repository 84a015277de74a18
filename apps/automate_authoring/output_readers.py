"""The steps that read the output of another one, and an example of an output that has everything they look up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from automate_authoring.lint_rules.following_steps import following_steps
from automate_core.definition.document import Definition, ForEachStep, Step
from automate_core.definition.slots import StepIndex, slots, walk, with_slot
from automate_core.expressions.json_logic import RuleError, read_rule
from automate_core.expressions.json_path import Path, TemplateError
from automate_core.expressions.templating import compile_value

EXAMPLE = "example"
MAX_ITEMS = 20  #: of a list in an example, whatever item is looked up
_RULES = frozenset({"when", "until", "filter"})


def find_output_readers(definition: Definition, key: str) -> list[Step]:
    """The enabled steps that may run after this one and read its output, in reading order of the nearest list."""
    index = StepIndex(definition.steps)
    position = index.find(key)
    if position is None:
        return []
    behind = [step for outer in following_steps(index, position) for step in (outer, *_inside(outer))]
    around = reversed(position.parents)  # a loop's condition is decided after its steps
    return [step for step in (*behind, *around) if not step.disabled and next(_reads(step, key), None) is not None]


def example_output(
    definition: Definition, key: str, begun: dict[str, Any], *, leaf: str | None = EXAMPLE
) -> dict[str, Any]:
    """`begun`, the known part of a step's output, with `leaf` as each other value that the steps look up in it."""
    output: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(begun))
    for _, step in walk(definition.steps):
        for path in _reads(step, key):
            _add(output, path, leaf)
        if isinstance(step, ForEachStep):
            for path in _reads_in(step.items, key):
                _add(output, path, [])  # a loop over an example would look up more in its items
    return output


def _inside(step: Step) -> Iterator[Step]:
    for slot in slots(step):
        yield from (inner for _, inner in walk(slot.steps))


def _reads(step: Step, key: str) -> Iterator[Path]:
    """The paths inside the output of `key` that the step itself looks up; an empty one for the whole output."""
    for slot in slots(step):
        step = with_slot(step, slot.key, [])
    yield from _reads_in(msgspec.to_builtins(step), key)


def _reads_in(value: Any, key: str) -> Iterator[Path]:
    for path in _looked_up(value):
        if path[:1] == ("steps",) and path[1:2] in {(), (key,)} and path[2:3] in {(), ("output",)}:
            yield path[3:]


def _looked_up(value: Any) -> Iterator[Path]:
    """All paths in the expressions and conditions of a document. What cannot be read is an error of the draft."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _in_rule(each) if name in _RULES and isinstance(each, dict) else _looked_up(each)
    elif isinstance(value, list):
        for each in value:
            yield from _looked_up(each)
    elif isinstance(value, str) and "{" in value:
        try:
            yield from compile_value(value).paths
        except TemplateError:
            return


def _in_rule(rule: dict[str, Any]) -> Iterator[Path]:
    try:
        yield from (tuple(path.split(".")) for path in read_rule(rule).paths)
    except RuleError:
        return


def _add(parent: Any, path: Path, leaf: Any) -> None:
    """Add `leaf` at `path` unless a value is there; values on the way there that hold nothing are replaced."""
    for part, following in zip(path, (*path, None)[1:], strict=True):
        index = _index(part)
        if isinstance(parent, list):
            if index is None or index >= MAX_ITEMS:
                return
            parent += [None] * (index + 1 - len(parent))
            part = index
        elif not isinstance(parent, dict):
            return
        found = parent.get(part) if isinstance(parent, dict) else parent[part]
        if following is None:
            if found in (None, EXAMPLE):
                parent[part] = leaf
            return
        if not isinstance(found, dict | list):
            parent[part] = {} if _index(following) is None else []
        parent = parent[part]


def _index(part: str | int) -> int | None:
    """The index that a part of a path is, also of a condition, where it is digits."""
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdigit() else None
