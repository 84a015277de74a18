"""The forms in which a secret may be written: its parts, and the encodings of each.

The encodings are those that libraries write: percent-encoding (RFC 3986), base64 (RFC 4648), JSON (RFC 8259) with the
escapes that other writers add, HTML, hexadecimal and Python's own `repr`.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit

from automate_governance.redaction.token_patterns import is_secret_name

MIN_LENGTH = 6  # characters; shorter values would blank out ordinary text
_MIN_LINE_LENGTH = 20  # of a value of several lines: shorter ones are hardly secret by themselves
_SAFE_CHARACTERS = ("/", "", "!'()*~", "!#$%&'()*+,/:;=?@[]~")  # by Python, strictly, by browsers, by requests
_URLSAFE = str.maketrans("+/", "-_")


def parts_of(value: str) -> Iterator[str]:
    """Yield the value and its secret parts: lines of a key, a URL's password, members of a JSON object."""
    yield value
    stripped = value.strip()
    yield stripped
    if "\n" in stripped:
        lines = (line.strip() for line in stripped.splitlines())
        yield from (line for line in lines if len(line) >= _MIN_LINE_LENGTH and not line.startswith("-----"))
    if "://" in stripped and "@" in stripped:
        yield from passwords_of(stripped)
    if stripped.startswith("{"):
        yield from _members(stripped)


def encodings_of(value: str) -> set[str]:
    """Return `value` in every encoding, none shorter than MIN_LENGTH."""
    plain = {value, *_escaped(value)}
    spelt = {*plain, *(form for text in plain for form in _percent(text)), *_base64(value), *_hexadecimal(value)}
    return {form for form in spelt if len(form) >= MIN_LENGTH}


def passwords_of(url: str) -> Iterator[str]:
    """Yield the password of a URL, as it is and decoded."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _members(document: str) -> Iterator[str]:
    """The members of a JSON object, such as a service account, whose names say that they are secret."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return
    for name, member in found.items():
        if isinstance(member, str) and is_secret_name(name):
            yield from parts_of(member)


def _escaped(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        encoded = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield encoded
        yield encoded.replace("/", "\\/")
        yield re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", encoded)
        yield json.dumps(encoded, ensure_ascii=ascii_only)[1:-1]  # a document inside a document
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    yield repr(value)[1:-1]
    yield repr(value.encode())[2:-1]


def _percent(value: str) -> Iterator[str]:
    for safe in _SAFE_CHARACTERS:
        quoted = quote(value, safe=safe)
        yield from _both_cases(quoted)
        yield from _both_cases(quote(quoted, safe=""))  # a URL inside a URL
    yield from _both_cases(quote_plus(value))
    yield from _both_cases("".join(f"%{byte:02X}" for byte in value.encode("utf-8", "surrogatepass")))  # also letters


def _both_cases(quoted: str) -> Iterator[str]:
    yield quoted
    yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)


def _base64(value: str) -> Iterator[str]:
    """Yield, for each of the three alignments, the characters that the value alone decides."""
    raw = value.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        core = encoded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
        yield core
        yield core.translate(_URLSAFE)


def _hexadecimal(value: str) -> Iterator[str]:
    digits = value.encode().hex()
    yield digits
    yield digits.upper()
