"""Times, states, numbers and ids as text, the same on every screen, in the active language and time zone."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from automate_governance.numbers import decimal_sign
from automate_governance.texts import translated
from automate_plugins.texts import begins_with_value

_GLYPHS = {
    "succeeded": "check_circle",
    "active": "check_circle",
    "failed": "cancel",
    "waiting": "pause_circle",
    "cancelled": "stop_circle",
    "skipped": "do_not_disturb_on",
    "interrupted": "do_not_disturb_on",
    "running": "progress_activity",
    "retrying": "progress_activity",
}
_WORDS = {
    "queued": gettext_lazy("Queued"),
    "running": gettext_lazy("Running"),
    "waiting": gettext_lazy("Waiting"),
    "succeeded": gettext_lazy("Succeeded"),
    "failed": gettext_lazy("Failed"),
    "cancelled": gettext_lazy("Cancelled"),
    "skipped": gettext_lazy("Skipped"),
    "interrupted": gettext_lazy("Interrupted"),
    "pending": gettext_lazy("Not started"),
    "retrying": gettext_lazy("Retrying"),
}

_VERBS = {
    "view": pgettext_lazy("permission", "view"),
    "view_payload": pgettext_lazy("permission", "view payloads"),
    "use": pgettext_lazy("permission", "use"),
    "change": pgettext_lazy("permission", "change"),
    "run": pgettext_lazy("permission", "run"),
    "operate": pgettext_lazy("permission", "operate"),
    "publish": pgettext_lazy("permission", "publish"),
    "share": pgettext_lazy("permission", "share"),
    "delete": pgettext_lazy("permission", "delete"),
}


def state_word(state: str) -> str:
    """A state in one word."""
    return str(_WORDS.get(state, state.capitalize()))


def state_glyph(state: str) -> str:
    """The name of a state's icon."""
    return _GLYPHS.get(state, "circle")


def format_duration(seconds: float | None) -> str:
    """`0.4 s`, `1 m 42 s`, `2 h 10 m`; in milliseconds below a tenth of a second, `2 d 3 h` from two days on."""
    if seconds is None:
        return ""
    if seconds < 0.001:
        return _("< 1 ms")
    if seconds < 0.1:
        return _("%(number)s ms") % {"number": f"{seconds * 1000:.0f}"}
    if seconds < 60:
        return _("%(number)s s") % {"number": format_number(seconds, 1)}
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return _("%(minutes)s m %(seconds)s s") % {"minutes": minutes, "seconds": f"{rest:02}"}
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}
    return _("%(hours)s h %(minutes)s m") % {"hours": hours, "minutes": f"{minutes:02}"}


