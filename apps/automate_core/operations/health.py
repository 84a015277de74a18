"""The health view, for load balancers and monitoring.

path("automate/health/", health)
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from automate_core import database
from automate_core.conf import setting
from automate_core.outbox import status as queue_status
from automate_governance.permissions import SITE, can

log = logging.getLogger(__name__)

ALIVE_SECONDS = 30.0  #: three of a worker's reports

_LIVE_WORKERS = """
SELECT count(*) AS workers FROM automate_core_workerstate
WHERE seen_at > automate_now() - %(seconds)s * interval '1 second'
"""


def live_workers() -> int:
    """The number of workers that reported lately. Raises django.db.Error or psycopg.Error."""
    seconds = max(ALIVE_SECONDS, setting("AUTOMATE_LEASE_SECONDS"))
    [row] = database.run(None, _LIVE_WORKERS, {"seconds": seconds})
    return int(row.workers)


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers and a worker is alive, else 503. Details go to those who operate the site."""
    try:
        workers = live_workers()
        state: dict[str, Any] = {"status": "ok" if workers else "failing"}
        if can(request.user, "operate", SITE):
            state |= {"database": "ok", "worker": "ok" if workers else "missing", **_details()}
    except (Error, psycopg.Error) as error:  # away, or not migrated; nobody can be signed in by it either
        log.warning("the health check failed: %s", str(error).strip())
        state = {"status": "failing"}
    answer = JsonResponse(state, status=200 if state["status"] == "ok" else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined] # Django would report each probe as an error
    return answer


def _details() -> dict[str, Any]:
    """The age of the last worker report, and the backlog."""
    status = queue_status.read_status()
    return {
        "worker_seen_seconds_ago": min((worker.seen_seconds_ago for worker in status.workers), default=None),
        "backlog": sum(ready.jobs for ready in status.ready),
        "backlog_oldest_seconds": max((ready.oldest_seconds for ready in status.ready), default=0.0),
        "dead_jobs": status.dead,
    }
