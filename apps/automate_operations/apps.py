from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.core.checks import register
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateOperationsConfig(app_config.AutomateAppConfig):
    name = "automate_operations"
    verbose_name = _("Operations")

    def ready(self) -> None:
        from automate_governance import audit
        from automate_operations import audit_checks, checks, tasks
        from automate_operations.erasure import data_kinds
        from automate_operations.site_status import access, audit_trail, operation, registry

        registry.register(*operation.ITEMS, *access.ITEMS, *audit_trail.ITEMS)
        data_kinds.register()
        audit.register_check("workflow.published", audit_checks.check_versions)
        audit.register_check("approval.decided", audit_checks.check_decisions)
        register(checks.check_plugins, "automate")
        register(checks.check_mail, "automate", deploy=True)
        tasks.register_all()
        # An app without models is sent no signal of its own.
        post_migrate.connect(_seed_rules, sender=apps.get_app_config("automate_core"))


def _seed_rules(sender: AppConfig, using: str, apps: Apps | None = None, **_: Any) -> None:
    from automate_governance import roles
    from automate_operations.notifications import rules

    if using == DEFAULT_DB_ALIAS and roles.is_migrated(apps, sender.label):
        rules.create_default_rule()
