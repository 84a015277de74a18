"""How many runs follow from one by calls: loops of workflows that call each other would grow by powers.

They are counted by the events of the calls, seldom: what a count leaves is spent in part before the next one. So the
ceiling is passed by the calls that are under way at once in several workers, and by no more.
"""

from __future__ import annotations

import threading

from automate_connectors.adapters.base import ConnectorError
from automate_core.conf import setting
from automate_core.models import Event
from automate_core.triggers.host_events import CALL_SOURCE, ROOT_HEADER
from automate_plugins import text

_SPENT = 20  #: a count lets this part of what is left pass
_MOST_ROOTS = 1_000

_lock = threading.Lock()
_passing: dict[str, int] = {}  #: calls that may pass uncounted, by the root of their runs, those used last at the end


def check_may_follow(root: str, trace_id: str) -> None:
    """Raises ConnectorError when as many runs follow from the run `root` as AUTOMATE_RUN_CALLS allows."""
    most = int(setting("AUTOMATE_RUN_CALLS"))
    if not most or _passes(root):
        return
    calls = Event.objects.filter(trace_id=trace_id, source__startswith=CALL_SOURCE)
    made = calls.filter(headers__contains={ROOT_HEADER: root})[:most].count()
    if made >= most:
        message = text("This run and the runs that it called have started %(maximum)s runs already.", maximum=most)
        raise ConnectorError(message, code="too_many_runs")
    with _lock:
        _passing[root] = (most - made) // _SPENT
        while len(_passing) > _MOST_ROOTS:
            del _passing[next(iter(_passing))]


def _passes(root: str) -> bool:
    with _lock:
        left = _passing.pop(root, 0)
        if left > 0:
            _passing[root] = left - 1
    return left > 0
