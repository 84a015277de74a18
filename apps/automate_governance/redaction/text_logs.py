"""Log lines as text that a terminal shows as they are: what others have sent gives it no commands.

For LOGGING of any project: `{"()": "automate_governance.redaction.text_logs.TextFormatter"}`.
"""

from __future__ import annotations

import logging
import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text with control characters as escapes such as `\\x1b`; line breaks and tabs stay."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class TextFormatter(logging.Formatter):
    """A formatter whose finished lines have no control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
