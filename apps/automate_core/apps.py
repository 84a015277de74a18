from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.core.checks import CheckMessage, Warning, register
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate, pre_delete, pre_migrate
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config
from automate_plugins.documentation import doc


class AutomateCoreConfig(app_config.AutomateAppConfig):
    name = "automate_core"
    verbose_name = _("Automate")

    def ready(self) -> None:
        from automate_connectors import health
        from automate_connectors.limits import calls
        from automate_connectors.models import Connection
        from automate_connectors.stored.models import DeclaredConnector
        from automate_core import checks, older_releases
        from automate_core.authoring import references
        from automate_core.events import event_types
        from automate_core.expressions import plugin_filters
        from automate_core.models import NotificationRule, WebhookEndpoint, Workflow
        from automate_core.operations import audit_checks
        from automate_core.operations.erasure import data_kinds
        from automate_core.operations.site_status import access, audit_trail, operation, registry
        from automate_core.runs.waits import rate_limits, reconnection
        from automate_core.triggers import (
            mail_signal,
            model_registry,
            model_signals,
            poll_rules,  # noqa: F401 - it registers its checks
            polling,
        )
        from automate_core.webhooks.registration import (
            activation,
            rules,  # noqa: F401 - it registers its checks
        )
        from automate_governance import audit, reference_registry
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
        health.recovered.connect(reconnection.resume_waiting_steps)
        health.recovered.connect(polling.poll_again)
        health.recovered.connect(activation.try_again)
        pre_delete.connect(activation.leave_all, sender=Workflow)
        calls.admitted.connect(rate_limits.resume_admitted_steps)
        registry.register(*operation.ITEMS, *access.ITEMS, *audit_trail.ITEMS)
        data_kinds.register()
        audit.register_check("workflow.published", audit_checks.check_versions)
        audit.register_check("approval.decided", audit_checks.check_decisions)
        checks.register_all()
        plugin_filters.install()
        register(model_registry.check_model_triggers, "automate")
        register(event_types.check_event_types, "automate")
        register(_templates_can_be_read, "automate")
        register(model_registry.check_sensitive_models, "automate")
        model_signals.connect_model_signals()
        mail_signal.connect_mail_signal()
        _declare_roles(self)
        pre_migrate.connect(older_releases.refuse_older_tables, sender=self)
        post_migrate.connect(_install_captures, sender=self)
        post_migrate.connect(_seed_rules, sender=self)


def _templates_can_be_read(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W001: a file in a folder of workflow templates is none."""
    from automate_core.authoring.library import files

    if files.are_all_built_in():
        return []
    hint = f"{doc('workflow-templates')} describes the file; all other templates are offered."
    return [
        Warning(f"{fault.path}: {fault.reason}", hint=hint, id="automate_core.W001") for fault in files.rejected_files()
    ]


def _install_captures(sender: AppConfig, using: str, **_: Any) -> None:
    from automate_core.triggers import model_capture

    if using == DEFAULT_DB_ALIAS:
        model_capture.install_capture_triggers()


def _seed_rules(sender: AppConfig, using: str, apps: Apps | None = None, **_: Any) -> None:
    from automate_core.operations.notifications import rules
    from automate_governance import roles

    if using == DEFAULT_DB_ALIAS and roles.is_migrated(apps, sender.label):
        rules.create_default_rule()


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    on_workflows = ("view", "view_payload", "change", "run", "publish", "share", "delete")
    on_endpoints = ("view", "view_payload", "change", "share", "delete")
    roles.declare(
        app,
        {
            roles.VIEWERS: (  # a grant decides which of these on which object
                *roles.codenames("workflow", "view", "view_payload", "run", "operate"),
                *roles.codenames("webhookendpoint", "view", "view_payload"),
            ),
            roles.BUILDERS: (
                *roles.codenames("workflow", "add", *on_workflows),
                *roles.codenames("webhookendpoint", "add", *on_endpoints),
            ),
            roles.OPERATORS: (
                *roles.codenames("workflow", "view", "view_payload", "run", "operate", scope="any"),
                *roles.codenames("webhookendpoint", "view", scope="any"),
            ),
            roles.AUDITORS: (
                *roles.codenames("workflow", "view", "view_payload", scope="any"),
                *roles.codenames("webhookendpoint", "view", "view_payload", scope="any"),
            ),
        },
    )
