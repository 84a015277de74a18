"""A language of no people: every marked text in brackets, longer and with accents, so that an unmarked one stands out."""

from __future__ import annotations

import re

import pytest
from django.utils import translation
from django.views.i18n import JavaScriptCatalog

from scripts import messages

OPEN, CLOSE = "⟦", "⟧"
_KEPT = re.compile(r"%\([\w-]+\)[sd]|%[sd%]|\{\w*\}|<[^>]*>|&\w+;|https?://\S+|\n")
_ACCENTS = str.maketrans("aeiouncszAEIOUNCSZ", "áéíóúñçšžÁÉÍÓÚÑÇŠŽ")


def pseudo(message: str) -> str:
    """The message with accents, a third longer, in brackets; placeholders and tags stay as they are."""
    if not message.strip():
        return message
    parts, position = [], 0
    for kept in _KEPT.finditer(message):
        parts += [message[position : kept.start()].translate(_ACCENTS), kept.group()]
        position = kept.end()
    parts.append(message[position:].translate(_ACCENTS))
    words = len(re.sub(r"<[^>]*>", "", message)) // 12
    return f"{OPEN}{''.join(parts)}{' xyž' * words}{CLOSE}"


@pytest.fixture
def pseudo_language(monkeypatch):
    """All texts of the site are pseudo-texts, those of Django and Unfold among them."""

    def in_context(context: str, message: str) -> str:
        return message if "format" in context else pseudo(message)

    replaced = {
        "gettext": pseudo,
        "ngettext": lambda one, many, count: pseudo(one if count == 1 else many),
        "pgettext": in_context,
        "npgettext": lambda context, one, many, count: in_context(context, one if count == 1 else many),
    }
    for name, function in replaced.items():
        getattr(translation, name)("x") if name == "gettext" else None  # Django looks its functions up once
        monkeypatch.setattr(translation._trans, name, function, raising=False)

    def catalogue(view: JavaScriptCatalog) -> dict[str, str]:
        found = [each.id for each in messages.messages() if each.domain == "djangojs"]
        return {each: pseudo(each) for each in found if isinstance(each, str)}

    monkeypatch.setattr(JavaScriptCatalog, "get_catalog", catalogue)
