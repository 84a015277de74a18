"""Which routes of its branches an event would take, as far as the event and the variables alone tell.

Nothing runs and no template is rendered: a condition that asks for what a step gave, for the run, for an item of a loop
or for the present time is not told. What comes after an error, a time-out or somebody's decision is not followed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automate_core.definition.document import (
    OTHERWISE,
    ActionStep,
    BranchStep,
    Definition,
    ForEachStep,
    ParallelStep,
    RepeatStep,
    Route,
    Step,
    StopStep,
    TryStep,
    walk,
)
from automate_core.expressions.json_logic import Rule, RuleError, read_rule

SECONDS = 2.0  #: after which the conditions that are left are not told: they may be as slow as they may be in runs

_UNREADABLE = "a condition that cannot be read"
_SLOW = "conditions that take too long"
_TIME = "the present time"


@dataclass(frozen=True)
class RouteResult:
    """Where an event goes at one branch: keys of routes, or None with what that depends on."""

    routes: tuple[str, ...] | None
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class RouteChange:
    """An event that takes another route: of the branch `name`, names of routes before and now."""

    key: str
    name: str
    before: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RouteCount:
    """How many events take a route now, and did before; None where the route is new."""

    key: str
    name: str
    now: int
    before: int | None


@dataclass(frozen=True, kw_only=True)
class BranchCount:
    """A branch of the draft over all events that start it. `turned` take another route than before.

    `untold` cannot be told, because that depends on `because`.
    """

    key: str
    name: str
    routes: tuple[RouteCount, ...]
    turned: int
    untold: int
    because: tuple[str, ...]


class RouteSimulator:
    """Follows events through one definition; its conditions are read once."""

    def __init__(self, definition: Definition, until: float) -> None:
        self.definition = definition
        self.branches = {step.key: step for _, step in walk(definition.steps) if isinstance(step, BranchStep)}
        self._until = until
        steps = [step for _, step in walk(definition.steps) if isinstance(step, ActionStep)]
        self._written = {f"vars.{step.save_as}" for step in steps if step.save_as and not step.disabled}
        self._rules = {
            (branch.key, arm.key): _readable(arm) for branch in self.branches.values() for arm in branch.arms
        }

    def follow(self, event: Mapping[str, Any]) -> dict[str, RouteResult]:
        """The branches that the event comes to, by key: those inside a route only where that is taken."""
        found: dict[str, RouteResult] = {}
        self._sequence(self.definition.steps, {"event": event, "vars": self.definition.vars}, found)
        return found

    def _sequence(self, steps: list[Step], scope: Mapping[str, Any], found: dict[str, RouteResult]) -> bool:
        """Whether the run goes on after these steps, as far as that is known."""
        for step in steps:
            if step.disabled:
                continue
            match step:
                case StopStep():
                    return False
                case BranchStep():
                    taken = found[step.key] = self._taken(step, scope)
                    for key in taken.routes or ():
                        if not self._sequence(_steps_of(step, key), scope, found):
                            return False
                case ParallelStep():
                    for lane in step.arms:
                        self._sequence(lane.steps, scope, found)
                case ForEachStep() | RepeatStep():
                    self._sequence(step.steps, scope, found)
                case TryStep():
                    goes_on = self._sequence(step.steps, scope, found)
                    if not (self._sequence(step.always, scope, found) and goes_on):
                        return False
        return True

    def _taken(self, branch: BranchStep, scope: Mapping[str, Any]) -> RouteResult:
        holding: list[str] = []
        for arm in branch.arms:
            holds = self._holds(branch, arm, scope)
            if isinstance(holds, str):
                return RouteResult(None, holds)
            if holds:
                holding.append(arm.key)
                if branch.match == "first":
                    break
        return RouteResult(tuple(holding) or (OTHERWISE,))

    def _holds(self, branch: BranchStep, arm: Route, scope: Mapping[str, Any]) -> bool | str:
        """Or what it depends on."""
        rule = self._rules[branch.key, arm.key]
        if isinstance(rule, str):
            return rule
        for path in rule.paths:
            if path.partition(".")[0] not in scope or any(_overlap(path, name) for name in self._written):
                return path or "everything there is"
        if time.monotonic() > self._until:
            return _SLOW
        try:
            return rule.holds(scope)
        except RuleError:
            return _SLOW


@dataclass(frozen=True)
class RoutePreview:
    """What came of following events on both: `turns` of each, and the draft's branches that some event comes to."""

    turns: list[list[RouteChange]]
    branches: list[BranchCount]


