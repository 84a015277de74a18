from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from automate_governance import app_config

RELAY_SECONDS = 1.0  #: between looks at what is handed out, when nothing wakes the relay


class AutomatePoolsConfig(app_config.AutomateAppConfig):
    name = "automate_pools"
    verbose_name = _("Pools")

    def ready(self) -> None:
        from automate_core.worker.maintenance_tasks import TaskThread, register_thread
        from automate_pools.relay import relay_tasks

        register_thread(TaskThread("automate-relay", relay_tasks, tick=RELAY_SECONDS, wakes_for_handed_out=True))
