"""Durations are read as people write them, and as screens show them in each language."""

from __future__ import annotations

import pytest
from django.utils import translation

from automate_core.expressions.durations import parse_duration
from automate_studio.view_models.step_card import span_text
from automate_ui.formatting import format_duration, format_round_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90), ("90", 90), ("15m", 900), ("2h 30m", 9_000), ("1w", 604_800), ("1.5h", 5_400),
        ("1 hour", 3_600), ("2 days", 172_800), ("1 day, 2 hours and 5 minutes", 93_900), ("90 Minutes", 5_400),
        ("1 Stunde", 3_600), ("2 Tage", 172_800), ("1 Tag und 2 Stunden", 93_600), ("15 Min.", 900), ("3 Wochen", 1_814_400),
        ("1h30m", 5_400),
    ],
)  # fmt: skip
def test_words_of_both_languages_are_read(written, seconds):
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "soon", "1 month", "1 hourly", "2 days later", "hour", "1 d2", "-1 day", "and 1h"]
)
def test_other_texts_are_refused(written):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(written)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("seconds", [1, 45, 90, 3_600, 9_000, 86_400, 172_800, 266_400])
def test_what_a_screen_shows_is_read_again(language, seconds):
    with translation.override(language):
        assert parse_duration(span_text(seconds)) == seconds
        assert parse_duration(format_duration(seconds)) == seconds
        assert parse_duration(format_round_duration(seconds)) == seconds


def test_a_set_duration_has_no_zeros_at_its_end():
    assert [span_text(each) for each in ("1h", "90m", "2m", "30s", "1d")] == ["1 h", "1 h 30 m", "2 m", "30 s", "1 day"]
    assert format_round_duration(3_600) == "1 h"
