"""How much a rendering has to work on, found in no time: counting ends where it is too much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_core.errors import DeferredError
from automate_core.expressions.json_path import ABSENT, Path, Scope, part_of
from automate_core.expressions.templating.limits import ITEM_SIZE, LIGHT_SIZE


def are_small(scope: Scope, paths: Iterable[Path]) -> bool:
    """Whether all the values at these paths together are small enough to be worked on at once."""
    return is_small([_value(scope, path) for path in paths])


def is_small(value: Any) -> bool:
    """Whether a value is."""
    left, waiting = LIGHT_SIZE, [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str):
            left -= len(inner)
        elif isinstance(inner, list | dict):
            left -= ITEM_SIZE * len(inner)
            if left >= 0:
                waiting.extend([*inner, *inner.values()] if isinstance(inner, dict) else inner)
        if left < 0:
            return False
    return True


def _value(scope: Scope, path: Path) -> Any:
    """The value there; None for what is missing or cannot be read, which rendering tells."""
    value: Any = scope
    try:
        for part in path:
            value = part_of(value, part)
    except DeferredError:
        return None
    return None if value is ABSENT else value
