"""Our copies of Unfold's templates differ from Unfold's by the landmarks alone: an update of Unfold shows here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import unfold

from tests.conftest import ROOT

_NAMES = re.compile(r"\{#.*?#\}|\s+|(?:role|aria-[a-z]+)=\"(?:[^\"{]|\{%.*?%\})*\"")
_LANDMARK = re.compile(r"</?(?:main|header)\b[^>]*>|</?div\b[^>]*>|\{#.*?#\}|\s+")


@pytest.mark.parametrize("name", ["admin/base.html", "unfold/layouts/unauthenticated.html"])
def test_our_copies_add_landmarks_and_nothing_else(name):
    theirs = (Path(unfold.__file__).parent / "templates" / name).read_text(encoding="utf-8")
    ours = (ROOT / "templates" / name).read_text(encoding="utf-8")
    assert _LANDMARK.sub("", ours) == _LANDMARK.sub("", theirs)
    assert ours.count("<main ") == ours.count("</main>") == 1


def test_our_copy_of_the_palette_adds_names_and_nothing_else():
    name = "unfold/helpers/command.html"
    theirs = (Path(unfold.__file__).parent / "templates" / name).read_text(encoding="utf-8")
    ours = (ROOT / "templates" / name).read_text(encoding="utf-8")
    assert _NAMES.sub("", ours) == _NAMES.sub("", theirs)
    assert 'role="dialog" aria-modal="true" aria-label=' in ours and "aria-" not in theirs
