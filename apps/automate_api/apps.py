from __future__ import annotations

from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateApiConfig(app_config.AutomateAppConfig):
    name = "automate_api"
    verbose_name = _("API")

    def ready(self) -> None:
        from automate_api import checks, pruning
        from automate_api.mcp.oauth import expiry
        from automate_api.screens import navigation
        from automate_api.tokens import leaving, site_status, use
        from automate_core.worker.maintenance_tasks import MaintenanceTask, register_tasks
        from automate_governance.people import token_limits
        from automate_operations.offboarding.holdings import register_remainder
        from automate_operations.site_status.registry import register as register_status

        register(checks.check_libraries, "automate")
        register(checks.check_oauth, "automate")
        register_tasks(MaintenanceTask("idempotent answers", pruning.DUE, pruning.prune_answers, pause=60))
        pruning.register_erasure()
        token_limits.register_tokens(use.is_valid_token)
        expiry.register_expiry()
        register_remainder(leaving.remaining_tokens)
        register_status(site_status.ITEM)
        navigation.register_pages()
