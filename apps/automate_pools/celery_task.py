"""The one task of the `celery` executor, and the reports of workers that run it. Imported by Celery workers alone.

`celery_app` is an app for sites that have none of their own. A site's own app lists this module in `imports`.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from celery import current_task, shared_task, signals

from automate_core.engine.effects.executor_pools import declared_pools
from automate_pools import performer
from automate_pools.celery_pool import TASK, CeleryExecutor, queue_of
from automate_pools.consumers import ConsumerReports

log = logging.getLogger(__name__)

_reports: dict[str, ConsumerReports] = {}


@shared_task(name=TASK, acks_late=True, ignore_result=True, max_retries=0)  # type: ignore[untyped-decorator]
def perform_step(step_id: str, token: int) -> str:
    """Perform a handed-out step, and say what became of the message."""
    hostname = getattr(getattr(current_task, "request", None), "hostname", "") or "celery"
    return str(performer.perform_step(uuid.UUID(step_id), token, performer=str(hostname)))


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _start_reports(sender: Any, **_: Any) -> None:
    queues = set(sender.app.amqp.queues.consume_from)
    pools = [
        pool.name
        for pool in declared_pools().values()
        if isinstance(pool.executor, CeleryExecutor) and queue_of(pool) in queues
    ]
    if sender.app.conf.worker_prefetch_multiplier != 1:
        log.warning("worker_prefetch_multiplier is not 1: a busy worker hoards steps that others could perform")
    if pools:
        _reports[sender.hostname] = ConsumerReports(sender.hostname, pools, slots=sender.controller.concurrency or 1)
        _reports[sender.hostname].start()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop_reports(**_: Any) -> None:
    while _reports:
        _reports.popitem()[1].stop()
