"""Texts of plug-ins and of the engine in the language of the person who reads them, and what they would hide."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext

from automate_governance.redaction.redactor import redact
from automate_plugins.texts import Text, restored, stored, translate


def translated(message: str | Promise) -> str:
    """Return a text that `automate_plugins.text` marked in the active language; others come back unchanged."""
    if isinstance(message, Promise):  # of `gettext_lazy`: it translates itself
        return str(message)
    return translate(message, gettext, ngettext, _grouped)


def kept_text(message: str, shown: str) -> dict[str, Any] | None:
    """Return what is stored beside `shown`, the redacted message in English, to translate it from.

    None for a plain text, for a truncated one, and for one whose secret shows only in the whole sentence.
    """
    kept = redact(stored(message)) if isinstance(message, Text) else None
    return kept if kept is not None and restored(kept) == shown else None


def _grouped(number: int | str) -> str:
    """A whole number with separators, or the text of a float with the decimal sign of the language."""
    return number_format(number, use_l10n=True, force_grouping=isinstance(number, int))


def error_message(error: Mapping[str, Any] | None) -> str:
    """Return the message of a stored error in the active language; empty without an error.

    `message` is English; `text`, where there is one, is what `automate_plugins.texts.stored` kept beside it.
    """
    return translated(restored(error.get("text"), error.get("message") or "")) if error else ""


def escape_invisible(text: str) -> str:
    """`text` with characters that reorder or hide it (bidi controls, zero width) written as escapes."""
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in {"Cf", "Cc"} and char not in "\n\t" else char
        for char in text
    )
