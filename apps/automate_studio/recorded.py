"""What a run has recorded of its steps, as the tree, the timeline and the panel read it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from automate_studio import asked

LIVE_STATES = {"running", "retrying", "waiting"}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a step, without its payload. `routes` are the arms that a branch took."""

    path: str
    number: int
    status: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    routes: tuple[str, ...] = ()
    message: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


@dataclass(frozen=True)
class Recorded:
    """What a run has recorded of one path: its attempts, oldest first, and when the next one is due."""

    attempts: list[Attempt] = field(default_factory=list)
    retry_due: dt.datetime | None = None
    connection: str = ""  # the one that has to be connected again before it goes on

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def state(self) -> str:
        """The state to show: a failed or first attempt with another one to come is retrying."""
        if self.last is None:
            return "pending"
        if self.retry_due or (self.last.status == "running" and self.last.number > 1):
            return "retrying"
        return str(self.last.status)

    @property
    def seconds(self) -> float | None:
        """From the first attempt's start to the last one's end."""
        if self.last is None or self.last.finished_at is None:
            return None
        return (self.last.finished_at - self.attempts[0].started_at).total_seconds()


@dataclass(frozen=True)
class Run:
    """A run as its tree is drawn: what is recorded by path, whether it has ended, and the path that is looked at."""

    recorded: Mapping[str, Recorded]
    ended: bool
    selected: str

    def at(self, path: str) -> Recorded:
        """What is recorded there."""
        return self.recorded.get(path, Recorded())

    def iterations(self, path: str) -> dict[int, set[str]]:
        """The states of what is recorded in each iteration of the loop at `path`."""
        found: dict[int, set[str]] = {}
        for inner, recorded in self.recorded.items():
            if inner.startswith(f"{path}["):
                index, _, _ = inner[len(path) + 1 :].partition("]")
                found.setdefault(int(index), set()).add(recorded.state)
        return found

    def shown(self, path: str) -> int:
        """The iteration to show."""
        if self.selected.startswith(f"{path}["):
            index = asked.number(self.selected[len(path) + 1 :].partition("]")[0])
            if index is not None:
                return index
        iterations = self.iterations(path)
        for wanted in ({"failed"}, LIVE_STATES):
            for index, states in sorted(iterations.items()):
                if states & wanted:
                    return index
        return max(iterations, default=0)


def group(
    attempts: list[Attempt], retries: Mapping[str, dt.datetime], connections: Mapping[str, str] | None = None
) -> dict[str, Recorded]:
    """Attempts by path, oldest first; `retries` are the paths that wait for their next one, and until when.

    `connections` are those that wait until a connection works again.
    """
    reconnects = connections or {}
    by_path: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        by_path.setdefault(attempt.path, []).append(attempt)
    return {path: Recorded(found, retries.get(path), reconnects.get(path, "")) for path, found in by_path.items()}
