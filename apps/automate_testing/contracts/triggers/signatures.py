"""Signature schemes as a webhook names them, without a configured site."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from automate_connectors.adapters.webhooks import Webhook
from automate_core.webhooks.schemes.signing import SchemeError

_GROUP = "django_automate.signature_schemes"


def _scheme(code: str) -> Any:
    return next((entry.load() for entry in entry_points(group=_GROUP) if entry.name == code), None)


def sample_problem(webhook: Webhook) -> str:
    """Why the sample of a webhook would start nothing: its field of the event type is missing, or holds another."""
    if "event_field" not in webhook.scheme_config:  # the type is in a header, or the scheme knows its place
        return ""
    found = _scheme(webhook.scheme)(dict(webhook.scheme_config)).event_type({}, dict(webhook.sample))
    if not found:
        return f"it has no {webhook.scheme_config['event_field']!r}, in which `event_field` looks for the event type"
    if webhook.event_types and found not in webhook.event_types:
        return f"its event type {found!r} is none of {', '.join(webhook.event_types)}"
    return ""


def scheme_problem(code: str, config: Mapping[str, Any]) -> str:
    """Why deliveries cannot be verified by that scheme with that configuration; empty when they can."""
    scheme = _scheme(code)
    if scheme is None:
        return f"Unknown scheme {code!r}. Available: {', '.join(sorted(entry_points(group=_GROUP).names))}."
    try:
        scheme(dict(config))
    except SchemeError as error:
        return str(error)
    return ""
