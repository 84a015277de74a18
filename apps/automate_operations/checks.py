"""Checks of the plug-ins that the apps below find, and of the mail that notifications need."""

from __future__ import annotations

from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Warning

from automate_connectors.triggers.registry import trigger_kinds
from automate_core.conf import named
from automate_core.engine.executor import executors
from automate_core.expressions.plugin_filters import expression_filters
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_governance.redaction.plugin_warnings import warnings
from automate_operations.notifications.channels.registry import channels
from automate_operations.plugin_list import unplaced
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


def check_mail(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W070, W071, at `check --deploy`: no mail can be sent, or as a sender that Django made up."""
    from automate_operations.notifications.channels.mail import can_mail

    if settings.DEBUG:
        return []
    if not can_mail():
        hint = f"Configure a mail server in {named('MAILERS')}. Until then, email notifications are not sent."
        return [Warning("No mail server is configured.", hint=hint, id="automate_core.W070")]
    if settings.DEFAULT_FROM_EMAIL == global_settings.DEFAULT_FROM_EMAIL:
        hint = "Set DEFAULT_FROM_EMAIL to an address that your mail server accepts."
        message = f"Email is sent as {settings.DEFAULT_FROM_EMAIL}, which most servers reject."
        return [Warning(message, hint=hint, id="automate_core.W071")]
    return []
