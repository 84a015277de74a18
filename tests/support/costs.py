"""What work costs, told so that a slow or busy machine changes nothing: CPU time beside a control of the same run."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SOON_SECONDS = 60.0  # of the wall's clock, for what takes hours or for ever once its limit is gone
_DOCUMENT = [{"id": number, "name": f"n{number}", "of": [number] * 5} for number in range(500)]


def cost(work: Callable[[], Any], *, rounds: int = 3) -> float:
    """CPU seconds of this thread for one call: the least of some rounds."""
    spent = []
    for _ in range(rounds):
        started = time.thread_time()
        work()
        spent.append(time.thread_time() - started)
    return min(spent)


def unit() -> float:
    """CPU seconds of a fixed piece of work on this machine at this moment: some milliseconds where nothing else goes on."""
    return cost(_fixed)


@contextmanager
def at_most(units: float) -> Iterator[None]:
    """Fails when its block takes more CPU time than so many units, as measured before and after it.

    Only of its own thread: other tests may have left some that still work. Without the garbage collector, whose
    full rounds cost what the whole process holds, in whichever block they happen to fall.
    """
    before = unit()
    collects = gc.isenabled()
    gc.disable()
    started = time.thread_time()
    try:
        yield
        spent = time.thread_time() - started
    finally:
        if collects:
            gc.enable()
    allowed = units * max(before, unit())
    assert spent <= allowed, f"{spent:.3f} s of work, where {allowed:.3f} s are allowed"


@contextmanager
def soon() -> Iterator[None]:
    """Fails when its block takes a minute, in whatever process: a limit of about a second has not held."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON_SECONDS


def in_proportion(work: Callable[[int], Any], size: int, *, times: int = 16) -> bool:
    """Whether so many times the size costs about as many times as much: a square would miss it by far."""
    small = cost(lambda: work(size)) + 0.0005
    return cost(lambda: work(size * times)) <= 3 * times * small


def _fixed() -> None:
    for _ in range(6):
        json.loads(json.dumps(_DOCUMENT))
        sorted(str(number) for number in range(2_000))
