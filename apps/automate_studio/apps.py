from __future__ import annotations

from django.apps import AppConfig


class AutomateStudioConfig(AppConfig):
    name = "automate_studio"
    verbose_name = "Studio"
