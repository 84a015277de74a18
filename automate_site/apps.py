from __future__ import annotations

from django.apps import AppConfig


class AutomateSiteConfig(AppConfig):
    name = "automate_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from automate_core import conf
        from automate_core.checks import setting_names

        conf.variables["MAILERS"] = "AUTOMATE_SMTP"
        setting_names.others |= {"AUTOMATE_PORT", "AUTOMATE_DEMO"}
