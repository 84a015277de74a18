"""The installed language-model providers."""

from __future__ import annotations

from django.conf import settings

from automate_llm.providers.base import LLMProvider
from automate_plugins.registry import Registry

providers: Registry[LLMProvider] = Registry(
    "django_automate.llm.providers",
    LLMProvider,  # type: ignore[type-abstract]
    allowed=lambda: getattr(settings, "AUTOMATE_LLM_PROVIDERS", None),
)
