"""System checks of the API."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error


def check_libraries(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001: the extra `api` is not installed."""
    if find_spec("ninja") is not None:
        return []
    hint = 'Install it with pip install "django-automate[api]", or remove automate_api from INSTALLED_APPS.'
    return [Error("automate_api needs django-ninja, which is not installed.", hint=hint, id="automate_api.E001")]
