"""The slug that is proposed for a name. The scripts propose the same: `static/automate_studio/shared/slugs.js`."""

from __future__ import annotations

import re

from django.utils.text import slugify
from django.utils.translation import get_language

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
_SHARP = str.maketrans({"ß": "ss", "ẞ": "SS"})  #: in any language: it has no other plain form


def slug_like(name: str, *, most: int = 90) -> str:
    """A slug like a name, in the spelling of the reader's language; empty when the name has no letter for it."""
    written = name.translate(_SHARP)
    if (get_language() or "").startswith("de"):
        written = written.translate(_GERMAN)
    slug = re.sub(r"-{2,}", "-", slugify(written).replace("_", "-"))
    return slug.strip("-")[:most].rstrip("-")
