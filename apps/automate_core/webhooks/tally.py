"""Counts of rejected deliveries by reason, and the secrets in use: in memory, and written now and then.

One transaction writes them all, so that a sender of rejected deliveries cannot make this site write.
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
        self._rejected: Counter[tuple[int | None, str]] = Counter()
        self._used: set[tuple[int, str]] = set()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def count_rejected(self, endpoint_id: int | None, reason: str) -> None:
        """Count a rejected delivery; the endpoint None stands for all that do not exist."""
        self._rejected[endpoint_id, reason] += 1
        self._write_later()

    def note_secret_use(self, endpoint_id: int, field: str) -> None:
        """Note that the secret in that field of the endpoint verified a delivery."""
        if (endpoint_id, field) not in self._used:
            self._used.add((endpoint_id, field))
            self._write_later()

    def flush(self) -> None:
        """Write the counts, on this thread's connection. Raises django.db.Error or psycopg.Error, and loses them."""
        with self._lock:
            rejected, self._rejected = self._rejected, Counter()
            used, self._used = self._used, set()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if not rejected and not used:
            return
        counts = [
            {"endpoint": each, "reason": reason, "count": n} for (each, reason), n in sorted(rejected.items(), key=str)
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
        """Forget the counts that are not written."""
        self._rejected.clear()
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
        """Write the counts in a thread of its own, on a connection that is closed after it. Errors are logged."""
        try:
            self.flush()
        except (Error, psycopg.Error) as error:
            log.warning("rejected deliveries could not be counted: %s", str(error).strip())
        finally:
            connection.close()


tally = Tally()
