"""Number fields show and take the same in every language: a point before decimals, and nothing between thousands."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django import forms
from django.utils import translation

from automate_connectors import number_fields
from automate_plugins.fields import FieldKind, FieldSpec

LANGUAGES = pytest.mark.parametrize("language", ["en", "de"])


class Form(forms.Form):
    price = number_fields.DecimalField(required=False)
    count = number_fields.IntegerField(required=False)


@LANGUAGES
def test_a_field_shows_what_it_takes(language):
    with translation.override(language):
        shown = str(Form(initial={"price": Decimal("1500.5"), "count": 1500}))
        assert 'value="1500.5"' in shown and 'value="1500"' in shown
        assert Form({"price": "1500.5", "count": "1500"}).is_valid()


@LANGUAGES
@pytest.mark.parametrize("typed", ["1.500,5", "1,500.5", "1500,5"])
def test_a_comma_is_refused_in_every_language(language, typed):
    with translation.override(language):
        assert Form({"price": typed}).errors.as_data()["price"][0].code == "separator"


@LANGUAGES
@pytest.mark.parametrize("typed", ["1.000", "1.500", "1,000", "1.5"])
def test_a_whole_number_takes_no_separator_in_any_language(language, typed):
    """1.000 would be taken as 1."""
    with translation.override(language):
        assert Form({"count": typed}).errors.as_data()["count"][0].code == "separator"


@LANGUAGES
def test_a_decimal_point_means_the_same_in_every_language(language):
    with translation.override(language):
        form = Form({"price": "1.500"})
        assert form.is_valid() and form.cleaned_data["price"] == Decimal("1.5")
        assert FieldSpec(name="x", kind=FieldKind.NUMBER).taken("1.500") == 1.5
        assert FieldSpec(name="x", kind=FieldKind.INTEGER).taken("1.500") == "1.500"
