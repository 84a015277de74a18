"""Signature schemes as a webhook names them, without a configured site."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from automate_core.webhooks.schemes.signing import SchemeError


def scheme_problem(code: str, config: Mapping[str, Any]) -> str:
    """Why deliveries cannot be verified by that scheme with that configuration; empty when they can."""
    installed = entry_points(group="django_automate.signature_schemes")
    scheme = next((entry.load() for entry in installed if entry.name == code), None)
    if scheme is None:
        return f"Unknown scheme {code!r}. Available: {', '.join(sorted(installed.names))}."
    try:
        scheme(dict(config))
    except SchemeError as error:
        return str(error)
    return ""
