"""Simulation of the routes that events would take, as far as the event, the variables and what is computed from them
decide it.

No step with an effect runs: only those that compute, outside of loops and parallel branches. A condition on the output
of any other step, the run, a loop item or the current time is unknown. Steps after an error, a timeout or an approval
are not followed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.publishing.pure_steps import read_pure_step
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
)
from automate_core.definition.slots import walk
from automate_core.definition.step_names import title_of_key
from automate_core.expressions.json_logic import Rule, RuleError, read_rule
from automate_governance.texts import translated
from automate_plugins import text

SECONDS = 2.0  #: after this, the remaining conditions stay undecided: each may be as slow as in a run

_UNREADABLE = text("an invalid condition")
_SLOW = text("conditions that are slow to evaluate")
_TIME = text("the current time")
_EVERYTHING = text("all data of the run")


@dataclass(frozen=True)
class RouteResult:
    """The routes that an event takes at one branch, by key; None when that `depends_on` something unknown."""

    routes: tuple[str, ...] | None
    depends_on: str = ""


@dataclass(frozen=True, kw_only=True)
class RouteChange:
    """A branch at which an event takes other routes than before: the branch's name and the names of the routes."""

    key: str
    name: str
    before: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RouteCount:
    """Number of events that take a route, in the draft and published; `before` is None for a new route."""

    key: str
    name: str
    now: int
    before: int | None


@dataclass(frozen=True, kw_only=True)
class BranchCount:
    """A branch of the draft over all events that start it. `rerouted` events take another route than before.

    `undecided` events depend on values that only a run has, named in `depends_on`.
    """

    key: str
    name: str
    routes: tuple[RouteCount, ...]
    rerouted: int
    undecided: int
    depends_on: tuple[str, ...]


@dataclass
class _Simulated:
    """Values of an event's run. `unknown` are the variables that a step outside the simulation may have set."""

    scope: dict[str, Any]
    unknown: set[str] = field(default_factory=set)
    results: dict[str, RouteResult] = field(default_factory=dict)

    def knows(self, path: str) -> bool:
        """Whether the value at the path is the one that a run would see."""
        root, _dot, rest = path.partition(".")
        if root == "steps":
            return rest.partition(".")[0] in self.scope["steps"]
        return root in self.scope and not any(_overlap(path, name) for name in self.unknown)

    def forget(self, *steps: Step) -> None:
        """Whatever these steps set is unknown from here on."""
        inner = [step for __, step in walk([*steps]) if isinstance(step, ActionStep) and not step.disabled]
        self.unknown |= {f"vars.{step.save_as}" for step in inner if step.save_as}


class RouteSimulator:
    """Simulation of the branches of one definition. Conditions are compiled once, whatever the number of events."""

    def __init__(self, definition: Definition, until: float) -> None:
        self.definition = definition
        self.branches = {step.key: step for __, step in walk(definition.steps) if isinstance(step, BranchStep)}
        self._until = until
        self._names = {step.key: step.name or title_of_key(step.key) for __, step in walk(definition.steps)}
        steps = [step for __, step in walk(definition.steps) if isinstance(step, ActionStep)]
        self._pure = {step.key: read_pure_step(step) for step in steps}
        self._rules = {
            (branch.key, route.key): _simulated_rule(route)
            for branch in self.branches.values()
            for route in branch.arms
        }

    def simulate(self, event: Mapping[str, Any]) -> dict[str, RouteResult]:
        """Results by key of the branches that the event reaches: those inside a route only where it is taken."""
        simulated = _Simulated({"event": event, "vars": dict(self.definition.vars), "steps": {}})
        self._sequence(self.definition.steps, simulated)
        return simulated.results

    def _sequence(self, steps: list[Step], simulated: _Simulated, *, once: bool = True) -> bool:
        """Whether the run continues after these steps, as far as that is known. In a loop, or beside other steps, they
        do not run `once` in order: none is computed."""
        for step in steps:
            if step.disabled:
                continue
            match step:
                case StopStep():
                    return False
                case BranchStep():
                    result = simulated.results[step.key] = self._branch_result(step, simulated)
                    if result.routes is None:
                        simulated.forget(step)
                    for key in result.routes or ():
                        if not self._sequence(_steps_of(step, key), simulated, once=once):
                            return False
                case ParallelStep():
                    simulated.forget(step)
                    for parallel_branch in step.arms:
                        self._sequence(parallel_branch.steps, simulated, once=False)
                case ForEachStep() | RepeatStep():
                    simulated.forget(step)
                    self._sequence(step.steps, simulated, once=False)
                case TryStep():
                    continues = self._sequence(step.steps, simulated, once=once)
                    simulated.forget(*step.on_error)
                    if not (self._sequence(step.always, simulated, once=once) and continues):
                        return False
                case ActionStep() if once and self._compute(step, simulated):
                    pass
                case _:
                    simulated.forget(step)
        return True

    def _compute(self, step: ActionStep, simulated: _Simulated) -> bool:
        """Whether the step only computes and its output follows from what is known."""
        pure = self._pure[step.key]
        if pure is None or not all(map(simulated.knows, pure.paths)) or time.monotonic() > self._until:
            return False
        try:
            output = pure.output(simulated.scope)
        except LookupError:
            return False
        simulated.scope["steps"][step.key] = {"output": output}
        if step.save_as:
            simulated.scope["vars"][step.save_as] = output
            simulated.unknown.discard(f"vars.{step.save_as}")
        return True

    def _branch_result(self, branch: BranchStep, simulated: _Simulated) -> RouteResult:
        holding: list[str] = []
        for route in branch.arms:
            holds = self._holds(branch, route, simulated)
            if isinstance(holds, str):
                return RouteResult(None, holds)
            if holds:
                holding.append(route.key)
                if branch.match == "first":
                    break
        return RouteResult(tuple(holding) or (OTHERWISE,))

    def _holds(self, branch: BranchStep, route: Route, simulated: _Simulated) -> bool | str:
        """Whether the route's condition holds, or the name of what that depends on."""
        rule = self._rules[branch.key, route.key]
        if isinstance(rule, str):
            return rule
        for path in rule.paths:
            if not simulated.knows(path):
                return self._unknown(path)
        if time.monotonic() > self._until:
            return _SLOW
        try:
            return rule.holds(simulated.scope)
        except RuleError:
            return _SLOW

    def _unknown(self, path: str) -> str:
        """What a value depends on that only a run has, by the name of the step that returns it."""
        root, _dot, rest = path.partition(".")
        key = rest.partition(".")[0]
        if root == "steps" and key in self._names:
            return text("what %(step)s returns", step=self._names[key])
        return path or _EVERYTHING


