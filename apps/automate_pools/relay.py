"""The relay: sends the messages of handed-out steps after their commit, and looks after what has no outcome."""

from __future__ import annotations

import logging

from automate_core.engine.effects.executor_pools import code_version, declared_pools
from automate_core.engine.effects.pool_backlog import unserved_pools
from automate_core.engine.executor import ExecutorError, Pool
from automate_core.engine.outcomes import PERFORMER_LOST
from automate_core.worker.maintenance_tasks import MaintenanceTask
from automate_plugins import ntext
from automate_plugins.texts import stored
from automate_pools import store

log = logging.getLogger(__name__)


def relay_tasks() -> tuple[MaintenanceTask, ...]:
    """The maintenance task of the relay; none where every pool is local. Raises PoolError."""
    pools = [pool for pool in declared_pools().values() if not pool.is_local]
    return (MaintenanceTask("pools", store.DUE, lambda: relay_once(pools)),) if pools else ()


def relay_once(pools: list[Pool]) -> float | None:
    """Send what is due, and hand out again what is overdue: 0.0 when there may be more. Raises django.db.Error."""
    store.delete_closed()
    for name in _newly_unserved():
        log.error("pool %s: steps wait for it, and it has no live consumer", name)
    is_more = store.hand_out_again() > 0
    for row in store.lost_steps():
        log.error("step %s: %d performers claimed it, none gave an outcome", row.id, row.claims)
        store.write_outcome(row.id, row.run_id, row.token, _lost(row.claims))
    for pool in pools:
        messages = store.take_due(pool, code_version())
        if not messages:
            continue
        try:
            pool.executor.send(pool, messages)
            is_more = is_more or len(messages) == store.SEND_MOST
        except ExecutorError as error:
            log.warning("pool %s: %d messages could not be sent: %s", pool.name, len(messages), error)
            store.postpone(messages)
        except Exception:  # a plug-in of others: the pools beside it go on
            log.exception("pool %s: %d messages could not be sent", pool.name, len(messages))
            store.postpone(messages)
    return 0.0 if is_more else None


_known_unserved: set[str] = set()


def _newly_unserved() -> list[str]:
    """Pools without consumers that steps wait for, each once until it is served again."""
    unserved = set(unserved_pools())
    found = sorted(unserved - _known_unserved)
    _known_unserved.clear()
    _known_unserved.update(unserved)
    return found


def _lost(claims: int) -> dict[str, object]:
    message = ntext(
        "The pool process of this step ended without an outcome.",
        "%(count)s pool processes of this step ended without an outcome.",
        claims,
    )
    error = {"code": PERFORMER_LOST, "message": str(message), "retryable": True, "text": stored(message)}
    return {"outcome": "failed", "error": error}
