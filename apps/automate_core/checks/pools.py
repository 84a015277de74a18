"""Checks of the pools that the settings declare."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from automate_core.engine.effects.executor_pools import PoolError, declared_pools
from automate_plugins.documentation import doc


def check_pools(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E090: AUTOMATE_POOLS declares a pool that cannot be used."""
    try:
        declared_pools()
    except PoolError as error:
        return [Error(str(error), hint=f"{doc('operating')} describes pools.", id="automate_core.E090")]
    return []
