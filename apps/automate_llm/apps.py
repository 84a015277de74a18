from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.db.models.signals import post_migrate

from automate_governance import app_config


class AutomateLLMConfig(app_config.AutomateAppConfig):
    name = "automate_llm"
    verbose_name = "Language models"

    def ready(self) -> None:
        register(_providers_load, "automate")
        register(_prices_can_be_read, "automate")
        _declare_roles(self)
        post_migrate.connect(_seed_roles, sender=self)


def _providers_load(app_configs: Any, **_: Any) -> list[CheckMessage]:
    from automate_llm.registry import providers
    from automate_plugins.checks import warnings

    return [Warning(message, hint=hint, id=f"automate_llm.{number}") for number, message, hint in warnings(providers)]


def _prices_can_be_read(app_configs: Any, **_: Any) -> list[CheckMessage]:
    from automate_llm.prices import PriceError, site_prices

    try:
        site_prices()
    except PriceError as error:
        hint = 'Such as {"openai/gpt-5": {"in": 1.25, "out": 10}, "localhost:11434/*": {"in": 0, "out": 0}}.'
        return [Error(f"AUTOMATE_LLM_PRICES: {error}", hint=hint, id="automate_llm.E001")]
    return []


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    roles.declare(app, {roles.OPERATORS: ("view_llmusage",), roles.AUDITORS: ("view_llmusage",)})


def _seed_roles(sender: AppConfig, apps: Apps | None = None, **_: Any) -> None:
    from automate_governance import roles

    roles.seed(sender, apps)
