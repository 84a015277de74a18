"""Frames: what expressions see at a place of the tree."""

from __future__ import annotations

from typing import Any

import msgspec

from automate_core import artifacts
from automate_core.engine.records import StepRecord
from automate_core.expressions.json_path import ABSENT, Deferred, part_of


class Frame:
    """What expressions see at a place: the whole run's, or an iteration's of a loop. `prefix` begins its paths."""

    __slots__ = ("prefix", "scope", "steps", "vars")

    def __init__(self, prefix: str, scope: dict[str, Any]) -> None:
        self.prefix = prefix
        self.scope = scope
        self.steps: dict[str, Any] = scope["steps"]
        self.vars: dict[str, Any] = scope["vars"]

    def at(self, prefix: str) -> Frame:
        """The same, further down the tree."""
        return Frame(prefix, self.scope)

    def seeing(self, **names: Any) -> Frame:
        """The same with further names."""
        return Frame(self.prefix, {**self.scope, **names})

    def apart(self, prefix: str, **names: Any) -> Frame:
        """One whose variables stay inside."""
        return Frame(prefix, {**self.scope, "vars": dict(self.vars), **names})

    def still(self) -> dict[str, Any]:
        """What expressions see here now, for a thread beside the walk: nothing is added to it any more."""
        return {**self.scope, "steps": dict(self.steps), "vars": dict(self.vars)}

    def remember(self, key: str, output: Any) -> None:
        """Later steps see the output."""
        self.steps[key] = {"output": output}

    def keep(self, key: str, step: StepRecord) -> None:
        """Later steps see what is recorded of a step: of a file when they look into it."""
        file = step.output_file
        if file is None:
            self.remember(key, msgspec.json.decode(step.output or b"null"))
        else:
            self.steps[key] = Deferred(lambda: {"output": artifacts.value_of(file)})

    def output(self, key: str) -> Any:
        """What they see; None where the step gave nothing. Raises DocumentError."""
        value = part_of(part_of(self.steps, key), "output")
        return None if value is ABSENT else value
