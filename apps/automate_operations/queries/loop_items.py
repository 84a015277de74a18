"""The items of a run's loops: counted, filtered and paged by the database, so that thousands cost what ten do."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

from django.db import connection

from automate_core.definition.document import ActionStep, Definition, ForEachStep, RepeatStep, Step
from automate_core.definition.slots import slots
from automate_plugins import text

PAGE = 10

type LoopStep = ForEachStep | RepeatStep

# One row for each item on the page of each requested loop; a loop without any has one with nulls. An item failed when
# a step failed that nothing caught; it goes on while a row of it does, or until its last step has ended.
ITEMS = """
WITH requested_loops AS (
    SELECT * FROM json_to_recordset(%(requested)s::json) AS a(
        path text, fatal jsonb, final text, wanted int, live boolean, items text, page int)
), loops AS (
    SELECT requested_loops.*, held.status NOT IN ('running', 'waiting') AS is_over,
        CASE WHEN jsonb_typeof(held.input) = 'array' THEN jsonb_array_length(held.input) END AS total
    FROM requested_loops LEFT JOIN LATERAL (
        SELECT status, input FROM automate_core_steprun step
        WHERE step.run_id = %(run)s AND step.path = requested_loops.path ORDER BY attempt DESC LIMIT 1
    ) held ON true
), newest_attempts AS (
    SELECT path, max(attempt) AS newest FROM automate_core_steprun WHERE run_id = %(run)s AND attempt > 1 GROUP BY path
), loop_steps AS (
    SELECT loops.path AS loop, substr(step.path, length(loops.path) + 2) AS rest, step.path, step.status,
        step.started_at, step.finished_at, step.attempt = coalesce(newest_attempts.newest, 1) AS is_last
    FROM loops JOIN automate_core_steprun step
        ON step.run_id = %(run)s AND starts_with(step.path, loops.path || '[')
    LEFT JOIN newest_attempts ON newest_attempts.path = step.path
), item_steps AS (
    SELECT loop_steps.loop, split_part(rest, ']', 1)::int AS item,
        substr(rest, position(']' in rest) + 2) AS own, status, started_at, finished_at, is_last,
        is_last AND status = 'failed' AND EXISTS (
            SELECT FROM automate_core_wait wait WHERE wait.run_id = %(run)s AND wait.path = loop_steps.path
            AND wait.status = 'open' AND wait.kind = 'retry'
        ) AS retries
    FROM loop_steps
), item_sums AS (
    SELECT item_steps.loop, item, min(started_at) AS started_at, max(finished_at) AS finished_at,
        bool_or(is_last AND status = 'failed' AND NOT retries AND loops.fatal ? own) AS failed,
        bool_or(is_last AND status = 'running') AS running, bool_or(retries) AS retrying,
        bool_or(is_last AND status = 'waiting') AS waiting, bool_or(is_last AND status = 'cancelled') AS cancelled,
        bool_or(loops.is_over OR own = loops.final AND is_last AND status IN ('succeeded', 'failed', 'skipped')) AS over
    FROM item_steps JOIN loops ON loops.path = item_steps.loop GROUP BY item_steps.loop, item
), item_states AS (
    SELECT loop, item, started_at, finished_at, CASE
        WHEN failed THEN 'failed' WHEN running THEN 'running' WHEN retrying THEN 'retrying'
        WHEN waiting THEN 'waiting' WHEN cancelled THEN 'cancelled' WHEN over THEN 'succeeded' ELSE 'running' END
            AS state
    FROM item_sums
), items AS (
    SELECT *, CASE WHEN state = 'failed' THEN 'failed' WHEN state IN ('succeeded', 'cancelled') THEN 'done'
        ELSE 'active' END AS kind
    FROM item_states
), loop_counts AS (
    SELECT loop, count(*) AS begun, count(*) FILTER (WHERE kind = 'failed') AS failed,
        count(*) FILTER (WHERE kind = 'active') AS active,
        min(item) FILTER (WHERE kind = 'failed') AS bad, min(item) FILTER (WHERE kind = 'active') AS goes_on,
        max(item) AS newest
    FROM items GROUP BY loop
), shown_loops AS (
    SELECT loops.*, begun, failed, active,
        CASE WHEN wanted <= greatest(newest, total - 1) THEN wanted WHEN live THEN coalesce(goes_on, newest)
            ELSE coalesce(bad, goes_on, newest) END AS shown
    FROM loops LEFT JOIN loop_counts ON loop_counts.loop = loops.path
), matching_items AS (
    SELECT items.*, row_number() OVER (PARTITION BY items.loop ORDER BY item) - 1 AS place
    FROM items JOIN loops ON loops.path = items.loop WHERE loops.items = '' OR items.kind = loops.items
), pages AS (
    SELECT shown_loops.*, matched, next_failed, least(
        coalesce(page, before / %(size)s), greatest(matched - 1, 0) / %(size)s)::int AS at
    FROM shown_loops LEFT JOIN LATERAL (
        SELECT count(*) AS matched, count(*) FILTER (WHERE item < shown_loops.shown) AS before FROM matching_items
        WHERE matching_items.loop = shown_loops.path
    ) sizes ON true LEFT JOIN LATERAL (
        SELECT coalesce(min(item) FILTER (WHERE item > shown_loops.shown), min(item)) AS next_failed FROM items
        WHERE items.loop = shown_loops.path AND kind = 'failed'
    ) failures ON true
)
SELECT pages.path, total, coalesce(begun, 0) AS begun, coalesce(failed, 0) AS failed, coalesce(active, 0) AS active,
    shown, matched, at, next_failed, item, state, matching_items.started_at, matching_items.finished_at
