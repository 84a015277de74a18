from __future__ import annotations

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import register
from django.db.models.signals import pre_save
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateGovernanceConfig(app_config.AutomateAppConfig):
    name = "automate_governance"
    verbose_name = _("Secrets and audit trail")

    def ready(self) -> None:
        from automate_governance import checks, startup
        from automate_governance.database_checks import register_database_checks
        from automate_governance.people import account_trail, locale, password_changes
        from automate_governance.redaction import log_redaction
        from automate_plugins import project_classes

        project_classes.configuration.paths = _plugin_paths
        for check in (
            checks.check_secrets_backends,
            checks.check_secrets_keys,
            checks.check_vault_settings,
            checks.check_debug_is_off,
        ):
            register(check, "automate")
        register(checks.check_stored_secrets_at_runserver)
        register_database_checks(checks.check_stored_secrets)
        _declare_roles(self)
        if apps.is_installed("django.contrib.admin"):
            pre_save.connect(log_redaction.redact_history, sender="admin.LogEntry")
        account_trail.connect()
        locale.connect()
        password_changes.connect()
        log_redaction.guard_handlers()
        startup.learn_site_secrets()


def _plugin_paths() -> list[str]:
    """The paths in AUTOMATE_PLUGINS. A check reports another value than a list of texts."""
    given = getattr(settings, "AUTOMATE_PLUGINS", ())
    return [path for path in given if isinstance(path, str)] if isinstance(given, list | tuple) else []


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    secret_verbs = ("use", "replace", "delete")
    roles.declare(
        app,
        {
            roles.BUILDERS: roles.codenames("storedsecret", "add", *secret_verbs),
            roles.CONNECTION_ADMINS: (
                *roles.codenames("storedsecret", "add"),
                *roles.codenames("storedsecret", *secret_verbs, scope="any"),
            ),
            roles.OPERATORS: ("operate_site",),
            roles.AUDITORS: ("audit_site",),
        },
    )
