"""Strands: the parts of a walk that go on side by side, each a generator, scheduled in one thread.

A strand asks for what it needs: an `Effect` (something outside), `Parked` (an answer that a wait brings), a `Fork`
(further strands, and to go on when all of them have ended), or a `Breath`. Nothing here knows what a step is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

type Steps = Generator[Ask, Any, Any]


_fates = threading.Lock()


@dataclass(slots=True, eq=False)
class Effect:
    """An attempt that reaches outside: its row is committed as running before it starts.

    `withdrawn` says that nobody wants it any more. Who `takes` it first decides what becomes of it: the thread that
    commits it, or the watch that answers for it.
    """

    step: Any
    node: Any
    params: Any
    withdrawn: bool = False
    taker: str = ""

    def takes(self, taker: str) -> bool:
        """Whether it is, or now becomes, `taker`'s. Callable from any thread."""
        with _fates:
            self.taker = self.taker or taker
            return self.taker == taker


@dataclass(slots=True, eq=False)
class Rendering(Effect):
    """Inputs that a render worker evaluates, beside the walk: no row says so, and nothing of it is recorded.

    `is_withheld`: the step's record has changed, and is written only when its inputs are known.
    """

    is_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """The strand goes on with the answer to the wait at `path`, in this walk or in a later one."""

    path: str


@dataclass(slots=True, eq=False)
class Fork:
    """Strands to run, at most `limit` at once. The first that fails withdraws the others, and fails the asker."""

    strands: Iterator[Steps]
    limit: int
    asker: Strand | None = None
    live: set[Strand] = field(default_factory=set)
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Breath:
    """Nothing but to go on in the next `run`, where this one has had its time."""


type Ask = Effect | Parked | Fork | Breath


@dataclass(slots=True, eq=False)
class Strand:
    """One generator, the fork it belongs to, the one it waits for, and what it has begun and not ended."""

    steps: Steps
    fork: Fork | None = None
    below: Fork | None = None
    parked: str = ""
    withdrawn: bool = False
    begun: list[Any] = field(default_factory=list)


class WithdrawnError(Exception):
    """A strand was withdrawn: it may record what it did, and begins nothing more."""


class Scheduler:
    """Runs strands until each of them waits for something. `give_up` is told of what a withdrawn strand leaves.

    `run` returns after `breath` steps or `seconds`; `resting` says that there is more to do at once.
    """

    def __init__(self, root: Steps, give_up: Callable[[Strand], None], *, breath: int, seconds: float) -> None:
        self.asked: dict[Effect, Strand] = {}
        self.parked: dict[str, Strand] = {}
        self.current = self.root = Strand(root)
        self.ended = False
        self._breath, self._seconds = breath, seconds
        self._until = 0.0
        self._begun = 0
        self._fresh: list[Effect] = []
        self._give_up = give_up
        self._ready: deque[tuple[Strand, Any, Exception | None]] = deque([(self.root, None, None)])

    @property
    def resting(self) -> bool:
        """Whether strands are ready to go on."""
        return bool(self._ready)

    @property
    def is_spent(self) -> bool:
        """Whether this `run` has done enough: others wait."""
        return self._begun >= self._breath or time.monotonic() >= self._until

    def begin(self, record: Any) -> None:
        """The current strand begins a step. Raises WithdrawnError when it may not."""
        self.check()
        self.current.begun.append(record)
        self._begun += 1

    def check(self) -> None:
        """Raises WithdrawnError when the current strand may not go on."""
        if self.current.withdrawn:
            raise WithdrawnError

    def settle(self, record: Any) -> None:
        """The current strand has ended a step well."""
        if record in self.current.begun:
            self.current.begun.remove(record)

    def rest(self) -> None:
        """Begin nothing more in this `run`."""
        self._begun = self._breath

    def answer(self, effect: Effect, outcome: Any) -> None:
        """An effect has ended."""
        self._ready.append((self.asked.pop(effect), outcome, None))

    def resolve(self, path: str, answer: Any) -> None:
        """The wait at `path` has its answer."""
        strand = self.parked.pop(path)
        strand.parked = ""
        self._ready.append((strand, answer, None))

    def run(self) -> list[Effect]:
        """Go on with every strand that can; gives the effects that were asked for."""
        self._begun, self._until = 0, time.monotonic() + self._seconds
        has_begun = False
        while self._ready and not (has_begun and self.is_spent):
            has_begun = True
            strand, value, error = self._ready.popleft()
            ask = self._advance(strand, value, error)
            if isinstance(ask, Effect):
                self.asked[ask] = strand
                self._fresh.append(ask)
            elif isinstance(ask, Parked):
                strand.parked = ask.path
                self.parked[ask.path] = strand
            elif isinstance(ask, Breath):
                self._ready.appendleft((strand, None, None))
            elif isinstance(ask, Fork):
                ask.asker, strand.below = strand, ask
                self._fill(ask)
        effects, self._fresh = self._fresh, []
        return effects

    def _advance(self, strand: Strand, value: Any, error: Exception | None) -> Ask | None:
        """The strand's next ask; None when it has ended."""
        self.current = strand
        strand.below = None
        try:
            ask = strand.steps.throw(error) if error is not None else strand.steps.send(value)
        except StopIteration:
            self._end(strand, None)
            return None
        except WithdrawnError:
            self._end(strand, None)
            return None
        except Exception as failure:  # noqa: BLE001 - handed to the asker, and by the root's steps dealt with
            self._end(strand, failure)
            return None
        if strand.withdrawn:
            strand.steps.close()
            self._end(strand, None)
            return None
        return ask

    def _fill(self, fork: Fork) -> None:
        while fork.failure is None and len(fork.live) < fork.limit:
            steps = next(fork.strands, None)
            if steps is None:
                break
            strand = Strand(steps, fork)
            fork.live.add(strand)
            self._ready.append((strand, None, None))
        if not fork.live and fork.asker is not None:
            self._ready.append((fork.asker, None, fork.failure))

    def _end(self, strand: Strand, failure: Exception | None) -> None:
        if strand.withdrawn:
            self._give_up(strand)
        fork = strand.fork
        if fork is None:
            self.ended = True
            if failure is not None:
                raise failure
            return
        fork.live.discard(strand)
        if failure is not None and fork.failure is None:
            fork.failure = failure
            for other in list(fork.live):
                self._withdraw(other)
        self._fill(fork)

    def _withdraw(self, strand: Strand) -> None:
        """Take a strand back with all below it. One whose effect is running ends when that does."""
        strand.withdrawn = True
        if strand.below is not None:
            strand.below.failure = strand.below.failure or WithdrawnError()
            for inner in list(strand.below.live):
                self._withdraw(inner)
        for effect in [effect for effect, asker in self.asked.items() if asker is strand]:
            effect.withdrawn = True
            if effect not in self._fresh:
                return  # ends when that does
            self._fresh.remove(effect)
            del self.asked[effect]
        if strand.below is not None and strand.below.live:
            return  # ends with the last of those below it
        self._ready = deque(entry for entry in self._ready if entry[0] is not strand)
        self.parked.pop(strand.parked, None)
        strand.steps.close()
        self._give_up(strand)
        if strand.fork is not None:
            strand.fork.live.discard(strand)
