"""Scope: the names that expressions can use at a place of the step tree."""

from __future__ import annotations

from typing import Any

import msgspec

from automate_core import artifacts
from automate_core.engine.records import StepRecord
from automate_core.expressions.json_path import ABSENT, Deferred, part_of


class Scope:
    """The `names` of the whole run, or of an iteration of a loop. `prefix` begins the paths of the steps there."""

    __slots__ = ("names", "prefix", "steps", "vars")

    def __init__(self, prefix: str, names: dict[str, Any]) -> None:
        self.prefix = prefix
        self.names = names
        self.steps: dict[str, Any] = names["steps"]
        self.vars: dict[str, Any] = names["vars"]

    def nested(self, prefix: str) -> Scope:
        """The same scope at a deeper path: what is bound in one is seen in the other."""
        return Scope(prefix, self.names)

    def with_names(self, **names: Any) -> Scope:
        """The same scope with further names."""
        return Scope(self.prefix, {**self.names, **names})

    def isolated(self, prefix: str, **names: Any) -> Scope:
        """A scope whose variables are its own, with further names."""
        return Scope(prefix, {**self.names, "vars": dict(self.vars), **names})

    def snapshot(self) -> dict[str, Any]:
        """The names as they are now, for a thread beside the walk: nothing is added to them any more."""
        return {**self.names, "steps": dict(self.steps), "vars": dict(self.vars)}

    def set_output(self, key: str, output: Any) -> None:
        """Let later steps see a value as the output of a step."""
        self.steps[key] = {"output": output}

    def bind(self, key: str, step: StepRecord) -> None:
        """Let later steps see the recorded output of a step; a file is read when an expression looks into it."""
        file = step.output_file
        if file is None:
            self.set_output(key, msgspec.json.decode(step.output or b"null"))
        else:
            self.steps[key] = Deferred(lambda: {"output": artifacts.read_value(file)})

    def output(self, key: str) -> Any:
        """The output of a step; None where it gave nothing. Raises DocumentError."""
        value = part_of(part_of(self.steps, key), "output")
        return None if value is ABSENT else value
