"""The signed token in a callback URL: its bearer can answer for a step, so it is masked everywhere.

Its form is that of `django.core.signing.Signer.sign_object` for a list: `["` in base64, and an HMAC of SHA-256 behind a
colon, which URLs inside URLs have percent-encoded.
"""

from __future__ import annotations

from collections.abc import Collection

import re2

from automate_governance.redaction.token_patterns import MASK

_PREFIX = b"WyI"
_TOKEN = re2.compile(rb"WyI[A-Za-z0-9_-]{40,}(?::|%(?:25)*3[Aa])[A-Za-z0-9_-]{43}")
_PARTIAL_TOKEN = re2.compile(rb"(?:WyI[A-Za-z0-9_:%-]*|Wy?)$")
_MAX_TOKEN_BYTES = 4_000  # bytes: what is longer is no token


def find_tokens(data: bytes) -> list[tuple[int, int]]:
    """Return the spans of all tokens in `data`."""
    return [match.span() for match in _TOKEN.finditer(data)] if _PREFIX in data else []


def mask_tokens(data: bytes, shown: Collection[bytes] = ()) -> bytes:
    """Return `data` with its tokens masked, except those in `shown`."""
    if _PREFIX not in data:
        return data
    return _TOKEN.sub(lambda match: match[0] if match[0] in shown else MASK.encode(), data)  # type: ignore[no-any-return]


def partial_token_start(data: bytes) -> int:
    """Return where a token may begin that `data` cuts off; the length of `data` when there is none."""
    begins = max(0, len(data) - _MAX_TOKEN_BYTES)
    found = _PARTIAL_TOKEN.search(data[begins:])
    return len(data) if found is None else begins + found.start()