def preview_routes(
    before: Definition | None, now: Definition, events: Sequence[tuple[Mapping[str, Any], bool, bool]]
) -> RoutePreview:
    """Follow each event, given with whether it starts what is published and the draft."""
    until = time.monotonic() + SECONDS
    old, new = RouteSimulator(before, until) if before else None, RouteSimulator(now, until)
    was = [old.follow(event) if old and started else {} for event, started, _ in events]
    found = [new.follow(event) if starts else {} for event, _, starts in events]
    branches = [
        _count_branch(branch, old.branches.get(branch.key) if old else None, was, found)
        for branch in new.branches.values()
        if any(branch.key in each for each in found)
    ]
    turns = [list(_route_changes(old, new, *pair)) if old else [] for pair in zip(was, found, strict=True)]
    return RoutePreview(turns, branches)


def _count_branch(
    branch: BranchStep, old: BranchStep | None, was: list[dict[str, RouteResult]], now: list[dict[str, RouteResult]]
) -> BranchCount:
    here = [(each.get(branch.key), other.get(branch.key)) for each, other in zip(was, now, strict=True)]
    known = {key for key, _ in _names(old)}
    return BranchCount(
        key=branch.key,
        name=_name(branch),
        routes=tuple(
            RouteCount(
                key=key,
                name=name,
                now=sum(bool(taken and key in (taken.routes or ())) for _, taken in here),
                before=sum(bool(taken and key in (taken.routes or ())) for taken, _ in here) if key in known else None,
            )
            for key, name in _names(branch)
        ),
        turned=sum(_differ(*pair) for pair in here),
        untold=sum(taken is not None and taken.routes is None for _, taken in here),
        because=tuple(dict.fromkeys(taken.because for _, taken in here if taken and taken.because)),
    )


def _route_changes(
    before: RouteSimulator, now: RouteSimulator, was: dict[str, RouteResult], found: dict[str, RouteResult]
) -> Iterator[RouteChange]:
    for key, taken in found.items():
        if _differ(was.get(key), taken):
            old, new = dict(_names(before.branches[key])), dict(_names(now.branches[key]))
            yield RouteChange(
                key=key,
                name=_name(now.branches[key]),
                before=tuple(old[route] for route in was[key].routes or ()),
                now=tuple(new[route] for route in taken.routes or ()),
            )


def _differ(was: RouteResult | None, now: RouteResult | None) -> bool:
    return bool(was and now and was.routes is not None and now.routes is not None and was.routes != now.routes)


def _names(branch: BranchStep | None) -> list[tuple[str, str]]:
    """Routes as people call them, in order."""
    if branch is None:
        return []
    arms = [(arm.key, arm.name or arm.key.replace("_", " ").capitalize()) for arm in branch.arms]
    return [*arms, (OTHERWISE, "Otherwise")]


def _name(branch: BranchStep) -> str:
    return branch.name or branch.key.replace("_", " ").capitalize()


def _steps_of(branch: BranchStep, route: str) -> list[Step]:
    return next((arm.steps for arm in branch.arms if arm.key == route), branch.otherwise)


def _readable(arm: Route) -> Rule | str:
    """The rule; or why it cannot be told beforehand."""
    try:
        rule = read_rule(arm.when)
    except RuleError:
        return _UNREADABLE
    return _TIME if '"now":' in json.dumps(arm.when) else rule


def _overlap(path: str, name: str) -> bool:
    """Whether one of two dotted names is the other, or stands in it."""
    return f"{path}.".startswith(f"{name}.") or f"{name}.".startswith(f"{path}.")
