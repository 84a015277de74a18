"""Number fields typed as text: a browser's own number field drops a comma, and 12,50 became 1250."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from automate_governance.numbers import decimal_sign, number_problem, typed_number, whole_number_problem
from automate_governance.texts import translated
from automate_plugins.typed_values import plain_number


class NumberInput(forms.TextInput):
    """A text field with a keypad on phones. Numbers are shown as people type them in their language: 250,5."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off", **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        """The number in the active language's notation; texts as they were typed."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return typed_number(value)
        shown: str | None = super().format_value(value)
        return shown


class _NumberTextMixin:
    widget = NumberInput

    def to_python(self, value: Any) -> Any:
        """The number, or None. Raises ValidationError, also for what languages read as two numbers."""
        if isinstance(value, str) and value.strip():
            value = self._plain(value)
        return super().to_python(value)  # type: ignore[misc]

    def _plain(self, written: str) -> str:
        plain = plain_number(written, decimal_sign())
        if not plain:
            raise ValidationError(translated(number_problem(written)), code="invalid")
        return plain


class DecimalField(_NumberTextMixin, forms.DecimalField):
    """A number with decimals."""


class FloatField(_NumberTextMixin, forms.FloatField):
    """The same, as a float."""


class IntegerField(_NumberTextMixin, forms.IntegerField):
    """A whole number."""

    def _plain(self, written: str) -> str:
        plain = plain_number(written, decimal_sign())
        if not plain.lstrip("+-").isdigit():  # Django takes 12.0
            raise ValidationError(translated(whole_number_problem(written)), code="invalid")
        return plain
