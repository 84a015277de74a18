"""The text of a token: `dat_`, 8 characters of public prefix, `_`, a secret of 43 characters, a checksum of 6.

The checksum (CRC-32, base 62) lets scanners and this site tell a token from other text without asking the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from hmac import compare_digest

from automate_api.models import START

_PREFIX_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 8, 43, 6
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TOKEN = re.compile(
    rf"{START}(?P<prefix>[0-9A-Za-z]{{{_PREFIX_LENGTH}}})_(?P<secret>[0-9A-Za-z_-]{{{_SECRET_LENGTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it is stored: its public prefix, and the SHA-256 of its secret in hexadecimal digits."""

    prefix: str
    digest: str


def new_prefix() -> str:
    """A random public prefix."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LENGTH))


def make_token(prefix: str) -> tuple[str, Credential]:
    """A new token with that prefix: (the text to show once, what is stored)."""
    secret = secrets.token_urlsafe(32)
    start = f"{START}{prefix}_{secret}"
    return start + _checksum(start), Credential(prefix, _digest(secret))


def parse_token(text: str) -> Credential | None:
    """The prefix and the digest of a token's text; None for any text that is not one."""
    match = _TOKEN.fullmatch(text)
    if match is None or not compare_digest(match["checksum"], _checksum(text[:-_CHECKSUM_LENGTH])):
        return None
    return Credential(match["prefix"], _digest(match["secret"]))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
