"""The installed language-model providers."""

from __future__ import annotations

from django.conf import settings

from automate_llm.providers.base import Capability, LLMProvider
from automate_plugins.registry import Registry


def _verify(provider: LLMProvider) -> None:
    """Raise TypeError for a provider that screens and budgets cannot show."""
    for attribute in ("name", "default_base_url"):
        if not isinstance(getattr(provider, attribute), str):
            raise TypeError(f"{attribute} must be text")
    if not set(provider.capabilities) <= set(Capability):
        raise TypeError("capabilities must be a frozenset of Capability")


providers: Registry[LLMProvider] = Registry(
    "django_automate.llm.providers",
    LLMProvider,  # type: ignore[type-abstract]
    verify=_verify,
    allowed=lambda: getattr(settings, "AUTOMATE_LLM_PROVIDERS", None),
)
