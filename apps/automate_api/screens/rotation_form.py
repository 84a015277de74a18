"""The form of a rotation: how long the previous token stays valid, and the new expiry."""

from __future__ import annotations

import datetime as dt

from django import forms
from django.utils.translation import gettext_lazy as _

from automate_api.tokens.issuing import DEFAULT_DAYS, DEFAULT_OVERLAP

_HOUR = 3600
OVERLAPS = (
    ("0", _("Not at all")),
    (str(_HOUR), _("1 hour")),
    (str(int(DEFAULT_OVERLAP.total_seconds())), _("1 day")),
    (str(7 * 24 * _HOUR), _("7 days")),
)
EXPIRIES = (("30", _("30 days")), (str(DEFAULT_DAYS), _("90 days")), ("365", _("1 year")))


class RotationForm(forms.Form):
    """Choices of a rotation."""

    overlap_seconds = forms.ChoiceField(
        label=_("Previous token stays valid for"),
        choices=OVERLAPS,
        initial=str(int(DEFAULT_OVERLAP.total_seconds())),
        help_text=_("Replace it in your programs during this time."),
    )
    expiry = forms.ChoiceField(label=_("New token expires after"), choices=EXPIRIES, initial=str(DEFAULT_DAYS))

    @property
    def overlap(self) -> dt.timedelta:
        """Overlap of a valid form."""
        return dt.timedelta(seconds=int(self.cleaned_data["overlap_seconds"]))

    @property
    def days(self) -> int:
        """Days until the new expiry, of a valid form."""
        return int(self.cleaned_data["expiry"])
