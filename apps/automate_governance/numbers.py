"""The notation of numbers in the active language, for reading what people type and for showing it again."""

from __future__ import annotations

from django.utils import formats

from automate_plugins.typed_values import COMMA, POINT, write_number


def decimal_sign() -> str:
    """The sign before the decimals in the active language."""
    return COMMA if formats.get_format("DECIMAL_SEPARATOR") == COMMA else POINT


def typed_number(value: float) -> str:
    """A number as people type it in the active language: `250,5` in German. Form fields take it again."""
    return write_number(value, decimal_sign())
