"""What a run has recorded of its steps, as the tree, the timeline and the panel read it. Values only."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automate_core.definition.step_paths import parent_path
from automate_core.queries.loop_items import Items
from automate_studio.ui.request_params import parse_number

LIVE_STATES = {"running", "retrying", "waiting"}
ITEM_STATES = {"failed", "active", "done"}  #: by which the items of a loop are filtered


@dataclass(frozen=True, kw_only=True)
class RunView:
    """What of a run is looked at: of its loops the item `frame`, such as `each[37]/inner[2]`.

    The loop at the path `loop` lists its items in the state `items`, all when empty, on the page `page`; on None that
    with the item that is shown. Who follows a run sees of loops what goes on, rather than what failed.
    """

    frame: str = ""
    follows: bool = False
    loop: str = ""
    items: str = ""
    page: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, Any], step: str = "") -> RunView:
        """As a request asks for it; what makes no sense is left out. The item that `step` lies in is the one shown."""
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
        """Which item of the loop at that path is looked at."""
        if not self.frame.startswith(f"{loop}["):
            return None
        return parse_number(self.frame[len(loop) + 1 :].partition("]")[0])


def innermost_item(path: str) -> str:
    """The innermost item of a loop that a path lies in: `each[3]` of `each[3]/route/call`, empty outside of loops."""
    return path[: path.rfind("]") + 1]


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


@dataclass(frozen=True, kw_only=True)
class WaitInfo:
    """A wait of a step. `whom` are the names of those who are asked, `what` the workflow or connection it waits for."""

    kind: str
    since: dt.datetime
    due: dt.datetime | None
    resolved_at: dt.datetime | None
    whom: tuple[str, ...] = ()
    what: str = ""


@dataclass(frozen=True)
class StepHistory:
    """What a run has recorded of one path: its attempts and its waits, oldest first."""

    attempts: list[Attempt] = field(default_factory=list)
    waits: list[WaitInfo] = field(default_factory=list)

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def waiting(self) -> WaitInfo | None:
        """What it waits for at this moment."""
        return next((wait for wait in self.waits if wait.resolved_at is None), None)

    @property
    def retry_due(self) -> dt.datetime | None:
        """When the next attempt is due."""
        return self.waiting.due if self.waiting and self.waiting.kind == "retry" else None

    @property
    def connection(self) -> str:
        """The one that has to be connected again before it goes on."""
        return self.waiting.what if self.waiting and self.waiting.kind == "reconnect" else ""

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
class RunData:
    """A run as its tree is drawn: what is recorded by path, the items of the loops shown, and how it stands.

    `changed` says of the keys of steps what became of them in the version that is published now.
    """

    recorded: Mapping[str, StepHistory]
    items: Mapping[str, Items] = field(default_factory=dict)
    ended: bool = False
    view: RunView = field(default_factory=RunView)
    changed: Mapping[str, str] = field(default_factory=dict)

    def at(self, path: str) -> StepHistory:
        """What is recorded there."""
        return self.recorded.get(path, StepHistory())

    def lists(self, items: Items) -> bool:
        """Whether the timeline lists the items of a loop: it is looked into, goes on, or failed somewhere."""
        looked_into = self.view.loop == items.path or self.view.index(items.path) is not None
        return looked_into or bool(items.failed or items.active)

    @functools.cached_property
    def longest(self) -> float:
        """The seconds of the step that took longest, of those that hold no others."""
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
