"""Plan of a re-run from a step: which records of the earlier run are kept. Pure functions on values.

A path names a step by the keys of the steps around it, `route/each[3]/notify`, so a record of one version is found in
another as long as the same steps are around it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automate_core.definition import step_paths
from automate_core.definition.document import (
    ActionStep,
    BranchStep,
    Definition,
    ForEachStep,
    ParallelStep,
    TryStep,
)
from automate_core.definition.slots import StepIndex, StepPosition, slots
from automate_core.definition.step_paths import key_of, path_parts
from automate_core.states import StepStatus


@dataclass(frozen=True)
class Record:
    """The fields of an attempt that the plan needs."""

    path: str
    attempt: int
    status: str
    output: Any = None


@dataclass(frozen=True)
class Plan:
    """Attempts that are copied unchanged, and the output of containers that are reopened, by path."""

    kept: tuple[Record, ...]
    entered: Mapping[str, Any]


class RunnableSteps(StepIndex):
    """A version's enabled steps, found by the paths that runs record."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition.steps, enabled_only=True)

    def position(self, path: str) -> StepPosition | None:
        """Return the position of the step at a path; None when this version has no such step."""
        return self.at(tuple(part.key for part in path_parts(path)))

    def same_kind(self, path: str, other: RunnableSteps) -> bool:
        """Whether all steps of the path exist in both versions with the same kind, so that its records remain valid."""
        keys = tuple(part.key for part in path_parts(path))
        for length in range(1, len(keys) + 1):
            mine, theirs = self.at(keys[:length]), other.at(keys[:length])
            if mine is None or theirs is None or type(mine.step) is not type(theirs.step):
                return False
        return True

    def is_before(self, path: str, target: str) -> bool:
        """Whether the records at `path` are kept when the run starts again at `target`.

        Kept are earlier steps, and steps beside the target: other parallel branches, other items of a loop.
        """
        mine, theirs = path_parts(path), path_parts(target)
        for depth, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            above = tuple(part.key for part in mine[: depth + 1])
            if one.key != other.key:
                return self._comes_before(above, (*above[:-1], other.key))
            if one.index is not None and other.index is not None and one.index != other.index:
                return isinstance(self[above].step, ForEachStep) or one.index < other.index
        return False

    def is_action(self, path: str) -> bool:
        """Whether the step at the path is an action."""
        place = self.position(path)
        return place is not None and isinstance(place.step, ActionStep)

    def leads_somewhere(self, record: Record) -> bool:
        """Whether the routes that a branch took still exist. True for other steps."""
        place = self.position(record.path)
        if place is None or not isinstance(place.step, BranchStep):
            return True
        output = record.output or {}
        return {*(output.get("routes") or [output.get("route")])} <= {slot.key for slot in slots(place.step)}

    def goes_on_after_failure(self, path: str, target: str) -> bool:
        """Whether the run continues after the step failed, by its error steps or in a later slot of a try step."""
        place = self.position(path)
        if place is not None and isinstance(place.step, ActionStep) and place.step.on_error is not None:
            return True
        mine, theirs = path_parts(path), path_parts(target)
        depth = next((n for n, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one != other), None)
        if depth is None or mine[depth].key == theirs[depth].key:
            return False
        keys = tuple(part.key for part in mine[: depth + 1])
        here, aim = self[keys], self[(*keys[:-1], theirs[depth].key)]
        return isinstance(here.parent, TryStep) and here.slot_key != aim.slot_key

    def _comes_before(self, keys: tuple[str, ...], target: tuple[str, ...]) -> bool:
        place, aim = self[keys], self[target]
        if isinstance(place.parent, ParallelStep) and place.slot_key != aim.slot_key:
            return True
        return place.order < aim.order


def is_around(path: str, target: str) -> bool:
    """Whether the step at `path` contains `target`, in the same iteration."""
    mine, theirs = path_parts(path), path_parts(target)
    if len(mine) > len(theirs) or path == target:
        return False
    pairs = list(zip(mine, theirs, strict=False))
    return all(one.key == other.key for one, other in pairs) and all(
        one.index in {other.index, None} for one, other in pairs
    )


def plan(records: Iterable[Record], target: str, was: RunnableSteps, now: RunnableSteps) -> Plan:
    """Return the records that are kept when the run starts again at `target`, in the version of `now`.

    Without a target it goes on after the last step: all are kept that ended well.
    """
    by_path: dict[str, list[Record]] = {}
    for record in records:
        if now.same_kind(record.path, was):
            by_path.setdefault(record.path, []).append(record)
    last = {path: max(attempts, key=lambda each: each.attempt) for path, attempts in by_path.items()}
    kept: list[Record] = []
    entered: dict[str, Any] = {}
    for path, attempts in by_path.items():
        around = bool(target) and is_around(path, target)
        if around and not now.is_action(path):
            entered[path] = _leading_to(target, path, last[path].output, now)
        elif around:  # its error steps contain the target
            kept += attempts
        elif not target or now.is_before(path, target):
            kept += _standing(attempts, last, target, now)
    return Plan(tuple(kept), entered)


def is_repeated_first(
    path: str, records: Iterable[Record], made: Plan, now: RunnableSteps, acting: Container[str]
) -> bool:
    """Whether the step at `path` is repeated and nothing before it is: no step whose key is in `acting`."""
    kept = {record.path for record in made.kept}
    earlier = {record.path for record in records if record.status == StepStatus.SUCCEEDED} - kept
    return (
        path not in kept
        and now.position(path) is not None
        and not any(key_of(each) in acting and now.position(each) and now.is_before(each, path) for each in earlier)
    )


def _standing(attempts: list[Record], last: Mapping[str, Record], target: str, now: RunnableSteps) -> list[Record]:
    """Return the attempts of a path that are copied.

    After a success or a skip it is the last attempt; after a failure that the run continued from, all of them.
    """
    ended = last[attempts[0].path]
    if ended.status in {StepStatus.SUCCEEDED, StepStatus.SKIPPED} and now.leads_somewhere(ended):
        return [ended]
    dealt_with = now.goes_on_after_failure(ended.path, target) or _ended_well_around(ended.path, last)
    return attempts if ended.status == StepStatus.FAILED and dealt_with else []


def _ended_well_around(path: str, last: Mapping[str, Record]) -> bool:
    """Whether a step around it succeeded in spite of the failure at `path`."""
    above = step_paths.parent_path(path)
    while above:
        around = last.get(above)
        if around is not None and around.status == StepStatus.SUCCEEDED:
            return True
        above = step_paths.parent_path(above)
    return False


def _leading_to(target: str, path: str, output: Any, now: RunnableSteps) -> Any:
    """Return the output of a reopened container. For a branch it names the route that holds the target now."""
    container = now.position(path)
    inner = now.position("/".join(target.split("/")[: path.count("/") + 2]))
    if container is None or inner is None or not isinstance(container.step, BranchStep):
        return output
    if container.step.match == "first":
        return {"route": inner.slot_key}
    taken = {inner.slot_key, *((output or {}).get("routes") or [(output or {}).get("route")])}
    return {"routes": [slot.key for slot in slots(container.step) if slot.key in taken]}
