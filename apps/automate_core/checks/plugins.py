"""Checks of the plug-ins that this app finds: signature schemes, channels, triggers and expression filters."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from automate_connectors.triggers.registry import trigger_kinds
from automate_core.engine.effects.executor_pools import PoolError, declared_pools
from automate_core.engine.executor import executors
from automate_core.expressions.plugin_filters import expression_filters
from automate_core.operations.notifications.channels.registry import channels
from automate_core.operations.plugin_list import unplaced
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_governance.redaction.plugin_warnings import warnings
from automate_plugins.documentation import doc
from automate_plugins.registry import Registry

_REGISTRIES: tuple[Registry[Any], ...] = (
    signature_schemes, channels, trigger_kinds, expression_filters, executors, unplaced,
)  # fmt: skip
_IDS = {"W001": "automate_core.W004", "W002": "automate_core.W005", "W009": "automate_core.W009"}


def check_plugins(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W004: a plug-in could not be loaded. W005: it replaces a built-in one. W009: its name cannot be used."""
    return [
        Warning(message, hint=hint, id=_IDS[number])
        for registry in _REGISTRIES
        for number, message, hint in warnings(registry)
    ]


def check_pools(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E090: AUTOMATE_POOLS declares a pool that cannot be used."""
    try:
        declared_pools()
    except PoolError as error:
        return [Error(str(error), hint=f"{doc('operating')} describes pools.", id="automate_core.E090")]
    return []
