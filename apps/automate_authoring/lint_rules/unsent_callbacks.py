"""Waits for an answer at a URL that no earlier step sends to anybody."""

from __future__ import annotations

from collections.abc import Iterator

from automate_authoring.lint_rules.following_steps import reads_value
from automate_core.definition.document import Definition, ParallelStep, Problem, WaitStep
from automate_core.definition.slots import StepIndex, StepPosition
from automate_plugins import text


def find_unsent_callbacks(definition: Definition) -> Iterator[Problem]:
    """Warn of waits for a callback, and for a form that only its link opens, whose URL no step reads beforehand."""
    index = StepIndex(definition.steps, enabled_only=True)
    for number, position in enumerate(index.positions):
        step = position.step
        if not isinstance(step, WaitStep) or not (step.callback or (step.form and step.shown_to == "link")):
            continue
        others = [*index.positions[:number], *_beside(index, position)]
        if not any(reads_value(other.step, "callbacks", step.key, inside=False) for other in others):
            reason = text(
                "No earlier step sends the URL that answers this step. Put %(expression)s into one.",
                expression=f"{{{{ callbacks.{step.key} }}}}",
            )
            yield Problem(position.place, reason)


def _beside(index: StepIndex, position: StepPosition) -> Iterator[StepPosition]:
    """The steps in other branches that run at the same time."""
    for depth, parent in enumerate(position.parents):
        if isinstance(parent, ParallelStep):
            around = position.path[: depth + 1]
            for other in index:
                if other.path[: depth + 1] == around and other.slots[depth : depth + 1] != (position.slots[depth],):
                    yield other
