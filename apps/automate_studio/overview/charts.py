"""Charts as coordinates: the server draws them as SVG, without a script."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automate_operations.statistics.period_figures import Bar, Counts
from automate_operations.statistics.periods import DAY, HOUR, Period
from automate_ui.formatting import format_count, format_day, format_weekday

WIDTH, HEIGHT = 662, 228
_LEFT, _TOP, _BOTTOM = 44, 12, 200
_GAP, _SMALLEST = 3.0, 1.5


@dataclass(frozen=True, kw_only=True)
class ChartColumn:
    """A bar with its label. `top` is where its failures begin, `peak` where they end, `crest` its cancelled runs."""

    x: float
    width: float
    top: float
    peak: float
    crest: float
    tip: float
    tip_width: int
    name: str
    counts: Counts
    label: str
    partial: bool

    @property
    def good(self) -> float:
        """Height of the succeeded runs."""
        return _BOTTOM - self.top

    @property
    def bad(self) -> float:
        """Height of the failed runs, drawn separately."""
        return max(self.top - self.peak - 1, _SMALLEST)

    @property
    def ended_early(self) -> float:
        """Height of the cancelled runs, drawn separately."""
        return max(self.peak - self.crest - 1, _SMALLEST)

    @property
    def middle(self) -> float:
        """Position of the label."""
        return self.x + self.width / 2


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Runs by bar, the lines of the scale as (y, label), and a summary sentence."""

    title: str
    columns: list[ChartColumn]
    scale: list[tuple[float, str]]
    total: Counts
    summary: str


def build_chart(period: Period, bars: Sequence[Bar], now: dt.datetime) -> Chart:
    """Runs of a period, from below: succeeded, failed, cancelled."""
    most = max((bar.counts.runs for bar in bars), default=0)
    step = _scale_step(most)
    high = step * 3
    room = (WIDTH - _LEFT) / len(bars)
    tip = 132 if period.bar in {HOUR, DAY} else 176
    each = {HOUR: 3, DAY: 5}.get(period.bar, 4)
    columns = []
    for number, bar in enumerate(bars):
        x = _LEFT + number * room + _GAP
        top = _y_position(bar.counts.succeeded, high)
        peak = _y_position(bar.counts.succeeded + bar.counts.failed, high)
        peak = min(peak, top - _SMALLEST) if bar.counts.failed else top
        crest = _y_position(bar.counts.runs, high)
        columns.append(
            ChartColumn(
                x=x,
                width=room - 2 * _GAP,
                top=top,
                peak=peak,
                crest=min(crest, peak - _SMALLEST) if bar.counts.cancelled else peak,
                tip=x - tip - 8 if x > WIDTH / 2 else x + room + 2,
                tip_width=tip,
                name=_bar_name(bar.start, period.bar),
                counts=bar.counts,
                label=_bar_label(bar.start, period.bar) if number % each == 0 else "",
                partial=bar.start + period.bar > now,
            )
        )
    total = sum((bar.counts for bar in bars), Counts())
    title = _chart_title(period.bar)
    return Chart(
        title=title,
        columns=columns,
        scale=[(_y_position(step * third, high), _short_count(step * third)) for third in range(4)],
        total=total,
        summary=_chart_summary(title, columns, total),
    )


@dataclass(frozen=True)
class SparkLine:
    """A line and the area below it as paths; both empty for fewer than two values."""

    path: str = ""
    area: str = ""


NO_LINE = SparkLine()


def build_line(values: Sequence[float | None], width: int, height: int) -> SparkLine:
    """Line through the known values, scaled from the lowest to the highest."""
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return NO_LINE
    least, most = min(there), max(there)
    room, apart = height - 5, width / (len(values) - 1)
    points = [
        (f"{number * apart:.1f}", f"{height - 2 - (value - least) / ((most - least) or 1) * room:.1f}")
        for number, value in enumerate(values)
        if value is not None
    ]
    path = "M" + " L".join(" ".join(point) for point in points)
    return SparkLine(path, f"{path} L{points[-1][0]} {height} L{points[0][0]} {height} Z")


def _y_position(value: float, high: float) -> float:
    return _BOTTOM - value / high * (_BOTTOM - _TOP)


def _scale_step(most: int) -> int:
    """A third of the scale: 1, 2, 3 or 5 times a power of ten, at least a third of `most`."""
    wanted = max(most / 3, 1)
    power = 10 ** math.floor(math.log10(wanted))
    return next(int(power * times) for times in (1, 2, 3, 5, 10) if power * times >= wanted)


def _short_count(number: int) -> str:
    """`3,000`, `25k`."""
    return format_count(number) if number < 10_000 else f"{number / 1000:g}k"


def _chart_title(bar: dt.timedelta) -> str:
    if bar == DAY:
        return _("Runs per day")
    hours = bar // HOUR
    return (
        _("Runs per hour")
        if hours == 1
        else ngettext("Runs per hour", "Runs per %(count)s hours", hours) % {"count": hours}
    )


def _bar_name(start: dt.datetime, bar: dt.timedelta) -> str:
    """`15:00 to 16:00`, with the date where there are several days."""
    begin, end = timezone.localtime(start), timezone.localtime(start + bar)
    if bar == DAY and begin.hour == 0:
        return format_weekday(begin)
    hours = _("%(start)s to %(end)s") % {"start": f"{begin:%H:%M}", "end": f"{end:%H:%M}"}
    return hours if bar == HOUR else f"{format_weekday(begin)}, {hours}"


def _bar_label(start: dt.datetime, bar: dt.timedelta) -> str:
    local = timezone.localtime(start)
    return f"{local:%H:%M}" if bar == HOUR else format_day(local)


def _chart_summary(title: str, columns: Sequence[ChartColumn], total: Counts) -> str:
    counts = {"succeeded": total.succeeded, "failed": total.failed, "cancelled": total.cancelled}
    values = {"title": title, **{name: format_count(count) for name, count in counts.items()}}
    worst = max(columns, key=lambda column: column.counts.failed)
    if not worst.counts.failed:
        return _("%(title)s: %(succeeded)s succeeded, %(failed)s failed, %(cancelled)s cancelled.") % values
    values |= {"most": format_count(worst.counts.failed), "time": worst.name}
    message = _(
        "%(title)s: %(succeeded)s succeeded, %(failed)s failed, %(cancelled)s cancelled."
        " Most failures: %(most)s, %(time)s."
    )
    return message % values
