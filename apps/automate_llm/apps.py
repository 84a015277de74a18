from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register


class AutomateLLMConfig(AppConfig):
    name = "automate_llm"
    verbose_name = "Language models"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register(_providers_load)


def _providers_load(app_configs: Any, **_: Any) -> list[CheckMessage]:
    from automate_llm.registry import providers
    from automate_plugins.checks import load_errors

    return [Warning(message, hint=hint, id="automate_llm.W001") for message, hint in load_errors(providers)]
