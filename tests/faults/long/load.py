"""What the long fault tests share: their size, their figures, and deliveries at an even rate."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.faults.harness import Sender

CONCURRENCY = 4


@dataclass(frozen=True)
class Size:
    """How long, how many deliveries, how many kills."""

    seconds: float
    events: int
    kills: int


type Figures = dict[str, Any]


@contextmanager
def sending(sender: Sender, *, per_second: float, to: str = "a") -> Iterator[itertools.count[int]]:
    """Deliveries at an even rate beside the block, each until it is accepted."""
    stop, numbers = threading.Event(), itertools.count()

    def go() -> None:
        while not stop.wait(2 / per_second):
            number = next(numbers)
            with suppress(AssertionError):
                sender.insist(f"{to}-{number}", {"to": to, "n": number}, seconds=60)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield numbers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
