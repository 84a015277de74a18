from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateStudioConfig(app_config.AutomateAppConfig):
    name = "automate_studio"
    verbose_name = _("Studio")

    def ready(self) -> None:
        from automate_studio import checks, navigation
        from automate_studio.operations.erasure_sources import register_erasure

        checks.register_all()
        navigation.register_pages()
        register_erasure()
