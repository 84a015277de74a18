"""What is worth knowing of deliveries but not worth a write each: refusals by reason, and which secrets are in use.

Counted in memory and written now and then, in one transaction: nobody makes this site write by being refused.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter

import msgspec
import psycopg
from django.db import Error, connection, transaction

from automate_core import database
from automate_core.conf import setting

log = logging.getLogger(__name__)

ADD_REJECTIONS = """
INSERT INTO automate_core_refuseddeliveries (endpoint_id, reason, day, count, last_at)
SELECT endpoint, reason, (automate_now() AT TIME ZONE 'UTC')::date, count, automate_now()
FROM json_to_recordset(%(counts)s::json) AS c(endpoint bigint, reason text, count bigint)
WHERE endpoint IS NULL OR EXISTS (SELECT FROM automate_core_webhookendpoint e WHERE e.id = endpoint)
ON CONFLICT (endpoint_id, reason, day)
DO UPDATE SET count = automate_core_refuseddeliveries.count + excluded.count, last_at = excluded.last_at
"""
MARK_USED = """
UPDATE automate_core_webhookendpoint
SET secret_used_at = CASE WHEN id = ANY(%(new)s) THEN automate_now() ELSE secret_used_at END,
    old_secret_used_at = CASE WHEN id = ANY(%(old)s) THEN automate_now() ELSE old_secret_used_at END
WHERE id = ANY(%(new)s) OR id = ANY(%(old)s)
"""


class Tally:
    """Counts of this process that are not written yet."""

    def __init__(self) -> None:
        self._refused: Counter[tuple[int | None, str]] = Counter()
        self._used: set[tuple[int, str]] = set()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def refused(self, endpoint_id: int | None, reason: str) -> None:
        """A delivery was refused; None stands for all endpoints that are not there."""
        self._refused[endpoint_id, reason] += 1
        self._write_later()

    def used(self, endpoint_id: int, field: str) -> None:
        """The secret in that field of the endpoint proved a delivery."""
        if (endpoint_id, field) not in self._used:
            self._used.add((endpoint_id, field))
            self._write_later()

    def flush(self) -> None:
        """Write what was counted, on this thread's connection. Raises django.db.Error or psycopg.Error; the counts are
        lost then, which harms nobody."""
        with self._lock:
            refused, self._refused = self._refused, Counter()
            used, self._used = self._used, set()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if not refused and not used:
            return
        counts = [
            {"endpoint": each, "reason": reason, "count": n} for (each, reason), n in sorted(refused.items(), key=str)
        ]
        with transaction.atomic():
            if used:
                fields = {
                    field: sorted(each for each, name in used if name == field) for field in ("secret", "old_secret")
                }
                database.run(None, MARK_USED, {"new": fields["secret"], "old": fields["old_secret"]})
            if counts:
                database.run(None, ADD_REJECTIONS, {"counts": msgspec.json.encode(counts).decode()})

    def clear(self) -> None:
        """Forget what is not written."""
        self._refused.clear()
        self._used.clear()

    def _write_later(self) -> None:
        if self._timer is not None:
            return
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(setting("AUTOMATE_HOOK_TALLY_SECONDS"), self.flush_in_thread)
                self._timer.daemon = True
                self._timer.start()

    def flush_in_thread(self) -> None:
        """In a thread of its own, with a connection of its own."""
        try:
            self.flush()
        except (Error, psycopg.Error) as error:
            log.warning("refused deliveries could not be counted: %s", str(error).strip())
        finally:
            connection.close()


tally = Tally()
