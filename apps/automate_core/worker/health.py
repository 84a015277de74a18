"""Health, for monitoring, and what an orchestrator asks of each web process: is it alive, and is it ready?

path("automate/health/", health), path("automate/live/", live), path("automate/ready/", ready)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from automate_core import database, older_releases
from automate_core.engine.effects.pool_backlog import unserved_pools
from automate_core.outbox import status as queue_status
from automate_governance.permissions import SITE, can

log = logging.getLogger(__name__)

_LIVE_WORKERS = """
SELECT count(*) AS workers FROM automate_core_workerstate
WHERE seen_at > automate_now() - %(seconds)s * interval '1 second'
"""


def live_workers() -> int:
    """The number of workers that reported lately. Raises django.db.Error or psycopg.Error."""
    [row] = database.run(None, _LIVE_WORKERS, {"seconds": queue_status.alive_seconds()})
    return int(row.workers)


def read_health() -> dict[str, Any]:
    """Whether a worker is alive, and the backlog. Raises django.db.Error or psycopg.Error."""
    workers = live_workers()
    return {"status": "ok" if workers else "failing", "worker": "ok" if workers else "missing", **_details()}


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers and a worker is alive, else 503. Details go to those who operate the site."""
    try:
        if can(request.user, "operate", SITE):
            state = {"database": "ok", **read_health()}
        else:
            state = {"status": "ok" if live_workers() else "failing"}
    except (Error, psycopg.Error) as error:  # away, or not migrated; nobody can be signed in by it either
        log.warning("the health check failed: %s", str(error).strip())
        state = {"status": "failing"}
    return _answer(state)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while this process answers, else 503: its managed worker has ended. The database is not asked.

    A process that fails this needs a restart. A database that is away is no reason for one.
    """
    return _answer({"status": "failing" if _local_worker_state() == "stopped" else "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 while this process can accept deliveries, else 503: the database answers and has this version's migrations.

    No worker is needed for that: deliveries wait in the queue.
    """
    try:
        obstacle = _obstacle()
    except (Error, psycopg.Error) as error:
        obstacle = str(error).strip()
    if obstacle:
        log.warning("not ready: %s", obstacle)
    return _answer({"status": "failing" if obstacle else "ok"})


def register_local_worker(state: Callable[[], str]) -> None:
    """Let `live` know the worker of this process; `state` returns `off`, `ok` or `stopped`."""
    global _local_worker_state
    _local_worker_state = state


_local_worker_state: Callable[[], str] = lambda: "off"  # noqa: E731 - replaced by the managed worker
_is_migrated = False


def _obstacle() -> str:
    """Why the database does not fit this version, or "". Once it does, only whether it answers."""
    global _is_migrated
    if _is_migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return ""
    if older_releases.has_older_tables():
        return older_releases.REFUSAL
    loader = MigrationLoader(connection)
    missing = sorted(
        f"{app}.{name}"
        for app, name in loader.graph.nodes
        if app.startswith("automate_") and (app, name) not in loader.applied_migrations
    )
    if missing:
        return f"run `manage.py migrate`; {len(missing)} migrations are missing, such as {missing[0]}"
    _is_migrated = True
    return ""


def _answer(state: dict[str, Any]) -> JsonResponse:
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
        "pools_without_consumers": unserved_pools(),
    }
