from __future__ import annotations

from django.apps import AppConfig


class AutomateSiteConfig(AppConfig):
    name = "automate_site"
    verbose_name = "Site"
