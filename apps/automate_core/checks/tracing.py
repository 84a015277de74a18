"""Checks of the OpenTelemetry collector that traces are sent to."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning

from automate_core.tracing import collector


def check_collector(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W090 to W092: a collector is configured, and no traces can be sent to it."""
    url = collector.configured_url()
    if not url:
        return []
    if not collector.is_web_url(url):
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
