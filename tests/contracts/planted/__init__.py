"""Plug-ins with one fault each, and the case of the contract suite that catches it; and a good one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """A faulty plug-in, the name of the case that tells its fault and in which words, and what its suite says."""

    plugin: type
    case: str
    says: str = ""
    suite: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.plugin.__name__}-{self.case.removeprefix('test_contract_')}"


def planter(faults: list[Fault]) -> Callable[..., Any]:
    """A decorator for faulty classes: `@planted("makes_a_request")`."""

    def planted(case: str, says: str = "", **suite: Any) -> Callable[[type], type]:
        def plant(plugin: type) -> type:
            faults.append(Fault(plugin, f"test_contract_{case}", says, suite))
            return plugin

        return plant

    return planted
