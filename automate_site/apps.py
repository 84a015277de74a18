from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AutomateSiteConfig(AppConfig):
    name = "automate_site"
    verbose_name = _("Site")

    def ready(self) -> None:
        from django.core.checks import register

        from automate_core import conf
        from automate_core.checks import setting_names
        from automate_site.checks import check_site

        conf.variables["MAILERS"] = "AUTOMATE_SMTP"
        setting_names.others |= {"AUTOMATE_PORT", "AUTOMATE_DEMO"}
        register(check_site, "automate", deploy=True)
