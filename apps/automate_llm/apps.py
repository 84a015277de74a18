from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.translation import gettext_lazy as _

from automate_governance import app_config
from automate_governance.redaction.plugin_warnings import warnings
from automate_llm.prices import PriceError, site_prices
from automate_llm.registry import providers


class AutomateLLMConfig(app_config.AutomateAppConfig):
    name = "automate_llm"
    verbose_name = _("Model usage")

    def ready(self) -> None:
        register(_providers_load, "automate")
        register(_prices_can_be_read, "automate")
        _declare_roles(self)


def _providers_load(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [Warning(message, hint=hint, id=f"automate_llm.{number}") for number, message, hint in warnings(providers)]


def _prices_can_be_read(app_configs: Any, **_: Any) -> list[CheckMessage]:
    try:
        site_prices()
    except PriceError as error:
        hint = 'Such as {"openai/gpt-5": {"in": 1.25, "out": 10}, "localhost:11434/*": {"in": 0, "out": 0}}.'
        return [Error(f"AUTOMATE_LLM_PRICES: {error}", hint=hint, id="automate_llm.E001")]
    return []


def _declare_roles(app: AppConfig) -> None:
    from automate_governance import roles

    roles.declare(app, {roles.OPERATORS: ("view_llmusage",), roles.AUDITORS: ("view_llmusage",)})
