"""Size of the values that a rendering works on. Counting stops at the limit, so it is always fast."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_core.errors import DeferredError
from automate_core.expressions.json_path import ABSENT, Path, Scope, part_of
from automate_core.expressions.templating.limits import ITEM_SIZE, LIGHT_SIZE


def are_small(scope: Scope, paths: Iterable[Path]) -> bool:
    """Whether all the values at these paths together are small enough to be processed in this process."""
    return is_small([_value(scope, path) for path in paths])


def is_small(value: Any) -> bool:
    """Whether a value has at most `LIGHT_SIZE` characters, each item counted as `ITEM_SIZE`."""
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
    """Return the value at `path`; None when it is missing or cannot be loaded, which rendering reports."""
    value: Any = scope
    try:
        for part in path:
            value = part_of(value, part)
    except DeferredError:
        return None
    return None if value is ABSENT else value
