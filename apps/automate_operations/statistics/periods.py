"""Periods of statistics: one that ends with this hour, and one of the same length before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)

#: How many bars each has, and of what length; its first bar begins with a full one (UTC).
BARS = {"24h": (24, HOUR), "7d": (28, 6 * HOUR), "30d": (30, DAY)}


@dataclass(frozen=True)
class Period:
    """A period from `start` to `end`, the end of the present hour, in bars."""

    name: str
    start: dt.datetime
    end: dt.datetime
    bar: dt.timedelta

    @property
    def before(self) -> tuple[dt.datetime, dt.datetime]:
        """The same part of the period before it, from its start on."""
        length = BARS[self.name][0] * self.bar
        return self.start - length, self.end - length

    @property
    def span(self) -> str:
        """The span of the rows that its bars are made of."""
        return "day" if self.bar == DAY else "hour"

    @property
    def coarse(self) -> dt.timedelta:
        """The distance of points of a line made of many rows: an hour, or else a day."""
        return HOUR if self.bar == HOUR else DAY

    def starts(self, step: dt.timedelta | None = None) -> Iterator[dt.datetime]:
        """The starts of its bars, or of points at that distance."""
        step = step or self.bar
        at = floor(self.start, step)
        while at < self.end:
            yield at
            at += step


def find_period(name: str, now: dt.datetime) -> Period:
    """The period of that name, or of a day when there is none. `now` is the database's."""
    name = name if name in BARS else "24h"
    number, bar = BARS[name]
    return Period(name, floor(now, bar) - (number - 1) * bar, floor(now, HOUR) + HOUR, bar)


def floor(at: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The last time that is a whole number of steps from midnight (UTC)."""
    midnight = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // step * step


def ranges(start: dt.datetime, end: dt.datetime) -> Iterator[tuple[str, dt.datetime, dt.datetime]]:
    """(span, from, to) of the rows that cover it: whole days, and the hours before and after them."""
    first, last = floor(start + DAY - HOUR, DAY), floor(end, DAY)
    if first >= last:
        yield "hour", start, end
        return
    for span, begin, stop in (("hour", start, first), ("day", first, last), ("hour", last, end)):
        if begin < stop:
            yield span, begin, stop
