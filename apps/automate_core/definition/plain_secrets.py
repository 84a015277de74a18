"""Secrets typed into a step as plain text: versions and exports would contain them, readable for everyone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automate_connectors.adapters.base import Action
from automate_governance.redaction.redactor import is_ordinary_text
from automate_governance.redaction.token_patterns import is_secret_name, mask_token_patterns
from automate_plugins.fields import FieldKind

_SHORTEST = 8  # characters; what is shorter is a placeholder


def plain_secrets(action: Action, inputs: Mapping[str, Any]) -> Iterator[str]:
    """The inputs of `action` that hold a secret as plain text: by their kind, by its shape, or by the name it has."""
    secret = {field.name for field in action.fields or () if field.kind is FieldKind.SECRET}
    for name, value in inputs.items():
        if any(_is_secret(where, text, name in secret) for where, text in _texts(name, value)):
            yield name


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """(name of the member, text) of all texts in a value that hold no expression."""
    if isinstance(value, str) and "{{" not in value:
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(str(key), item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(name, item)


def _is_secret(name: str, text: str, declared: bool) -> bool:
    if declared and text:
        return True
    if len(text) < _SHORTEST:
        return False
    return mask_token_patterns(text, text.encode("utf-8", "surrogatepass")) != text or (
        is_secret_name(name) and not is_ordinary_text(text)
    )
