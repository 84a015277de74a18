"""The timeline of a run: one row a step, bars in percent of the time shown. Values in, values out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from automate_studio import words
from automate_studio.recorded import Attempt, Recorded
from automate_studio.tree import Card, Tree

_STEPS = (
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    7200,
    21_600,
    86_400,
)
_MOST_TICKS = 6


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A piece of a row: `start` and `width` in percent; `kind` is work, group, retry, or the failed try's state."""

    start: float
    width: float
    kind: str
    state: str = ""
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One step's row."""

    card: Card
    depth: int
    bars: tuple[Bar, ...]
    text: str
    since: dt.datetime | None = None  #: when the attempt that runs began


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All rows, the ticks of the axis as (percent, text), and where now is (None for an ended run)."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    now: float | None
    total_ms: int
    elapsed: str


def timeline(
    tree: Tree, recorded: dict[str, Recorded], start: dt.datetime | None, end: dt.datetime | None, now: dt.datetime
) -> Timeline:
    """The timeline from `start` to `end`, or to `now` while the run goes on."""
    until = end or now
    begun = start or until
    seconds = max(0.001, (until - begun).total_seconds())
    span = seconds if end else max(seconds * 1.3, 2)  # room to go on before it is drawn anew
    step = next((step for step in _STEPS if span / step <= _MOST_TICKS), _STEPS[-1])
    total = span if end else step * (int(span / step) + 1)
    scale = _Scale(begun, until, total)
    ticks = tuple((index * step / total * 100, _tick(index * step, step)) for index in range(int(total / step) + 1))
    return Timeline(
        rows=tuple(_row(card, recorded.get(card.path, Recorded()), scale) for card in tree.flat()),
        ticks=tuple(tick for tick in ticks if tick[0] < 97),
        now=None if end else seconds / total * 100,
        total_ms=round(total * 1000),
        elapsed=words.duration(seconds),
    )


@dataclass(frozen=True)
class _Scale:
    begun: dt.datetime
    until: dt.datetime
    total: float

    def bar(self, start: dt.datetime, end: dt.datetime | None, kind: str, state: str = "") -> Bar:
        left = (start - self.begun).total_seconds() / self.total * 100
        width = ((end or self.until) - start).total_seconds() / self.total * 100
        left = min(max(left, 0.0), 99.5)
        return Bar(
            start=round(left, 2),
            width=round(min(max(width, 0.0), 100 - left), 2),
            kind=kind,
            state=state,
            live=end is None,
        )


def _row(card: Card, recorded: Recorded, scale: _Scale) -> Row:
    bars: list[Bar] = []
    for attempt, following in zip(recorded.attempts, [*recorded.attempts[1:], None], strict=False):
        bars.append(scale.bar(attempt.started_at, attempt.finished_at, _kind(card, attempt), attempt.status))
        if attempt.finished_at and attempt.status == "failed" and (following or recorded.retry_due):
            bars.append(scale.bar(attempt.finished_at, following.started_at if following else None, "bk"))
    text = words.duration(recorded.seconds) if recorded.seconds is not None else words.word(card.state)
    running = recorded.last if recorded.last and recorded.last.status == "running" else None
    since = running.started_at if running else None
    return Row(card=card, depth=card.level - 1, bars=tuple(bars), text=text, since=since)


def _kind(card: Card, attempt: Attempt) -> str:
    if card.routes:
        return "gp"
    return "ok" if attempt.status == "succeeded" else ""


def _tick(seconds: float, step: float) -> str:
    if seconds == 0:
        return "0"
    if step < 1:
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s".replace(".00", "")
    return words.duration(seconds).replace(".0 s", " s").replace(" 00 s", "")
