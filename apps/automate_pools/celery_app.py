"""A Celery app for the workers of pools that name a broker: `celery -A automate_pools.celery_app worker`.

It connects to the broker of the pool in the environment variable AUTOMATE_POOL, or of the only one there is.
"""

from __future__ import annotations

import os

import django

django.setup()

from automate_core.engine.effects.executor_pools import declared_pools  # noqa: E402 - after the setup
from automate_plugins import text  # noqa: E402
from automate_pools.celery_pool import CeleryExecutor, celery_app, queue_of  # noqa: E402

_named = os.environ.get("AUTOMATE_POOL", "")
_pools = [
    pool
    for pool in declared_pools().values()
    if isinstance(pool.executor, CeleryExecutor) and _named in {"", pool.name}
]
if len(_pools) != 1:
    raise SystemExit(text("Set AUTOMATE_POOL to a pool of AUTOMATE_POOLS with the executor celery."))
app = celery_app(_pools[0])
app.conf.task_default_queue = queue_of(_pools[0])
app.conf.imports = (*app.conf.imports, "automate_pools.celery_task")
