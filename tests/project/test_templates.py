"""Templates and style sheets stay readable: short lines, words for classes."""

from __future__ import annotations

from tests.conftest import ROOT


def test_no_line_of_a_template_is_over_120_columns():
    paths = list((ROOT / "templates").rglob("*.html"))
    assert len(paths) > 100
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert not wide
