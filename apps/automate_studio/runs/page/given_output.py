"""The output that a person gives in place of a step's: the later steps that read it, and what they look up in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from automate_authoring.output_readers import example_output, find_output_readers
from automate_core.definition.document import Definition, WaitStep
from automate_core.definition.slots import StepIndex
from automate_ui.describe import step_label


@dataclass(frozen=True, kw_only=True)
class GivenOutput:
    """The names of the steps that read the output, and JSON with each field that they look up, as null."""

    readers: tuple[str, ...] = ()
    json: str = ""

    @property
    def reader_names(self) -> str:
        """The names in one text."""
        return ", ".join(self.readers)


def describe_given_output(definition: Definition, key: str) -> GivenOutput:
    """What later steps expect of the output of the step with that key."""
    readers = find_output_readers(definition, key)
    if not readers:
        return GivenOutput()
    shape = example_output(definition, key, _begun(definition, key), leaf=None)
    names = dict.fromkeys(map(step_label, readers))
    return GivenOutput(readers=tuple(names), json=json.dumps(shape, indent=2, ensure_ascii=False) if shape else "")


def _begun(definition: Definition, key: str) -> dict[str, Any]:
    """The part of the output that has the same value whenever the step is answered."""
    position = StepIndex(definition.steps).find(key)
    match position.step if position else None:
        case WaitStep(callback=True):
            return {"outcome": "received", "payload": None}
        case WaitStep(form=[_, *_] as form):
            return {"outcome": "submitted", "form": {asked.name: None for asked in form}}
    return {}
