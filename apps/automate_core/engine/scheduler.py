"""Scheduler: runs the tasks of a walk, each a generator, side by side in one thread.

A task yields a request for what it needs: an `Effect` (something outside), `WaitFor` (the outcome of a durable wait), a
`TaskGroup` (further tasks, to go on when all of them have ended), or a `Pause`. README.md has the whole protocol.
Nothing here knows what a step is.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

type StepGenerator = Generator[Request, Any, Any]


_claims_lock = threading.Lock()


@dataclass(slots=True, eq=False)
class Effect:
    """A request: an attempt that reaches outside. Its row is committed as running before it starts.

    `cancelled` says that its outcome is not wanted any more. The first `claim` decides what becomes of it: the thread
    that commits it, or the watch that answers for it once its time is over. `postponed` are the seconds that it waited
    for the site's database; its deadline moves by them.
    """

    step: Any
    node: Any
    params: Any
    cancelled: bool = False
    claimed_by: str = ""
    postponed: float = 0.0

    def claim(self, claimant: str) -> bool:
        """Whether `claimant` is the first to claim it, now or before. Callable from any thread."""
        with _claims_lock:
            self.claimed_by = self.claimed_by or claimant
            return self.claimed_by == claimant

    def release(self, claimant: str) -> None:
        """Take back a claim: what it was for did not happen."""
        with _claims_lock:
            if self.claimed_by == claimant:
                self.claimed_by = ""


@dataclass(slots=True, eq=False)
class Computation(Effect):
    """A request: a value that a thread of the effect pool computes. It is not an attempt, and nothing records it.

    With `holds_record` the step's record has changed, and is written only when the value is there.
    """

    holds_record: bool = False


@dataclass(frozen=True, slots=True)
class WaitFor:
    """A request: go on when the wait at `path` is resolved, in this walk or in a later one."""

    path: str


@dataclass(slots=True, eq=False)
class TaskGroup:
    """A request: run these tasks, at most `limit` at once. The first that fails cancels the others and the group fails.

    `parent` is the task that yielded it, and goes on when no task of the group is left.
    """

    generators: Iterator[StepGenerator]
    limit: int
    parent: Task | None = None
    running: set[Task] = field(default_factory=set)
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A request: go on in the next `run`, because this one has used its time slice."""


type Request = Effect | WaitFor | TaskGroup | Pause


@dataclass(slots=True, eq=False)
class Task:
    """One generator: the group it belongs to, the group it waits for, and the records of steps it has open."""

    generator: StepGenerator
    group: TaskGroup | None = None
    awaited_group: TaskGroup | None = None
    wait_path: str = ""
    cancelled: bool = False
    open_steps: list[Any] = field(default_factory=list)


class TaskCancelledError(Exception):
    """The task was cancelled: it may record what it did, and begins nothing more."""


