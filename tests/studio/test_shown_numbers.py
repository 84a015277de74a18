"""Numbers in messages and on screens, in the notation of the reader's language."""

from __future__ import annotations

import pytest
from django.utils import translation

from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.texts import restored, stored
from automate_studio.view_models.condition_lines import value_text
from automate_ui.formatting import format_duration, format_percent, round_decimals, split_unit


def test_the_decimals_of_a_message_are_those_of_its_reader():
    kept = restored(stored(text("%(host)s did not respond within %(seconds)s s.", host="h", seconds=4.88)))
    assert str(kept) == "h did not respond within 4.88 s."
    with translation.override("de"):
        assert "4,88 s" in translated(kept)
    assert str(text("%(seconds)s s", seconds=5.0)) == "5 s"
    assert str(text("%(count)s rows", count=12_345)) == "12,345 rows"


@pytest.mark.parametrize(
    ("language", "percent", "seconds"),
    [("de", ("87,0", "\N{NO-BREAK SPACE}%"), ("0,8", " s")), ("en", ("87.0", "%"), ("0.8", " s"))],
)
def test_a_unit_keeps_the_space_before_it(language, percent, seconds):
    with translation.override(language):
        value, unit = split_unit(format_percent(87.0))
        assert (value, unit.replace("\N{NO-BREAK SPACE}", " ")) == (
            percent[0],
            percent[1].replace("\N{NO-BREAK SPACE}", " "),
        )
        assert split_unit(format_duration(0.8)) == seconds
    assert split_unit("none") == ("none", "")


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("193.66666666666666", "193.67"),
        ("Order 7: -0.30000000000000004 EUR", "Order 7: -0.3 EUR"),
        ("52.5200066", "52.5200066"),
        ("1.2.3456789012", "1.2.3456789012"),
        ("Order 10,5", "Order 10,5"),
    ],
)
def test_the_decimals_that_a_sum_leaves_are_rounded(subject, shown):
    with translation.override("en"):
        assert round_decimals(subject) == shown


def test_values_that_a_page_renders_have_the_notation_of_its_reader():
    with translation.override("de"):
        assert (value_text(7500.5), value_text(6000.0), value_text(7)) == ("7500,5", "6000", "7")
        assert value_text([7500.5]) == "[7500.5]", "JSON stays JSON"
        assert round_decimals("193.66666666666666") == "193,67"
    with translation.override("en"):
        assert value_text(7500.5) == "7500.5"
