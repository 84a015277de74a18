"""Our copies of Unfold's templates differ from Unfold's by what stands here alone: an update of Unfold shows here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import unfold

from tests.conftest import ROOT

_NAMES = re.compile(r"\{#.*?#\}|\s+|(?:role|aria-[a-z]+)=\"(?:[^\"{]|\{%.*?%\})*\"")
_PALETTE = {  # what ours does otherwise: it says what it finds, and Enter opens the first of it
    "Workflow, connection, run, event or trace id": "Type to search",
    "delay:250ms": "delay:500ms",
    "{ if (!currentIndex && totalItems && searchTerm === $el.value) nextItem(); selectItem(": "selectItem(",
    ", false) }": ", false)",
}
_LANDMARK = re.compile(r"</?(?:main|header)\b[^>]*>|</?div\b[^>]*>|\{#.*?#\}|\s+")


@pytest.mark.parametrize("name", ["admin/base.html", "unfold/layouts/unauthenticated.html"])
def test_our_copies_add_landmarks_and_nothing_else(name):
    theirs = (Path(unfold.__file__).parent / "templates" / name).read_text(encoding="utf-8")
    ours = (ROOT / "templates" / name).read_text(encoding="utf-8")
    assert _LANDMARK.sub("", ours) == _LANDMARK.sub("", theirs)
    assert ours.count("<main ") == ours.count("</main>") == 1


def test_our_copy_of_the_palette_adds_names_and_little_else():
    name = "unfold/helpers/command.html"
    theirs = (Path(unfold.__file__).parent / "templates" / name).read_text(encoding="utf-8")
    ours = (ROOT / "templates" / name).read_text(encoding="utf-8")
    for own, unfolds in _PALETTE.items():
        assert ours.count(own) == 1
        ours = ours.replace(own, unfolds)
    assert _NAMES.sub("", ours) == _NAMES.sub("", theirs)
    assert 'role="dialog" aria-modal="true" aria-label=' in ours and "aria-" not in theirs