class Scheduler:
    """Runs tasks until each of them waits for something. `on_cancelled` is called with each task that was cancelled.

    `run` returns after `max_steps_per_run` steps or `max_seconds_per_run`; `has_ready_tasks` tells that there is more
    to do at once.
    """

    def __init__(
        self,
        root: StepGenerator,
        on_cancelled: Callable[[Task], None],
        *,
        max_steps_per_run: int,
        max_seconds_per_run: float,
    ) -> None:
        self.pending_effects: dict[Effect, Task] = {}
        self.waiting_tasks: dict[str, Task] = {}
        self.current = self.root = Task(root)
        self._max_steps, self._max_seconds = max_steps_per_run, max_seconds_per_run
        self._slice_ends = 0.0
        self._steps_begun = 0
        self._new_effects: list[Effect] = []
        self._on_cancelled = on_cancelled
        self._ready: deque[tuple[Task, Any, Exception | None]] = deque([(self.root, None, None)])

    @property
    def has_ready_tasks(self) -> bool:
        """Whether a further `run` has something to do now."""
        return bool(self._ready)

    @property
    def is_slice_used(self) -> bool:
        """Whether this `run` has done enough: other walks wait for the thread."""
        return self._steps_begun >= self._max_steps or time.monotonic() >= self._slice_ends

    def begin_step(self, record: Any) -> None:
        """Note that the current task begins a step. Raises TaskCancelledError when it may not."""
        self.check_cancelled()
        self.current.open_steps.append(record)
        self._steps_begun += 1

    def check_cancelled(self) -> None:
        """Raises TaskCancelledError when the current task was cancelled."""
        if self.current.cancelled:
            raise TaskCancelledError

    def close_step(self, record: Any) -> None:
        """Note that the current task has ended a step well: nothing is left of it to cancel."""
        if record in self.current.open_steps:
            self.current.open_steps.remove(record)

    def pause(self) -> None:
        """Begin no further step in this `run`."""
        self._steps_begun = self._max_steps

    def set_result(self, effect: Effect, outcome: Any) -> None:
        """Make the task that yielded the effect ready; it is sent the outcome."""
        self._ready.append((self.pending_effects.pop(effect), outcome, None))

    def resolve_wait(self, path: str, answer: Any) -> None:
        """Make the task that waits at `path` ready; it is sent the answer."""
        task = self.waiting_tasks.pop(path)
        task.wait_path = ""
        self._ready.append((task, answer, None))

    def run(self) -> list[Effect]:
        """Resume every task that can go on; gives the effects that were requested."""
        self._steps_begun, self._slice_ends = 0, time.monotonic() + self._max_seconds
        has_begun = False
        while self._ready and not (has_begun and self.is_slice_used):
            has_begun = True
            task, value, error = self._ready.popleft()
            request = self._resume(task, value, error)
            if isinstance(request, Effect):
                self.pending_effects[request] = task
                self._new_effects.append(request)
            elif isinstance(request, WaitFor):
                task.wait_path = request.path
                self.waiting_tasks[request.path] = task
            elif isinstance(request, Pause):
                self._ready.appendleft((task, None, None))
            elif isinstance(request, TaskGroup):
                request.parent, task.awaited_group = task, request
                self._start_tasks(request)
        effects, self._new_effects = self._new_effects, []
        return effects

    def _resume(self, task: Task, value: Any, error: Exception | None) -> Request | None:
        """The task's next request; None when it has ended."""
        self.current = task
        task.awaited_group = None
        try:
            # Thrown is only the failure of the group that the task waited for; everything else is sent.
            request = task.generator.throw(error) if error is not None else task.generator.send(value)
        except StopIteration:
            self._finish(task, None)
            return None
        except TaskCancelledError:
            self._finish(task, None)
            return None
        except Exception as failure:  # noqa: BLE001 - thrown into the parent; the root catches its own
            self._finish(task, failure)
            return None
        if task.cancelled:  # it was sent the outcome of what it had begun, and gets nothing further
            task.generator.close()
            self._finish(task, None)
            return None
        return request

    def _start_tasks(self, group: TaskGroup) -> None:
        """Fill the group up to its limit; once it is empty, its parent goes on."""
        while group.failure is None and len(group.running) < group.limit:
            generator = next(group.generators, None)
            if generator is None:
                break
            task = Task(generator, group)
            group.running.add(task)
            self._ready.append((task, None, None))
        if not group.running and group.parent is not None:
            self._ready.append((group.parent, None, group.failure))

    def _finish(self, task: Task, failure: Exception | None) -> None:
        if task.cancelled:
            self._on_cancelled(task)
        group = task.group
        if group is None:
            if failure is not None:
                raise failure
            return
        group.running.discard(task)
        if failure is not None and group.failure is None:
            group.failure = failure
            for other in list(group.running):
                self._cancel(other)
        self._start_tasks(group)

    def _cancel(self, task: Task) -> None:
        """Cancel a task with all tasks below it. One whose effect is running ends when the effect does."""
        task.cancelled = True
        if task.awaited_group is not None:
            task.awaited_group.failure = task.awaited_group.failure or TaskCancelledError()
            for inner in list(task.awaited_group.running):
                self._cancel(inner)
        for effect in [effect for effect, waiting in self.pending_effects.items() if waiting is task]:
            effect.cancelled = True
            if effect not in self._new_effects:
                return  # the task is sent the outcome, and ends then
            self._new_effects.remove(effect)
            del self.pending_effects[effect]
        if task.awaited_group is not None and task.awaited_group.running:
            return  # ends with the last task below it
        self._ready = deque(entry for entry in self._ready if entry[0] is not task)
        self.waiting_tasks.pop(task.wait_path, None)
        task.generator.close()  # raises GeneratorExit at its yield
        self._on_cancelled(task)
        if task.group is not None:
            task.group.running.discard(task)