FROM pages LEFT JOIN matching_items ON matching_items.loop = pages.path
    AND place >= at * %(size)s AND place < (at + 1) * %(size)s
ORDER BY pages.path, item
"""


class LoopView(Protocol):
    """The view of a run's loops: see `automate_studio.view_models.run_data.RunView`."""

    @property
    def follows(self) -> bool:
        """Whether the item in progress is shown before a failed one."""

    @property
    def loop(self) -> str:
        """The path of the loop that `items` and `page` are about."""

    @property
    def items(self) -> str:
        """The state of the items that are listed; empty for all."""

    @property
    def page(self) -> int | None:
        """The page; None for the one that holds the item shown."""

    def index(self, path: str) -> int | None:
        """The index of the item that is asked for of the loop at `path`."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of a loop. `path` is its place, such as `each[37]`; people count from one."""

    path: str
    index: int
    state: str
    started_at: dt.datetime
    finished_at: dt.datetime | None


@dataclass(frozen=True, kw_only=True)
class Items:
    """The items of a loop as they stand, and those on the page that is shown.

    `total` is None for a loop that does not know it. `shown` is the one whose steps are drawn; None before the first.
    """

    path: str
    total: int | None
    begun: int
    failed: int
    active: int
    shown: int | None
    chosen: str  # the state that `page` is filtered by
    matched: int
    at: int
    next_failed: int | None
    page: tuple[Item, ...] = ()

    @property
    def done(self) -> int:
        """The number of items that ended without a failure."""
        return self.begun - self.failed - self.active

    @property
    def many(self) -> int:
        """The number of items, as far as it is known."""
        return self.begun if self.total is None else max(self.total, self.begun)

    @property
    def first(self) -> int:
        """The place of the first item on the page, from one."""
        return self.at * PAGE + 1

    @property
    def last(self) -> int:
        """The place of the last item on the page."""
        return self.at * PAGE + len(self.page)

    @property
    def pages(self) -> int:
        """The number of pages."""
        return max(1, -(-self.matched // PAGE))

    def item(self, index: int) -> str:
        """The path of an item."""
        return f"{self.path}[{index}]"

    @property
    def previous(self) -> str:
        """The path of the item before the one shown, empty at the first."""
        return self.item(self.shown - 1) if self.shown else ""

    @property
    def following(self) -> str:
        """The path of the item after the one shown, empty at the last."""
        return self.item(self.shown + 1) if self.shown is not None and self.shown + 1 < self.many else ""

    @property
    def failure(self) -> str:
        """The path of the next item that failed, empty when no other did."""
        return self.item(self.next_failed) if self.next_failed not in {None, self.shown} else ""

    @property
    def filters(self) -> list[tuple[str, str, int]]:
        """(state, word, how many) of what the list can be filtered by."""
        counted = [
            ("failed", text("Failed"), self.failed),
            ("active", text("Active"), self.active),
            ("done", text("Done"), self.done),
        ]
        return [("", text("All"), self.begun), *(each for each in counted if each[2] or each[0] == self.chosen)]


def read_loop_items(definition: Definition, run_id: uuid.UUID, view: LoopView) -> dict[str, Items]:
    """The items of every loop that is drawn, by its path: one query for each depth of nested loops."""
    found: dict[str, Items] = {}
    level = dict(_loops(definition.steps, ""))
    while level:
        read = _read(level, run_id, view)
        found |= read
        level = {
            path: inner
            for outer, step in level.items()
            if read[outer].shown is not None
            for path, inner in _loops(step.steps, f"{read[outer].item(read[outer].shown or 0)}/")
        }
    return found


def shown_item_paths(items: Iterable[Items]) -> list[str]:
    """The paths of the items whose steps are drawn, and the empty path around them all."""
    return ["", *(each.item(each.shown) for each in items if each.shown is not None)]


def _loops(steps: list[Step], prefix: str) -> Iterator[tuple[str, LoopStep]]:
    """The loops among steps, by path, without those inside of them."""
    for step in steps:
        if isinstance(step, ForEachStep | RepeatStep):
            yield f"{prefix}{step.key}", step
            continue
        for slot in slots(step):
            yield from _loops(slot.steps, f"{prefix}{step.key}/")


def _fatal(steps: list[Step], prefix: str = "") -> Iterator[str]:
    """The paths whose failure ends the list of steps: not those of actions that say what to do instead."""
    for step in steps:
        if not isinstance(step, ActionStep) or step.on_error is None:
            yield f"{prefix}{step.key}"
        for slot in slots(step) if isinstance(step, ActionStep) else ():
            yield from _fatal(slot.steps, f"{prefix}{step.key}/")


def _read(loops: dict[str, LoopStep], run_id: uuid.UUID, view: LoopView) -> dict[str, Items]:
    requested: list[dict[str, Any]] = [
        {
            "path": path,
            "fatal": list(_fatal(step.steps)),
            "final": next((inner.key for inner in reversed(step.steps) if not inner.disabled), None),
            "wanted": view.index(path),
            "live": view.follows,
            "items": view.items if view.loop == path else "",
            "page": view.page if view.loop == path else None,
        }
        for path, step in loops.items()
    ]
    found: dict[str, list[SimpleNamespace]] = {}
    with connection.cursor() as cursor:
        cursor.execute(ITEMS, {"requested": json.dumps(requested), "run": run_id, "size": PAGE})
        names = [column.name for column in cursor.description]
        for row in cursor.fetchall():
            found.setdefault(row[0], []).append(SimpleNamespace(**dict(zip(names, row, strict=True))))
    return {path: _items(found[path], view.items if view.loop == path else "") for path in loops}


def _items(rows: list[SimpleNamespace], chosen: str) -> Items:
    head = rows[0]
    page = tuple(
        Item(
            path=f"{head.path}[{row.item}]",
            index=row.item,
            state=row.state,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        for row in rows
        if row.item is not None
    )
    return Items(
        path=head.path,
        total=head.total,
        begun=head.begun,
        failed=head.failed,
        active=head.active,
        shown=head.shown,
        chosen=chosen,
        matched=head.matched,
        at=head.at,
        next_failed=head.next_failed,
        page=page,
    )
