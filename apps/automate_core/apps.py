from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate, pre_delete, pre_migrate
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateCoreConfig(app_config.AutomateAppConfig):
    name = "automate_core"
    verbose_name = _("Automate")

    def ready(self) -> None:
        from automate_connectors import health
        from automate_connectors.limits import calls
        from automate_core import checks, older_releases
        from automate_core.events import event_types
        from automate_core.expressions import plugin_filters
        from automate_core.models import Workflow
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
        from automate_core.worker.kernel_tasks import KERNEL_TASKS
        from automate_core.worker.maintenance_tasks import register_tasks

        health.recovered.connect(reconnection.resume_waiting_steps)
        health.recovered.connect(polling.poll_again)
        health.recovered.connect(activation.try_again)
        pre_delete.connect(activation.leave_all, sender=Workflow)
        calls.admitted.connect(rate_limits.resume_admitted_steps)
        register_tasks(*KERNEL_TASKS)
        checks.register_all()
        plugin_filters.install()
        register(model_registry.check_model_triggers, "automate")
        register(event_types.check_event_types, "automate")
        register(model_registry.check_sensitive_models, "automate")
        model_signals.connect_model_signals()
        mail_signal.connect_mail_signal()
        _declare_roles(self)
        pre_migrate.connect(older_releases.refuse_older_tables, sender=self)
        post_migrate.connect(_install_captures, sender=self)


def _install_captures(sender: AppConfig, using: str, **_: Any) -> None:
    from automate_core.triggers import model_capture

    if using == DEFAULT_DB_ALIAS:
        model_capture.install_capture_triggers()


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
