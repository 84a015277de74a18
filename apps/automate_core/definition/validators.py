"""Registry of checks by the kind of trigger or step, for faults that only the owner of that kind can see.

The owner registers its check with `@validates(Kind)`; `AutomateCoreConfig.ready` imports the owners.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from automate_core.definition.document import Problem

type Check[T] = Callable[[T, str], Iterator[Problem]]

_CHECKS: defaultdict[type, list[Check[Any]]] = defaultdict(list)


def validates[T](kind: type[T]) -> Callable[[Check[T]], Check[T]]:
    """Register a check of each `kind` in a definition; it is given the object and its place, `triggers[0]`."""

    def register(check: Check[T]) -> Check[T]:
        _CHECKS[kind].append(check)
        return check

    return register


def registered_problems(item: Any, place: str) -> Iterator[Problem]:
    """Problems that the registered checks find at `item`."""
    for check in _CHECKS[type(item)]:
        yield from check(item, place)
