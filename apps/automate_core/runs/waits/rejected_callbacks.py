"""Audit entries for rejected callbacks, limited per minute: a flood of requests cannot fill the audit trail."""

from __future__ import annotations

import logging
import threading
import time
import uuid

from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction

from automate_core.models import ExecutionRun
from automate_governance import audit
from automate_governance.permissions import SITE

log = logging.getLogger(__name__)

MOST = 30  #: entries per minute and process; the next entry counts those left out


class _Minute:
    """Count of entries in the current minute, and of those left out since the last entry. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends = 0.0
        self._recorded = self._left_out = 0

    def take(self) -> int | None:
        """Return how many entries were left out before; None when the minute is full."""
        with self._lock:
            now = time.monotonic()
            if now >= self._ends:
                self._ends, self._recorded = now + 60, 0
            if self._recorded >= MOST:
                self._left_out += 1
                return None
            self._recorded += 1
            left_out, self._left_out = self._left_out, 0
            return left_out


minute = _Minute()


def record_rejected_callback(status: int, reason: str, run_id: uuid.UUID | None) -> None:
    """Record a rejected callback in the audit trail; `run_id` is None for a URL that the site never issued."""
    left_out = minute.take()
    if left_out is None:
        return
    changes = {"status": status, "reason": reason} | ({"left_out": left_out} if left_out else {})
    try:
        with transaction.atomic():
            obj = SITE(pk=0) if run_id is None else ExecutionRun(pk=run_id)
            audit.record(AnonymousUser(), "callback.refused", obj, changes=changes)
    except DatabaseError as error:
        log.warning("a rejected callback (%d) is not in the audit trail: %s", status, str(error).strip())
