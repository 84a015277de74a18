from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config
from automate_plugins.documentation import doc


class AutomateAuthoringConfig(app_config.AutomateAppConfig):
    name = "automate_authoring"
    verbose_name = _("Authoring")

    def ready(self) -> None:
        from automate_authoring import pausing, references
        from automate_connectors.models import Connection
        from automate_connectors.stored.models import DeclaredConnector
        from automate_core.models import NotificationRule, WebhookEndpoint, Workflow
        from automate_core.worker.maintenance_tasks import MaintenanceTask, register_tasks
        from automate_governance import reference_registry
        from automate_governance.models import StoredSecret

        reference_registry.register_referrers(StoredSecret, references.endpoints_of_secrets)
        reference_registry.register_referrers(StoredSecret, references.workflows_of_secrets)
        reference_registry.register_referrers(WebhookEndpoint, references.workflows_of_endpoints)
        reference_registry.register_referrers(Connection, references.workflows_of_connections)
        reference_registry.register_referrers(DeclaredConnector, references.workflows_of_connectors)
        reference_registry.register_referrers(Workflow, references.callers_of_workflows)
        reference_registry.register_referrers(Connection, references.rules_of_connections)
        reference_registry.register_referrers(StoredSecret, references.rules_of_secrets)
        reference_registry.register_visibility(NotificationRule, references.visible_rules)
        register_tasks(MaintenanceTask("paused", pausing.DUE, pausing.release))
        register(_templates_can_be_read, "automate")


def _templates_can_be_read(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001: a file in a folder of workflow templates is none."""
    from automate_authoring.library import files

    if files.are_all_built_in():
        return []
    hint = f"{doc('workflow-templates')} describes the file; all other templates are offered."
    return [
        Warning(f"{fault.path}: {fault.reason}", hint=hint, id="automate_core.W001") for fault in files.rejected_files()
    ]
