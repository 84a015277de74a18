"""Checks of the settings of metrics."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from automate_core import proxies
from automate_core.checks.setting_values import RULES
from automate_core.conf import named, setting
from automate_core.operations.telemetry.metrics import access
from automate_governance.secrets.resolver import is_reference


def check_metrics(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E081: prometheus-client is missing. E082: the token is too short. W081: a network is the whole internet."""
    names = ("AUTOMATE_METRICS_TOKEN", "AUTOMATE_METRICS_NETWORKS")
    if not all(RULES[name].holds(setting(name)) for name in names) or not access.is_open():
        return []
    return list(_metrics())


def _metrics() -> Iterator[CheckMessage]:
    if not _is_installed("prometheus_client"):
        hint = "Install the extra: pip install 'django-automate[metrics]'."
        yield Error("Metrics need the package prometheus-client.", hint=hint, id="automate_core.E081")
    token = setting("AUTOMATE_METRICS_TOKEN")
    if token and not is_reference(token) and len(token) < access.LEAST_CHARACTERS:
        name = named("AUTOMATE_METRICS_TOKEN")
        message = f"{name} must be a reference to a secret, or have {access.LEAST_CHARACTERS} characters or more."
        hint = "For example env:METRICS_TOKEN. `openssl rand -hex 32` generates a token."
        yield Error(message, hint=hint, id="automate_core.E082")
    if any(network.prefixlen == 0 for network in proxies.read_networks(setting("AUTOMATE_METRICS_NETWORKS"))):
        message = "AUTOMATE_METRICS_NETWORKS allows everyone to read the metrics."
        yield Warning(message, hint="List the addresses of your Prometheus servers.", id="automate_core.W081")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is barred, by None in sys.modules
        return False
