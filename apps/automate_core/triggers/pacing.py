"""Limits of what a service can make a trigger do: pages in a row, and events an hour.

A service says itself that it has more, and is then asked again at once. One that always says so would fill the
database, and keep a thread of the worker busy.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable

from automate_connectors.polling.calls import FoundItem
from automate_core.conf import setting
from automate_core.models.paced_calls import PacedCalls

log = logging.getLogger(__name__)

MAX_PAGES = 100  #: in a row; then the usual interval passes
HOUR = dt.timedelta(hours=1)
_UNIT_BYTES = 100_000  #: a larger event counts as several


def next_page_at(
    paced: PacedCalls, at: dt.datetime, usual: dt.datetime, *, has_more: bool, new: Iterable[FoundItem]
) -> dt.datetime:
    """Count an answer with these new items, in place. Return when to ask again: at once, as usual, or later.

    `has_more` is what the service says; after an answer without any item it is asked as usual.
    """
    if paced.counted_from is None or at - paced.counted_from >= HOUR:
        paced.counted_from, paced.counted_events = at, 0
    paced.counted_events += sum(1 + len(item.data) // _UNIT_BYTES for item in new)
    paced.pages_in_row += 1
    most = int(setting("AUTOMATE_POLL_RATE"))
    if most and paced.counted_events >= most:
        return _limited(paced, at, max(usual, paced.counted_from + HOUR))
    if not has_more:
        paced.pages_in_row, paced.limited_at = 0, None
        return usual
    if paced.pages_in_row >= MAX_PAGES:
        return _limited(paced, at, usual)
    return at


def _limited(paced: PacedCalls, at: dt.datetime, until: dt.datetime) -> dt.datetime:
    log.warning("%s %s reached a limit and is asked again at %s", paced._meta.verbose_name, paced.pk, until)
    paced.pages_in_row, paced.limited_at = 0, at
    return until
