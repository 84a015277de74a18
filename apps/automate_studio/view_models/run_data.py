"""Recorded data of a run for the tree, the timeline and the panel. Values only."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automate_core.definition.step_paths import parent_path
from automate_operations.queries.loop_items import Items
from automate_ui.navigation.http import parse_number

LIVE_STATES = {"running", "retrying", "waiting"}
ITEM_STATES = {"failed", "active", "done"}  #: by which the items of a loop are filtered


@dataclass(frozen=True, kw_only=True)
class RunView:
    """The shown part of a run: of its loops the item `frame`, such as `each[37]/inner[2]`.

    The loop at the path `loop` lists its items in the state `items`, all when empty, on the page `page`; None is the
    page of the shown item. A view that follows the run shows active items of loops rather than failed ones.
    """

    frame: str = ""
    follows: bool = False
    loop: str = ""
    items: str = ""
    page: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, Any], step: str = "") -> RunView:
        """The view of a query, without invalid parameters. The item that contains `step` is shown."""
        path = (step or query.get("step") or "").replace("\0", "")
        frame = innermost_item(path) or innermost_item(query.get("item", "").replace("\0", ""))
        items = query.get("items", "")
        page = parse_number(query.get("page"))
        return cls(
            frame=frame[:2000],
            follows=query.get("follow") == "1",
            loop=query.get("loop", "").replace("\0", "")[:2000],
            items=items if items in ITEM_STATES else "",
            page=page if page is not None and page < 10_000 else None,
        )

    def index(self, loop: str) -> int | None:
        """Shown item of the loop at that path."""
        if not self.frame.startswith(f"{loop}["):
            return None
        return parse_number(self.frame[len(loop) + 1 :].partition("]")[0])


def innermost_item(path: str) -> str:
    """Innermost loop item of a path: `each[3]` of `each[3]/route/call`, empty outside of loops."""
    return path[: path.rfind("]") + 1]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt of a step, without its payload. `routes` are those a branch or a decision took."""

    path: str
    number: int
    status: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    routes: tuple[str, ...] = ()
    message: str = ""

    @property
    def seconds(self) -> float | None:
        """Duration, None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


@dataclass(frozen=True, kw_only=True)
class WaitInfo:
    """A wait of a step. `assignees` are the assignees' names, `target` the awaited workflow, connection or pool.

    Of a run that waits for its workflow, `target` is the run-as user who is not active; empty during a pause.
    """

    kind: str
    since: dt.datetime
    due: dt.datetime | None
    resolved_at: dt.datetime | None
    assignees: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True)
class StepHistory:
    """Attempts and waits of one path, oldest first."""

    attempts: list[Attempt] = field(default_factory=list)
    waits: list[WaitInfo] = field(default_factory=list)

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def waiting(self) -> WaitInfo | None:
        """The open wait."""
        return next((wait for wait in self.waits if wait.resolved_at is None), None)

    @property
    def retry_due(self) -> dt.datetime | None:
        """Time of the next attempt."""
        return self.waiting.due if self.waiting and self.waiting.kind == "retry" else None

    @property
    def connection(self) -> str:
        """Connection that must be reconnected before it continues."""
        return self.waiting.target if self.waiting and self.waiting.kind == "reconnect" else ""

    @property
    def state(self) -> str:
        """State to show: a failed or first attempt with another one to come is retrying."""
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
class RunData:
    """Data of a run for its tree: history by path, items of the shown loops, and its state.

    `changed` maps step keys to their change in the published version.
    """

    recorded: Mapping[str, StepHistory]
    items: Mapping[str, Items] = field(default_factory=dict)
    ended: bool = False
    view: RunView = field(default_factory=RunView)
    changed: Mapping[str, str] = field(default_factory=dict)

    def at(self, path: str) -> StepHistory:
        """History of a path."""
        return self.recorded.get(path, StepHistory())

    def lists(self, items: Items) -> bool:
        """Whether the timeline lists the items of a loop: it is open, active, or has a failed item."""
        looked_into = self.view.loop == items.path or self.view.index(items.path) is not None
        return looked_into or bool(items.failed or items.active)

    @functools.cached_property
    def longest(self) -> float:
        """Seconds of the longest step that is no container."""
        holding = {parent_path(path) for path in self.recorded}
        return max((each.seconds or 0 for path, each in self.recorded.items() if path not in holding), default=0)


def group_by_path(attempts: Iterable[Attempt], waits: Iterable[tuple[str, WaitInfo]] = ()) -> dict[str, StepHistory]:
    """Attempts and waits by path, oldest first."""
    found: dict[str, StepHistory] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        found.setdefault(attempt.path, StepHistory()).attempts.append(attempt)
    for path, wait in waits:
        found.setdefault(path, StepHistory()).waits.append(wait)
    return found
