from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate


class AutomateGovernanceConfig(AppConfig):
    name = "automate_governance"
    verbose_name = "Governance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from automate_governance import checks

        register(checks.secrets_backends_load)
        register(checks.secrets_keys_open_what_is_stored, "database")
        post_migrate.connect(_seed_roles, sender=self)


def _seed_roles(sender: AppConfig, **_: Any) -> None:
    from automate_governance import roles

    secret_verbs = ("use", "replace", "delete")
    roles.seed(
        sender,
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
