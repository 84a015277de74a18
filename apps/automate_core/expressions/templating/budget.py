"""Budget of one rendering, per thread: time and loop iterations.

Each operation is bounded by the size of its input; the budget bounds the number of operations.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.limits import CLOCK_SECONDS, MAX_ITERATIONS, MAX_SECONDS
from automate_plugins import text


class _Budget(threading.local):
    clock = staticmethod(time.monotonic)
    until = 0.0
    turns = 0


_budget = _Budget()


def start_budget(seconds: float = CLOCK_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
    """Start the budget of a rendering in this thread, with `seconds` measured by `clock`."""
    _budget.clock = clock
    _budget.until = clock() + seconds
    _budget.turns = MAX_ITERATIONS


def is_over() -> bool:
    """Whether the time is used up."""
    return _budget.clock() > _budget.until


def check_time() -> None:
    """Raise TemplateError when the time is used up."""
    if is_over():
        raise TemplateError(text("The expression takes longer than %(seconds)s s.", seconds=float(MAX_SECONDS)))


def count_iteration() -> None:
    """Count one loop iteration. Raises TemplateError when there were too many, or the time is used up."""
    check_time()
    _budget.turns -= 1
    if _budget.turns < 0:
        raise TemplateError(text("The loops go through more than %(maximum)s items.", maximum=MAX_ITERATIONS))
