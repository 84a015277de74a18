"""Which records of an earlier run stand when it is run again from one of its steps: decided on values alone.

A path names a step by the keys of the steps around it, `route/each[3]/notify`, so that a record of one version is found
again in another: as long as the same steps stand around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automate_core.definition import (
    BranchStep,
    Definition,
    ForEachStep,
    ParallelStep,
    Step,
    slots,
)
from automate_core.states import StepStatus

_PART = re.compile(r"(?P<key>[^\[\]/]+)(?:\[(?P<index>\d+)\])?")


@dataclass(frozen=True)
class Part:
    """One step of a path: its key, and the iteration that the path goes on in."""

    key: str
    index: int | None


@dataclass(frozen=True)
class Place:
    """Where a step stands: which list of the step around it, and where in that."""

    step: Step
    parent: Step | None
    slot: str
    order: tuple[int, int]


@dataclass(frozen=True)
class Record:
    """An attempt as far as it matters here."""

    path: str
    attempt: int
    status: str
    output: Any = None


@dataclass(frozen=True)
class Plan:
    """Attempts that are copied as they are, and containers that are entered again: their output by path."""

    kept: tuple[Record, ...]
    entered: Mapping[str, Any]


def parts(path: str) -> tuple[Part, ...]:
    """The steps that a path goes through, outermost first."""
    found = [_PART.fullmatch(part) for part in path.split("/")]
    return tuple(Part(match["key"], int(match["index"]) if match["index"] else None) for match in found if match)


class Outline:
    """A version's steps by the keys around them. Disabled steps, and what is in them, do not exist."""

    def __init__(self, definition: Definition) -> None:
        self._places: dict[tuple[str, ...], Place] = {}
        self._add(definition.steps, (), None, "", 0)

    def _add(self, steps: list[Step], above: tuple[str, ...], parent: Step | None, slot: str, number: int) -> None:
        for position, step in enumerate(steps):
            if not step.disabled:
                self._places[(*above, step.key)] = Place(step, parent, slot, (number, position))
                for inner, each in enumerate(slots(step)):
                    self._add(each.steps, (*above, step.key), step, each.key, inner)

    def place(self, path: str) -> Place | None:
        """Where the step of a path stands, or None when this version has no such step there."""
        return self._places.get(tuple(part.key for part in parts(path)))

    def same_kind(self, path: str, other: Outline) -> bool:
        """Whether the steps of the path are there in both, and of one kind: what was recorded can be read again."""
        keys = tuple(part.key for part in parts(path))
        for length in range(1, len(keys) + 1):
            mine, theirs = self._places.get(keys[:length]), other._places.get(keys[:length])
            if mine is None or theirs is None or type(mine.step) is not type(theirs.step):
                return False
        return True

    def is_before(self, path: str, target: str) -> bool:
        """Whether what is recorded at `path` stands when the run starts again at `target`.

        That is what comes first, and what went on beside it: other tracks of a parallel step, other items of a loop.
        """
        mine, theirs = parts(path), parts(target)
        for depth, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            above = tuple(part.key for part in mine[: depth + 1])
            if one.key != other.key:
                return self._comes_before(above, (*above[:-1], other.key))
            if one.index is not None and other.index is not None and one.index != other.index:
                return isinstance(self._places[above].step, ForEachStep) or one.index < other.index
        return False

    def _comes_before(self, keys: tuple[str, ...], target: tuple[str, ...]) -> bool:
        place, aim = self._places[keys], self._places[target]
        if isinstance(place.parent, ParallelStep) and place.slot != aim.slot:
            return True
        return place.order < aim.order


def is_around(path: str, target: str) -> bool:
    """Whether the step of `path` holds the one of `target`, in the iteration that the target stands in."""
    mine, theirs = parts(path), parts(target)
    if len(mine) > len(theirs) or path == target:
        return False
    pairs = list(zip(mine, theirs, strict=False))
    return all(one.key == other.key for one, other in pairs) and all(
        one.index in {other.index, None} for one, other in pairs
    )


def plan(records: Iterable[Record], target: str, was: Outline, now: Outline) -> Plan:
    """What stands of a run's records when it starts again at `target`, in the version that `now` outlines."""
    by_path: dict[str, list[Record]] = {}
    for record in records:
        if now.same_kind(record.path, was):
            by_path.setdefault(record.path, []).append(record)
    latest = {path: max(attempts, key=lambda each: each.attempt) for path, attempts in by_path.items()}
    kept = [
        record
        for path, attempts in by_path.items()
        if now.is_before(path, target)
        for record in _standing(attempts, latest, path, target, now)
    ]
    entered = {
        path: _route_to(target, path, record.output, now) for path, record in latest.items() if is_around(path, target)
    }
    return Plan(tuple(kept), entered)


def _standing(
    attempts: list[Record], latest: Mapping[str, Record], path: str, target: str, now: Outline
) -> list[Record]:
    """The attempts of a path that are copied: of one that ended well its last; of what it led to, all.

    What failed stands where the failure is what leads to the target, and inside what ended well in spite of it.
    """
    last = latest[path]
    if last.status in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}:
        return [last]
    ended = last.status == StepStatus.FAILED
    return attempts if ended and (_caught(path, target, now) or _ended_well_around(path, latest)) else []


def _caught(path: str, target: str, now: Outline) -> bool:
    """Whether the failure of `path` was caught by a try whose later part holds the target."""
    mine, theirs = parts(path), parts(target)
    for depth, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        if one != other:
            keys = tuple(part.key for part in mine[: depth + 1])
            place, aim = now._places[keys], now._places[(*keys[:-1], other.key)]
            return place.slot != aim.slot and not isinstance(place.parent, BranchStep | ParallelStep)
    return False


def _ended_well_around(path: str, latest: Mapping[str, Record]) -> bool:
    above = path
    while "/" in above:
        above = above.rpartition("/")[0]
        around = latest.get(above) or latest.get(re.sub(r"\[\d+\]$", "", above))
        if around is not None and around.status == StepStatus.SUCCEEDED:
            return True
    return False


def _route_to(target: str, path: str, output: Any, now: Outline) -> Any:
    """The output of a container that is entered again. A branch's leads to the target, in whatever arm it is now."""
    place = now.place(path)
    if place is None or not isinstance(place.step, BranchStep):
        return output
    inner = now.place("/".join(target.split("/")[: path.count("/") + 2]))
    if inner is None or not isinstance(output, dict):
        return output
    if "routes" in output:
        return {**output, "routes": [*output["routes"], *({inner.slot} - set(output["routes"]))]}
    return {**output, "route": inner.slot}
