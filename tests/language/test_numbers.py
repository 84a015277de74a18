"""Number fields show and take numbers in the reader's notation, and ask which number an ambiguous text means."""

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


def _taken(field: str, typed: str) -> Decimal | int | str:
    """Return the number that the field takes, or the code of its error."""
    form = Form({field: typed})
    return form.cleaned_data[field] if form.is_valid() else form.errors.as_data()[field][0].code


@pytest.mark.parametrize(
    ("language", "price", "count"),
    [("en", Decimal("1500.5"), 1500), ("de", Decimal("1500.5"), 1500), ("en", Decimal("0.125"), -7)],
)
def test_a_field_takes_what_it_shows(language, price, count):
    with translation.override(language):
        shown = Form(initial={"price": price, "count": count})
        typed = {name: shown.fields[name].widget.format_value(value) for name, value in shown.initial.items()}
        assert f'value="{typed["price"]}"' in str(shown)
        form = Form(typed)
        assert form.is_valid() and form.cleaned_data == {"price": price, "count": count}


@LANGUAGES
@pytest.mark.parametrize(("typed", "number"), [("1500.5", "1500.5"), ("-0.5", "-0.5"), ("1234.500", "1234.5")])
def test_the_notation_of_machines_is_taken_in_every_language(language, typed, number):
    with translation.override(language):
        assert _taken("price", typed) == Decimal(number)


@pytest.mark.parametrize(
    ("typed", "english", "german"),
    [
        ("1500,5", "invalid", Decimal("1500.5")),
        ("1.500,5", "invalid", Decimal("1500.5")),
        ("1,500.5", Decimal("1500.5"), "invalid"),
        ("1.500", "invalid", "invalid"),
        ("1,500", "invalid", "invalid"),
    ],
)
def test_a_price_is_read_as_its_reader_writes_it(typed, english, german):
    """What has two readings, or belongs to another language, is asked."""
    for language, taken in (("en", english), ("de", german)):
        with translation.override(language):
            assert _taken("price", typed) == taken


@LANGUAGES
@pytest.mark.parametrize("typed", ["1.000", "1.500", "1,000", "1.5", "1,5", "12.0"])
def test_a_whole_number_takes_no_separator_in_any_language(language, typed):
    """1.000 would be taken as 1."""
    with translation.override(language):
        assert _taken("count", typed) == "invalid"
        assert _taken("count", "1500") == 1500


@LANGUAGES
@pytest.mark.parametrize("typed", ["1.500", "1,500"])
def test_the_question_names_both_readings(language, typed):
    with translation.override(language):
        [error] = Form({"price": typed}).errors["price"]
        assert "1500" in error and ("1.5" if language == "en" else "1,5") in error


@LANGUAGES
def test_a_number_of_a_workflow_means_the_same_in_every_language(language):
    with translation.override(language):
        assert FieldSpec(name="x", kind=FieldKind.NUMBER).taken("1.500") == 1.5
        assert FieldSpec(name="x", kind=FieldKind.INTEGER).taken("1.500") == "1.500"
