from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config


class AutomateStudioConfig(app_config.AutomateAppConfig):
    name = "automate_studio"
    verbose_name = _("Studio")

    def ready(self) -> None:
        from automate_studio import navigation
        from automate_studio.operations.erasure_sources import register_erasure

        navigation.register_pages()
        register_erasure()

    def needs_import_map(self) -> bool:
        """Whether the pages render an inline import map, which a content security policy has to allow."""
        from automate_ui.script_modules import import_map

        try:
            return bool(settings.STATIC_URL and import_map())
        except ValueError:  # a storage with a manifest, before collectstatic
            return True
        except ImproperlyConfigured:  # no page can be rendered: there is no such storage, or no STATIC_ROOT
            return False
