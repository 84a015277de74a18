from __future__ import annotations

from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config

STOP_SECONDS = 2.0  #: for an export that has begun when its worker stops: else another worker exports the rows


class AutomateTelemetryConfig(app_config.AutomateAppConfig):
    name = "automate_telemetry"
    verbose_name = _("Telemetry")

    def ready(self) -> None:
        from automate_core import trace_context
        from automate_core.worker.maintenance import TICK_SECONDS
        from automate_core.worker.maintenance_tasks import TaskThread, register_thread
        from automate_telemetry import checks
        from automate_telemetry.traces.site_export import SiteTraceExport, trace_tasks

        trace_context.register_export(SiteTraceExport())
        register(checks.check_metrics, "automate")
        register(checks.check_collector, "automate")
        # A collector may be slow: its thread delays nothing else.
        register_thread(
            TaskThread("automate-traces", trace_tasks, tick=TICK_SECONDS, stop_seconds=STOP_SECONDS, drains=False)
        )
