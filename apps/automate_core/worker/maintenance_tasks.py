"""Maintenance tasks: the form of one, and what apps have registered for the workers to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class MaintenanceTask:
    """One kind of work. `due` is a SQL boolean expression, cheap and without parameters.

    `run` does a bounded part of it, in transactions of its own, and gives the seconds after which it wants to be
    checked again: 0 when there is more, None when the next tick will do. For `pause` seconds after it, it is not.
    """

    name: str
    due: str
    run: Callable[[], float | None]
    pause: float = 0.0


@dataclass(frozen=True)
class TaskThread:
    """A thread of each worker for tasks that wait for something slow, such as a mail server, and delay no others.

    `tasks` is asked when a worker is made; without any, no thread starts. They are checked every `tick` seconds, and
    when a step is handed out if it `wakes_for_handed_out`. The task that runs as the worker stops gets the grace time,
    at most `stop_seconds` of it. A worker that drains the queue does them once, too, if it `drains`.
    """

    name: str
    tasks: Callable[[], tuple[MaintenanceTask, ...]]
    tick: float
    stop_seconds: float = math.inf
    drains: bool = True
    wakes_for_handed_out: bool = False


_tasks: dict[str, MaintenanceTask] = {}
_threads: dict[str, TaskThread] = {}


def register_tasks(*tasks: MaintenanceTask) -> None:
    """Have workers do these, in the order of registration. Call it in `AppConfig.ready`."""
    _tasks.update({task.name: task for task in tasks})


def register_thread(thread: TaskThread) -> None:
    """Have workers do tasks in a thread of their own. Call it in `AppConfig.ready`."""
    _threads[thread.name] = thread


def registered_tasks() -> tuple[MaintenanceTask, ...]:
    """The tasks of the thread that every worker has."""
    return tuple(_tasks.values())


def registered_threads() -> tuple[TaskThread, ...]:
    """The threads beside it."""
    return tuple(_threads.values())
