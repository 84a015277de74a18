"""The form of a maintenance task, and the tasks that apps above this one have registered."""

from __future__ import annotations

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


_registered: dict[str, MaintenanceTask] = {}


def register_task(task: MaintenanceTask) -> None:
    """Have workers do a task of another app. Call it in `AppConfig.ready`."""
    _registered[task.name] = task


def registered_tasks() -> tuple[MaintenanceTask, ...]:
    """The tasks of other apps."""
    return tuple(_registered.values())
