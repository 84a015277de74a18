"""The OpenTelemetry collector that traces are sent to: from the settings, else from OpenTelemetry's own variables.

The variables are those of the OpenTelemetry specification ("OTLP Exporter Configuration"), as far as OTLP over HTTP has
them.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from automate_core.checks.setting_values import WEB_PORTS, is_web_url
from automate_core.conf import setting

SETTING = "AUTOMATE_OTLP_ENDPOINT"
_PATH = "/v1/traces"
_SECONDS = 10.0  #: the specification's default time-out
_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.common")


@dataclass(frozen=True)
class Collector:
    """A collector: the URL that takes traces, headers such as a token, and the seconds that a request may take."""

    url: str
    headers: Mapping[str, str]
    seconds: float = _SECONDS
    compresses: bool = False

    @property
    def place(self) -> str:
        """Host and port."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or WEB_PORTS[parts.scheme]}"


def configured_collector() -> Collector | None:
    """The collector that traces are sent to; None when none is configured, or its extra is not installed."""
    return _collector() if is_installed() else None


@functools.cache
def is_installed() -> bool:
    """Whether the extra `otel` is installed."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in _MODULES)
    except (ModuleNotFoundError, ValueError):  # ValueError: barred by None in sys.modules
        return False


def configured_url() -> str:
    """The URL that takes traces; empty when none is configured."""
    base = setting(SETTING)
    if base is not None:
        return f"{str(base).rstrip('/')}{_PATH}" if base else ""
    own = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not (own or base) or _is_switched_off():
        return ""
    return own or f"{base.rstrip('/')}{_PATH}"


def other_protocol() -> str:
    """The protocol that OpenTelemetry's variables ask for, when it is not OTLP over HTTP; else empty."""
    if setting(SETTING) is not None:
        return ""
    protocol = _variable("PROTOCOL") or "http/protobuf"
    return "" if protocol == "http/protobuf" else protocol


def _collector() -> Collector | None:
    url = configured_url()
    if not url or not is_web_url(url) or other_protocol():
        return None
    return Collector(url, _headers(), _seconds(), _variable("COMPRESSION") == "gzip")


def _headers() -> dict[str, str]:
    own = setting("AUTOMATE_OTLP_HEADERS")
    if own is not None:
        return dict(own)
    pairs = (pair.partition("=") for pair in _variable("HEADERS").split(","))
    return {unquote(name.strip()): unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}


def _seconds() -> float:
    """The specification leaves the unit open; as OpenTelemetry's Python exporter, we take seconds."""
    try:
        return min(max(float(_variable("TIMEOUT") or _SECONDS), 0.1), 60.0)
    except ValueError:
        return _SECONDS


def _variable(name: str) -> str:
    """The variable for traces, else the one for all signals."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "").strip()
    return own or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def _is_switched_off() -> bool:
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or "otlp" not in {each.strip() for each in exporters if each.strip()}
