"""The collector, for a registry of prometheus-client: ours, or one of the host's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from automate_core.conf import setting
from automate_telemetry.metrics.families import make_families
from automate_telemetry.metrics.readings import read_all


class AutomateCollector(Collector):
    """Reads the database whenever it is collected, and keeps nothing.

    Registering it reads nothing, so a host's module may do it at import.
    """

    def describe(self) -> Iterator[Metric]:
        """Nothing: a registry then does not collect while it registers."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family. Raises django.db.Error or psycopg.Error before the first one."""
        began = time.perf_counter()
        readings = read_all()
        info = GaugeMetricFamily("automate_build_info", "The version of Django Automate.", labels=["version"])
        info.add_metric([_version()], 1)
        yield info
        yield from make_families(readings, workflows=int(setting("AUTOMATE_METRICS_WORKFLOWS")))
        yield GaugeMetricFamily(
            "automate_scrape_seconds", "Time that reading these metrics took.", time.perf_counter() - began
        )


def own_registry() -> CollectorRegistry:
    """A registry with this collector alone."""
    registry = CollectorRegistry()
    registry.register(AutomateCollector())
    return registry


def _version() -> str:
    try:
        return version("django-automate")
    except PackageNotFoundError:  # run from a folder
        return "unknown"
