"""The base of Automate's app configurations: it refuses to load without the apps that the models need.

An `apps.py` imports this module, not the class: Django would take the class for a second configuration of the app.
"""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from automate_plugins.documentation import doc

#: Without these no model can be imported, so that no system check would ever run.
REQUIRED = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "guardian",
    "pgtrigger",
    "automate_governance",
    "automate_connectors",
    "automate_llm",
    "automate_core",
)


class AutomateAppConfig(AppConfig):
    """The base of Automate's app configurations."""

    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Import the app's models. Raises ImproperlyConfigured when an app is missing that they need."""
        installed = {config.name for config in self.apps.app_configs.values()} if self.apps else set()
        if missing := [name for name in REQUIRED if name not in installed]:
            raise ImproperlyConfigured(
                f"Automate needs {', '.join(missing)} in INSTALLED_APPS: {doc('in-your-project')} lists all apps."
                " (automate_core.E010)"
            )
        super().import_models()
