from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy as _

from automate_connectors.registry import connectors
from automate_governance import app_config
from automate_governance.redaction.plugin_warnings import warnings


class AutomateConnectorsConfig(app_config.AutomateAppConfig):
    name = "automate_connectors"
    verbose_name = _("Connect")

    def ready(self) -> None:
        from automate_connectors import model_allowlist, references
        from automate_connectors.declared.folder import check_folder
        from automate_connectors.oauth.catalogue import check_providers
        from automate_connectors.outbound import check_settings
        from automate_connectors.stored import freshness
        from automate_governance import reference_registry
        from automate_governance.models import StoredSecret

        reference_registry.register_referrers(StoredSecret, references.connections_of_secrets)
        post_save.connect(references.follow_secret, sender=StoredSecret)
        connectors.before_first_use = freshness.refresh_at_first_use
        for server in (WSGIHandler, ASGIHandler):  # not the clients of tests, whose queries are counted
            request_started.connect(freshness.refresh_at_request, sender=server)
        register(_connectors_load, "automate")
        register(check_settings, "automate")
        register(check_providers, "automate")
        register(check_folder, "automate")
        register(model_allowlist.check_allowlist, "automate")
        register(model_allowlist.check_sensitive_models, "automate")
        _declare_roles(self)


def _connectors_load(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [
        Warning(message, hint=hint, id=f"automate_connectors.{number}")
        for number, message, hint in warnings(connectors)
    ]


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    each = ("view", "use", "change", "share", "delete")
    roles.declare(
        app,
        {
            roles.VIEWERS: roles.codenames("connection", "view"),
            roles.BUILDERS: roles.codenames("connection", "add", *each),
            roles.CONNECTION_ADMINS: (
                *roles.codenames("connection", "add"),
                *roles.codenames("connection", *each, scope="any"),
            ),
            roles.OPERATORS: roles.codenames("connection", "view", scope="any"),
            roles.AUDITORS: roles.codenames("connection", "view", scope="any"),
        },
    )
