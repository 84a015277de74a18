"""The names that expressions can use at each place of a definition.

The one algorithm: validation accepts a name when it is in the scope, and the builder offers what is in the scope.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from automate_core.definition.document import (
    OTHERWISE,
    ActionStep,
    ApprovalStep,
    BranchStep,
    Definition,
    ForEachStep,
    RepeatStep,
    Step,
    TryStep,
    WaitStep,
)
from automate_core.definition.slots import Slot, StepIndex, slots, walk

NAMES = frozenset({"event", "steps", "run", "vars", "callbacks"})
BEFORE_A_RUN = frozenset({"event", "vars"})  #: the names of what is computed before a run starts
EVENT_NAMES = ("payload", "type", "source", "headers", "id", "time")
ERROR_NAMES = ("code", "message", "step", "details", "retryable", "retry_after")


@dataclass(frozen=True)
class RunCondition:
    """Reason why a step may not have run: it stands in a `slot` of `step`, or `step` itself is disabled (no slot).

    `is_enclosing`: the place that asks stands in a later slot of the same step.
    """

    step: Step
    slot: Slot | None = None
    is_enclosing: bool = False


@dataclass(frozen=True)
class AvailableStep:
    """A step whose output can be named, and the innermost condition on which it has run; None when it always has."""

    step: Step
    condition: RunCondition | None = None


def _no_name(_key: str) -> str:
    return ""


@dataclass(frozen=True)
class NameScope:
    """The names at one place: `steps` in reading order, enclosing `loops` outermost first, variables and callbacks."""

    variables: frozenset[str] = frozenset()
    callbacks: frozenset[str] = frozenset()
    names: frozenset[str] = NAMES
    steps: tuple[AvailableStep, ...] = ()
    loops: tuple[ForEachStep | RepeatStep, ...] = ()
    depth: int = 1
    deleted_name: Callable[[str], str] = _no_name  #: the name that a deleted step had, by key; empty if it is not known

    @functools.cached_property
    def step_keys(self) -> frozenset[str]:
        """The keys that can follow `steps.`."""
        return frozenset(available.step.key for available in self.steps)

    def after(self, step: Step) -> NameScope:
        """The scope behind `step` in the same list. Steps in its slots are known, but for those of loops."""
        if step.disabled:
            return self
        return replace(self, steps=(*self.steps, AvailableStep(step), *_steps_inside(step, None)))

    def inside(self, step: Step, slot_key: str) -> NameScope:
        """The scope at the first step in a slot of `step`, given the scope at `step` itself."""
        inner = replace(self, depth=self.depth + 1)
        match step:
            case ForEachStep():
                return replace(inner, names=self.names | {"item", "index"}, loops=(*self.loops, step))
            case RepeatStep():
                return replace(inner, names=self.names | {"index"}, loops=(*self.loops, step))
            case ActionStep():
                return replace(inner, names=self.names | {"error"})
            case ApprovalStep():
                return replace(inner, steps=(*self.steps, AvailableStep(step)))
            case TryStep() if slot_key != "steps":
                names = self.names | {"error"} if slot_key == "on_error" else self.names
                return replace(inner, names=names, steps=(*self.steps, *_steps_in(step, "steps")))
            case BranchStep(match="all") if slot_key != OTHERWISE:  # its routes run one after the other
                earlier = [slot.key for slot in slots(step)]
                earlier = earlier[: earlier.index(slot_key)] if slot_key in earlier else []
                return replace(inner, steps=(*self.steps, *(each for key in earlier for each in _steps_in(step, key))))
        return inner

    def at_condition(self, step: Step) -> NameScope:
        """The scope of the step's own condition: a repeat decides `until` after its steps."""
        if not isinstance(step, RepeatStep):
            return self
        body = self.inside(step, "steps")
        return replace(body, steps=(*body.steps, *_steps_in(step, "steps")))


def root_scope(definition: Definition) -> NameScope:
    """The scope at the first step of a definition."""
    steps = [step for _, step in walk(definition.steps)]
    saved = {step.save_as for step in steps if isinstance(step, ActionStep) and step.save_as}
    callbacks = {step.key for step in steps if isinstance(step, WaitStep) and (step.callback or step.form)}
    return NameScope(frozenset(definition.vars) | saved, frozenset(callbacks))


def scope_at(definition: Definition, key: str) -> NameScope:
    """The scope at the step with that key; the root scope when there is no such step."""
    scope, position = root_scope(definition), StepIndex(definition.steps).find(key)
    if position is None:
        return scope
    steps = definition.steps
    for parent, slot in zip(position.parents, position.slots, strict=True):
        scope = _behind_earlier(scope, steps, parent).inside(parent, slot.key)
        steps = slot.steps
    return _behind_earlier(scope, steps, position.step)


def scope_at_condition(definition: Definition, key: str) -> NameScope:
    """The scope of the condition of the step with that key."""
    scope, position = scope_at(definition, key), StepIndex(definition.steps).find(key)
    return scope.at_condition(position.step) if position else scope


def _behind_earlier(scope: NameScope, steps: list[Step], step: Step) -> NameScope:
    for earlier in steps:
        if earlier is step:
            break
        scope = scope.after(earlier)
    return scope


def _steps_in(step: Step, slot_key: str) -> Iterator[AvailableStep]:
    """The steps in one slot of `step`, as a later slot of it names them."""
    slot = next((slot for slot in slots(step) if slot.key == slot_key), None)
    if slot is not None:
        condition = RunCondition(step, slot, is_enclosing=True) if _is_optional(step, slot) else None
        yield from _steps_of_slot(slot, condition)


def _steps_inside(step: Step, condition: RunCondition | None) -> Iterator[AvailableStep]:
    """The steps in all slots of `step`; none of a loop, whose steps have one output for each item."""
    if not isinstance(step, ForEachStep | RepeatStep):
        for slot in slots(step):
            yield from _steps_of_slot(slot, RunCondition(step, slot) if _is_optional(step, slot) else condition)


def _steps_of_slot(slot: Slot, condition: RunCondition | None) -> Iterator[AvailableStep]:
    for inner in slot.steps:
        reason = RunCondition(inner) if inner.disabled else condition
        yield AvailableStep(inner, reason)
        yield from _steps_inside(inner, reason)


def _is_optional(step: Step, slot: Slot) -> bool:
    """Whether `step` can succeed without running the slot's steps to their end."""
    if isinstance(step, TryStep):
        return slot.key != "always"
    return isinstance(step, BranchStep | ApprovalStep | ActionStep | WaitStep)
