"""docs/expressions.md is what the code says."""

from __future__ import annotations

from automate_core.expressions.templating.filters import FILTERS
from automate_studio.builder.data import reference
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "expressions.md").read_text(encoding="utf-8")


def test_the_page_is_made_from_the_code_as_it_is():
    again = "run: .venv/bin/python -m automate_studio.builder.data.reference > docs/expressions.md"
    assert reference.page() == PAGE, again


def test_every_filter_stands_in_a_table():
    for name, offered in FILTERS.items():
        assert f"| `{name}" in PAGE and offered.about in PAGE
    assert all(line.count(" | ") == 2 for line in PAGE.splitlines() if line.startswith("| `"))


def test_nothing_is_left_to_be_filled_in():
    assert "{seconds}" not in PAGE and "{memory}" not in PAGE and "None" not in PAGE