def format_round_duration(seconds: float) -> str:
    """`250 ms`, `2 s`, `1.25 s`, `5 m`, `1 h`: without zeros at the end."""
    if seconds < 1:
        return _("%(number)s ms") % {"number": round(seconds * 1000)}
    if seconds < 60:
        rounded = round(seconds, 2)
        return _("%(number)s s") % {"number": format_number(rounded, 0 if rounded.is_integer() else 2)}
    if seconds < 3600 and not seconds % 60:
        return _("%(minutes)s m") % {"minutes": int(seconds // 60)}
    if seconds < 48 * 3600 and not seconds % 3600:
        return _("%(hours)s h") % {"hours": int(seconds // 3600)}
    return format_duration(seconds)


def format_elapsed(start: dt.datetime | None, end: dt.datetime | None) -> str:
    """The duration from `start` to `end`, empty when either is missing."""
    return format_duration((end - start).total_seconds()) if start and end else ""


def format_ago(moment: dt.datetime | None, now: dt.datetime) -> str:
    """`just now`, `8 s ago` up to a day, then the date."""
    if moment is None:
        return _("Never")
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds == 0:
        return _("just now")
    if seconds < 60:
        return _("%(number)s s ago") % {"number": seconds}
    if seconds < 3600:
        return _("%(number)s min ago") % {"number": seconds // 60}
    if seconds < 86_400:
        return _("%(number)s h ago") % {"number": seconds // 3600}
    return format_date(moment)


def format_date(date: dt.date) -> str:
    """`30 Nov 2026`, the only date format of the screens."""
    return formats.date_format(date, pgettext("Django date format", "j M Y"))


def format_weekday(date: dt.date) -> str:
    """`Mon 30 Nov`."""
    return formats.date_format(date, pgettext("Django date format", "D j M"))


def format_day(date: dt.date) -> str:
    """`30 Nov`."""
    return formats.date_format(date, pgettext("Django date format", "j M"))


def format_exact(moment: dt.datetime | None) -> str:
    """The long form, in the active zone: `Mon 30 Nov 2026, 17:15:24 CET`."""
    if not moment:
        return ""
    here = _local(moment)
    return f"{_long_date(here)}, {here:%H:%M:%S %Z}"


def format_clock(moment: dt.datetime | None, now: dt.datetime) -> str:
    """`17:15:24` today, with the date before it on other days."""
    if moment is None:
        return ""
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{format_day(moment)}, {moment:%H:%M}"


def format_local(moment: dt.datetime) -> str:
    """The short form, in the active zone: `30 Nov, 17:15:24`, without the seconds when these are none."""
    here = timezone.localtime(moment)
    return f"{format_day(here)}, {here:%H:%M:%S}" if here.second else f"{format_day(here)}, {here:%H:%M}"


def format_dated(moment: dt.datetime | None) -> str:
    """The long form without seconds, in the moment's own zone: `Mon 30 Nov 2026, 08:30`."""
    return f"{_long_date(moment)}, {moment:%H:%M}" if moment else ""


def _long_date(moment: dt.datetime) -> str:
    return formats.date_format(moment, pgettext("Django date format", "D j M Y"))


def zone_name(moment: dt.datetime) -> str:
    """Name of the moment's zone at that moment: `CET`, or `+04`."""
    return f"{moment:%Z}"


def _local(moment: dt.datetime) -> dt.datetime:
    return moment if timezone.is_naive(moment) else timezone.localtime(moment)


def short_id(identifier: Any) -> str:
    """The last eight digits of an id, as screens show it."""
    return str(identifier).replace("-", "")[-8:]


def permission_word(name: str) -> str:
    """A verb of the permission rule in words."""
    return str(_VERBS.get(name, name.replace("_", " ")))


def as_sentence(text: str, *, stop: str = ".") -> str:
    """A reason in their language, with a stop, and a capital unless it begins with a name: `steps.look`, `otto`."""
    is_name = begins_with_value(text)
    text = translated(text)
    first = text.partition(" ")[0].rstrip(",.:;!?")
    is_word = not is_name and first.replace("'", "").replace("-", "").isalpha()
    begin = text[:1].upper() if is_word else text[:1]
    return begin + ended(text[1:], stop)


def ended(sentence: str, stop: str = ".") -> str:
    """A sentence with that stop; a question keeps its mark."""
    return sentence if sentence.endswith("?") else sentence.rstrip(".") + stop


def format_count(number: int) -> str:
    """`12,345`."""
    return format_number(number)


def format_number(number: float | Decimal, digits: int = 0) -> str:
    """A number with the active language's separators: `1,234.5`."""
    return formats.number_format(f"{number:.{digits}f}", digits, use_l10n=True, force_grouping=True)


def format_percent(percent: float, digits: int = 1) -> str:
    """`12.5%`."""
    return _("%(number)s%%") % {"number": format_number(percent, digits)}


def split_unit(said: str) -> tuple[str, str]:
    """A number and its unit, for a smaller one: `("87,0", " %")`, with the space that the language puts between."""
    found = re.fullmatch(r"(.*\d)(\D+)", said)
    return (found[1], found[2]) if found else (said, "")


_LONG_DECIMALS = re.compile(r"(?<![\d.])-?\d+\.\d{9,}(?![\d.])", re.ASCII)


def round_decimals(line: str) -> str:
    """A line with the decimals that sums leave rounded: `193.66666666666666` as `193.67`."""

    def rounded(found: re.Match[str]) -> str:
        number = float(found[0])
        return (f"{number:.2f}" if abs(number) >= 1 else f"{number:.3g}").replace(".", decimal_sign())

    return _LONG_DECIMALS.sub(rounded, line)


def format_bytes(count: float) -> str:
    """Bytes in the unit that fits: `840 B`, `3.2 MB`, `120 GB`."""
    power = min(int(math.log(max(abs(count), 1), 1000)), 4)
    number = count / 1000**power
    digits = 0 if not power or abs(number) >= 100 else 1
    return f"{format_number(number, digits)} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def format_until(moment: dt.datetime | None, now: dt.datetime) -> str:
    """`in 8 min` up to a day, then the date; `now` once it is past."""
    if moment is None:
        return _("never")
    seconds = (moment - now).total_seconds()
    if seconds <= 0:
        return _("now")
    if seconds < 3600:
        return _("in %(number)s min") % {"number": math.ceil(seconds / 60)}
    return _("in %(number)s h") % {"number": math.ceil(seconds / 3600)} if seconds < 86_400 else format_date(moment)


def format_money(amount: Decimal) -> str:
    """`12.50`; small amounts with the digits that they need."""
    digits = 2 if amount >= 1 or not amount else 4 if amount >= Decimal("0.0001") else 8
    return format_number(amount, digits)


def initials(name: str) -> str:
    """One or two letters for an avatar."""
    parts = [part for part in name.replace(".", " ").replace("_", " ").split() if part]
    return ("".join(part[0] for part in parts[:2]) if len(parts) > 1 else name[:2]).upper()


def avatar_hue(name: str) -> int:
    """A stable colour for a person's avatar, in degrees."""
    return sum(ord(letter) * (index + 7) for index, letter in enumerate(name)) % 360
