from __future__ import annotations

from automate_governance import app_config


class AutomateStudioConfig(app_config.AutomateAppConfig):
    name = "automate_studio"
    verbose_name = "Studio"
