"""The signed part of a callback's address: whoever has it may answer in a step's place, so nobody is shown it.

Its form is that of `django.core.signing.Signer.sign_object` for a list: `["` in base64, and an HMAC of SHA-256 behind a
colon, which URLs inside URLs have percent-encoded.
"""

from __future__ import annotations

import re2

from automate_governance.redaction.token_patterns import MASK

_PREFIX = b"WyI"
_TOKEN = re2.compile(rb"WyI[A-Za-z0-9_-]{40,}(?::|%(?:25)*3[Aa])[A-Za-z0-9_-]{43}")
_PARTIAL_TOKEN = re2.compile(rb"(?:WyI[A-Za-z0-9_:%-]*|Wy?)$")
_MAX_TOKEN_BYTES = 4_000  # bytes: what is longer is no token


def find_tokens(data: bytes) -> list[tuple[int, int]]:
    """Where tokens stand."""
    return [match.span() for match in _TOKEN.finditer(data)] if _PREFIX in data else []


def mask_tokens(data: bytes) -> bytes:
    """The same without tokens."""
    return _TOKEN.sub(MASK.encode(), data) if _PREFIX in data else data


def partial_token_start(data: bytes) -> int:
    """Where the end of `data` may be the beginning of a token; its length when it is none's."""
    begins = max(0, len(data) - _MAX_TOKEN_BYTES)
    found = _PARTIAL_TOKEN.search(data[begins:])
    return len(data) if found is None else begins + found.start()
