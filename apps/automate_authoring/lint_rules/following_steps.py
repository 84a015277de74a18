"""What runs after a step, and whether a step reads a value of another one."""

from __future__ import annotations

import re

import msgspec

from automate_core.definition.document import Step
from automate_core.definition.slots import StepIndex, StepPosition, slots, with_slot

_READINGS = r"\b%(names)s\b(?:\s*\.\s*%(key)s\b|\s*\[\W*%(key)s\W*\]|(?!\s*[.\[]))"


def following_steps(index: StepIndex, position: StepPosition) -> list[Step]:
    """The enabled steps that run after it, nearest first: those behind it, and behind each step around it."""
    found: list[Step] = []
    here: StepPosition | None = position
    while here is not None:
        found += [step for step in here.siblings[here.index + 1 :] if not step.disabled]
        here = index.at(here.path[:-1])
    return found


def reads_value(step: Step, names: str, key: str, *, inside: bool = True, but: str = "") -> bool:
    """Whether an expression or a condition of the step may read `names.KEY`, such as `steps.ask`, or all of `names`.

    With `inside`, also one of the steps in it. `but` is a pattern of what may follow without counting.
    """
    if not inside:
        for slot in slots(step):
            step = with_slot(step, slot.key, [])
    written = msgspec.json.encode(step).decode()
    pattern = _READINGS % {"names": names, "key": key} + (f"(?!{but})" if but else "")
    return re.search(pattern, written) is not None
