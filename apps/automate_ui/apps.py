from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateUiConfig(app_config.AutomateAppConfig):
    name = "automate_ui"
    verbose_name = _("Shared screens")