@dataclass(frozen=True)
class RoutePreview:
    """`changes` of each event between both definitions, and the draft's branches that at least one event reaches."""

    changes: list[list[RouteChange]]
    branches: list[BranchCount]


def preview_routes(
    before: Definition | None, now: Definition, events: Sequence[tuple[Mapping[str, Any], bool, bool]]
) -> RoutePreview:
    """Simulate `events`, each given with whether it starts the published version and whether it starts the draft."""
    until = time.monotonic() + SECONDS
    old, new = RouteSimulator(before, until) if before else None, RouteSimulator(now, until)
    old_results = [old.simulate(event) if old and started else {} for event, started, _ in events]
    new_results = [new.simulate(event) if starts else {} for event, _, starts in events]
    branches = [
        _count_branch(branch, old.branches.get(branch.key) if old else None, old_results, new_results)
        for branch in new.branches.values()
        if any(branch.key in results for results in new_results)
    ]
    pairs = zip(old_results, new_results, strict=True)
    changes = [list(_route_changes(old, new, *pair)) if old else [] for pair in pairs]
    return RoutePreview(changes, branches)


def _count_branch(
    branch: BranchStep, old: BranchStep | None, was: list[dict[str, RouteResult]], now: list[dict[str, RouteResult]]
) -> BranchCount:
    here = [(each.get(branch.key), other.get(branch.key)) for each, other in zip(was, now, strict=True)]
    known = {key for key, __ in _names(old)}
    return BranchCount(
        key=branch.key,
        name=_name(branch),
        routes=tuple(
            RouteCount(
                key=key,
                name=name,
                now=sum(bool(taken and key in (taken.routes or ())) for __, taken in here),
                before=sum(bool(taken and key in (taken.routes or ())) for taken, __ in here) if key in known else None,
            )
            for key, name in _names(branch)
        ),
        rerouted=sum(_differ(*pair) for pair in here),
        undecided=sum(result is not None and result.routes is None for __, result in here),
        depends_on=tuple(dict.fromkeys(translated(each.depends_on) for __, each in here if each and each.depends_on)),
    )


def _route_changes(
    old: RouteSimulator, new: RouteSimulator, before: dict[str, RouteResult], now: dict[str, RouteResult]
) -> Iterator[RouteChange]:
    for key, result in now.items():
        if _differ(before.get(key), result):
            old_names, new_names = dict(_names(old.branches[key])), dict(_names(new.branches[key]))
            yield RouteChange(
                key=key,
                name=_name(new.branches[key]),
                before=tuple(old_names[route] for route in before[key].routes or ()),
                now=tuple(new_names[route] for route in result.routes or ()),
            )


def _differ(was: RouteResult | None, now: RouteResult | None) -> bool:
    return bool(was and now and was.routes is not None and now.routes is not None and was.routes != now.routes)


def _names(branch: BranchStep | None) -> list[tuple[str, str]]:
    """(key, label) of each route, in order."""
    if branch is None:
        return []
    routes = [(route.key, route.name or route.key.replace("_", " ").capitalize()) for route in branch.arms]
    return [*routes, (OTHERWISE, _("Otherwise"))]


def _name(branch: BranchStep) -> str:
    return branch.name or branch.key.replace("_", " ").capitalize()


def _steps_of(branch: BranchStep, key: str) -> list[Step]:
    return next((route.steps for route in branch.arms if route.key == key), branch.otherwise)


def _simulated_rule(route: Route) -> Rule | str:
    """The rule, or why it cannot be decided before a run."""
    try:
        rule = read_rule(route.when)
    except RuleError:
        return _UNREADABLE
    return _TIME if '"now":' in json.dumps(route.when) else rule


def _overlap(path: str, name: str) -> bool:
    """Whether one of two dotted names equals or contains the other."""
    return f"{path}.".startswith(f"{name}.") or f"{name}.".startswith(f"{path}.")
