"""Scope of a step: earlier steps in reading order, and why the output of some may be missing.

The same steps that `automate_core.definition.validation` allows. Values in, values out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from automate_core.authoring.drafts.values import Draft, StepNode
from automate_core.definition.document import OTHERWISE, TIMEOUT

type Lists = Mapping[tuple[str, str], list[StepNode]]
_LOOPS = {"for_each", "repeat"}


@dataclass(frozen=True)
class AvailableStep:
    """An earlier step. `only_if` says when it has run, as in "only if …"; empty for always."""

    node: StepNode
    only_if: str = ""


@dataclass(frozen=True)
class Enclosing:
    """Containers of a step: loops, outermost first, and whether it handles an error."""

    loops: tuple[StepNode, ...] = ()
    catches: bool = False

    @property
    def items(self) -> list[StepNode]:
        """Loops over lists: `item` is the last one's."""
        return [loop for loop in self.loops if loop.kind == "for_each"]


def available_steps(draft: Draft, node: StepNode) -> list[AvailableStep]:
    """Steps whose output is in scope at `node`, in reading order."""
    lists = draft.lists()
    found: list[AvailableStep] = []
    chain = [*_containers(draft, node), node]
    for at, holder in enumerate(chain):
        for other in lists.get(holder.place, ()):
            if other.key == holder.key:
                break
            if not other.disabled:
                found += [AvailableStep(other), *_steps_inside(other, lists, "")]
        if at + 1 < len(chain):
            found += _steps_within_slot(holder, chain[at + 1].slot, lists)
    return found


def enclosing(draft: Draft, node: StepNode) -> Enclosing:
    """Loops around the step, and whether `error` is in scope."""
    chain = [*_containers(draft, node), node]
    loops = tuple(holder for holder in chain[:-1] if holder.kind in _LOOPS)
    slots = [inner.slot for holder, inner in itertools.pairwise(chain) if holder.kind in {"try", "action"}]
    return Enclosing(loops, "on_error" in slots)


def _containers(draft: Draft, node: StepNode) -> list[StepNode]:
    """Containers of the step, outermost first."""
    found: list[StepNode] = []
    at = draft.steps.get(node.parent)
    while at is not None:
        found.insert(0, at)
        at = draft.steps.get(at.parent)
    return found


def _steps_within_slot(holder: StepNode, slot: str, lists: Lists) -> Iterator[AvailableStep]:
    """Steps in scope in a slot of `holder`, beyond those in scope at `holder`."""
    if holder.kind == "approval":
        yield AvailableStep(holder)
    elif holder.kind == "try" and slot in {"on_error", "always"}:
        yield from _steps_of_slot(holder, "steps", lists, "it got that far")
    elif holder.kind == "branch" and holder.settings.get("match") == "all" and slot != OTHERWISE:
        for lane in holder.lanes:
            if lane["key"] == slot:
                break
            yield from _steps_of_slot(holder, lane["key"], lists, _slot_condition(holder, lane["key"]))


def _steps_inside(node: StepNode, lists: Lists, only_if: str) -> Iterator[AvailableStep]:
    """Steps inside an earlier one, without those of loops."""
    if node.kind not in _LOOPS:
        for slot in node.slots:
            yield from _steps_of_slot(node, slot, lists, _slot_condition(node, slot) or only_if)


def _steps_of_slot(node: StepNode, slot: str, lists: Lists, only_if: str) -> Iterator[AvailableStep]:
    for inner in lists.get((node.key, slot), ()):
        why = f"{inner.label} is on" if inner.disabled else only_if
        yield AvailableStep(inner, why)
        yield from _steps_inside(inner, lists, why)


def _slot_condition(node: StepNode, slot: str) -> str:
    """When the steps of a slot run; empty for always."""
    lane = next((lane.get("name") or lane["key"] for lane in node.lanes if lane["key"] == slot), "")
    if node.kind == "branch":
        return f"{node.label} took {lane or 'Otherwise'}"
    if slot == TIMEOUT:
        return f"{node.label} ran out of time"
    if node.kind == "approval":
        return f"{node.label} gave {lane}"
    if slot == "on_error":
        return f"{node.label} failed"
    return f"{node.label} went well" if node.kind == "try" and slot == "steps" else ""
