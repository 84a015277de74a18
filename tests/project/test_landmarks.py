"""Our copies of Unfold's templates differ from Unfold's by what stands here alone: an update of Unfold shows here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import unfold

from tests.conftest import ROOT

_NAMES = re.compile(r"\{#.*?#\}|\s+|(?:role|aria-[a-z]+)=\"(?:[^\"{]|\{%.*?%\})*\"")
_SPACE = re.compile(r"\s+")
_HISTORY = "{% if command_show_history %}true{% else %}false{% endif %}"
_CHOOSE = f"selectItem({_HISTORY}, false)"
_PALETTE = {  # what ours does otherwise: it says what it finds, takes what is typed at once, and Enter opens the first hit
    "{{ command_show_history|yesno:'true,false' }}": _HISTORY,
    "Workflow, connection, run, event or trace ID": "Type to search",
    "delay:250ms": "delay:500ms",
    " if (openCommandResults && ($event.metaKey || $event.ctrlKey) && $event.key === 'k')"
    " { $el.style.display = ''; $refs.searchInputCommand.focus() }": "",
    "handleShortcut($event);": "handleShortcut($event)",
    ' x-show="openCommandResults" x-cloak': ' x-show="openCommandResults" x-transition x-transition:leave.duration.0ms x-cloak',
    "{ if (searchTerm !== $el.value) { $el.dataset.entered = $el.value }"
    " else { if (!currentIndex && totalItems) nextItem(); } " + _CHOOSE + " }": _CHOOSE,
    "; if (totalItems && $refs.searchInputCommand.dataset.entered === searchTerm)"
    " { delete $refs.searchInputCommand.dataset.entered; nextItem(); " + _CHOOSE + " }": "",
}
_LANDMARK = re.compile(
    r"</?(?:main|header)\b(?:[^>{]|\{%.*?%\})*>|</?div\b[^>]*>|\{% block skip %\}(?s:.*?)\{% endblock %\}|\{#.*?#\}|\s+"
)


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
    squeezed = _SPACE.sub("", ours)
    for own, unfolds in _PALETTE.items():
        own, unfolds = _SPACE.sub("", own), _SPACE.sub("", unfolds)
        assert own in squeezed
        squeezed = squeezed.replace(own, unfolds)
    assert _NAMES.sub("", squeezed) == _NAMES.sub("", _SPACE.sub("", theirs))
    assert 'role="dialog"aria-modal="true"aria-label=' in _SPACE.sub("", ours) and "aria-" not in theirs
