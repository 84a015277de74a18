"""Number fields typed as text: a browser's own number field drops a comma, and 12,50 became 1250."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class NumberInput(forms.TextInput):
    """A text field with a keypad on phones."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"inputmode": "decimal", "autocomplete": "off", **(attrs or {})})


class _NumberTextMixin:
    widget = NumberInput
    separators = ","  #: not taken: languages differ in what they mean
    with_separator = _("Use a decimal point and no commas, for example 12.50.")

    def to_python(self, value: Any) -> Any:
        """The number, or None. Raises ValidationError."""
        if isinstance(value, str) and set(value) & set(self.separators):
            raise ValidationError(self.with_separator, code="separator")
        return super().to_python(value)  # type: ignore[misc]


class DecimalField(_NumberTextMixin, forms.DecimalField):
    """A number with decimals after a point."""


class FloatField(_NumberTextMixin, forms.FloatField):
    """The same, as a float."""


class IntegerField(_NumberTextMixin, forms.IntegerField):
    """A whole number."""

    separators = ",."  # 1.000 is a thousand for some readers, and would be taken as 1
    with_separator = _("Enter a whole number without commas or points, for example 1250.")
