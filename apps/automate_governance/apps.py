from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import pre_save

from automate_governance import app_config


class AutomateGovernanceConfig(app_config.AutomateAppConfig):
    name = "automate_governance"
    verbose_name = "Governance"

    def ready(self) -> None:
        from django.contrib.admin.models import LogEntry

        from automate_governance import checks, startup
        from automate_governance.people import account_trail
        from automate_governance.redaction import log_redaction

        for check in (
            checks.secrets_backends_load,
            checks.secrets_keys_are_keys,
            checks.vault_settings_make_sense,
            checks.no_debug_pages_in_public,
        ):
            register(check, "automate")
        register(checks.the_development_server_asks_too)
        register(checks.secrets_keys_open_what_is_stored, "database")
        _declare_roles(self)
        pre_save.connect(log_redaction.redact_history, sender=LogEntry)
        account_trail.connect()
        log_redaction.guard_handlers()
        startup.learn_what_is_the_sites_own()


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    secret_verbs = ("use", "replace", "delete")
    roles.declare(
        app,
        {
            roles.BUILDERS: roles.share("storedsecret", "add", *secret_verbs),
            roles.CONNECTION_ADMINS: (
                *roles.share("storedsecret", "add"),
                *roles.share("storedsecret", *secret_verbs, scope="any"),
            ),
            roles.OPERATORS: ("operate_site",),
            roles.AUDITORS: ("audit_site",),
        },
    )
