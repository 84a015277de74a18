"""The second wall around secrets: every value handed out is replaced at every sink, in the forms it may take there."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 6  # shorter values would blank out ordinary text

# What looks like a secret even when nobody handed it out: a cheap test first, since almost no text holds one.
_SHAPES = (
    ("@", re.compile(r"(://)[^/\s:@\"'\\]{1,100}:[^/\s@\"'\\]{1,200}(?=@)")),  # user:password in a URL
    ("sk-", re.compile(r"()\bsk-[A-Za-z0-9_-]{16,}")),
    ("gh", re.compile(r"()\bgh[pousr]_[A-Za-z0-9]{20,}")),
    ("xox", re.compile(r"()\bxox[abeprs]-[A-Za-z0-9-]{10,}")),
    ("whsec_", re.compile(r"()\bwhsec_[A-Za-z0-9+/=]{16,}")),
)


class Redactor:
    """Knows the secret values of this process and blanks them out of text. Thread-safe."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def learn(self, value: str) -> None:
        """Replace `value` everywhere from now on."""
        if value in self._values or len(value) < SHORTEST:
            return
        with self._lock:
            self._values.add(value)
            forms = {form for known in self._values for form in _forms(known) if len(form) >= SHORTEST}
            self._pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """`text` with every known value and every secret-looking shape replaced by the mask."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for hint, shape in _SHAPES:
            if hint in text:
                text = shape.sub(rf"\g<1>{MASK}", text)
        return text


def _forms(value: str) -> Iterator[str]:
    """The spellings of a secret: raw, URL-encoded, JSON- and HTML-escaped, hexadecimal, base64 at three alignments."""
    raw = value.encode()
    yield value
    for safe in ("/", ""):
        quoted = quote(value, safe=safe)
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)
    yield raw.hex()
    yield raw.hex().upper()
    for shift in range(3):
        # Whatever stands before and after shares characters at both ends: keep those that the value alone decides.
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        start = (shift * 8 + 5) // 6
        core = encoded[start : (shift + len(raw)) * 8 // 6]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))


class RedactingFilter(logging.Filter):
    """Blanks secrets out of a log record: message, arguments and traceback. Attach it to handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact in place; every record passes."""
        record.msg, record.args = redactor.text(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redactor.text(record.exc_text)
        return True


redactor = Redactor()


def redact_json(document: str) -> str:
    """A JSON document with secrets masked; it stays a JSON document."""
    masked = redactor.text(document)
    if masked == document:
        return document
    try:
        json.loads(masked)
    except ValueError:  # a secret of digits stood inside a number
        return json.dumps(redact(json.loads(document)), ensure_ascii=False)
    return masked


def redact(value: Any) -> Any:
    """A JSON-like value with secrets masked in keys, texts and numbers. At most as deep as Python recurses."""
    if isinstance(value, dict):
        return {redactor.text(str(key)): redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if redactor.text(str(value)) == str(value) else MASK
    return value
