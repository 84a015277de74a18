"""Checks of the settings of metrics, and of the OpenTelemetry collector that traces are sent to."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from automate_core import proxies
from automate_core.checks.setting_values import RULES, is_web_url
from automate_core.conf import named, setting
from automate_governance.secrets.resolver import is_reference
from automate_telemetry.metrics import access
from automate_telemetry.traces import collector


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


def check_collector(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W090 to W092: a collector is configured, and no traces can be sent to it."""
    url = collector.configured_url()
    if not url:
        return []
    if not is_web_url(url):
        hint = "Correct OTEL_EXPORTER_OTLP_ENDPOINT, or set AUTOMATE_OTLP_ENDPOINT."
        message = f"No traces are exported: {url!r} is not the URL of a collector."
        return [Warning(message, hint=hint, id="automate_core.W090")]
    if protocol := collector.other_protocol():
        hint = (
            'Set AUTOMATE_OTLP_ENDPOINT to the address that the collector has for HTTP, such as "http://otel:4318",'
            " or to an empty text to export no traces."
        )
        message = f"No traces are exported: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, and only http/protobuf is known."
        return [Warning(message, hint=hint, id="automate_core.W091")]
    if not collector.is_installed():
        hint = "Install django-automate[otel], or set AUTOMATE_OTLP_ENDPOINT to an empty text to export no traces."
        message = "No traces are exported: a collector is configured, and the extra otel is not installed."
        return [Warning(message, hint=hint, id="automate_core.W092")]
    return []
