"""The keys that encrypt stored secrets: AES-256-GCM with the key's id stored and the row bound in as associated data.

`AUTOMATE_SECRETS_KEYS` holds them, newest first: each 32 bytes in URL-safe base64. The first one encrypts, all of
them decrypt. A key's id is the start of its SHA-256, so that a wrong key is recognised before it is tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
NONCE_BYTES = 12


class KeyUnavailableError(ImproperlyConfigured):
    """A stored secret needs a key that is not configured. The message names the key's id."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value: which key, and nonce plus ciphertext plus tag."""

    key_id: str
    box: bytes


def generate_key() -> str:
    """A new random key in the form the setting takes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """The name of a key: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]


class Keyring:
    """The configured keys. Raises ImproperlyConfigured when one is malformed."""

    def __init__(self, encoded_keys: tuple[str, ...]) -> None:
        keys = [_decode(encoded) for encoded in encoded_keys]
        self.by_id = {key_id(key): AESGCM(key) for key in keys}
        self.active = next(iter(self.by_id), None)

    def seal(self, value: str, *, bound_to: str) -> Sealed:
        """Encrypt `value` under the newest key. `bound_to` names its row: the box opens nowhere else."""
        if self.active is None:
            raise KeyUnavailableError("no key for secrets is configured; set AUTOMATE_SECRETS_KEYS")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Sealed(self.active, nonce + self.by_id[self.active].encrypt(nonce, value.encode(), bound_to.encode()))

    def open(self, sealed: Sealed, *, bound_to: str) -> str:
        """Decrypt. Raises KeyUnavailableError without the key, ValueError when the box was altered or moved."""
        cipher = self.by_id.get(sealed.key_id)
        if cipher is None:
            raise KeyUnavailableError(
                f"this secret was stored with key {sealed.key_id}; configured: {', '.join(self.by_id) or 'none'}"
            )
        try:
            return cipher.decrypt(sealed.box[:NONCE_BYTES], sealed.box[NONCE_BYTES:], bound_to.encode()).decode()
        except InvalidTag:
            raise ValueError(f"the stored secret does not open with key {sealed.key_id}: altered or moved") from None


def keyring() -> Keyring:
    """The keyring of the current settings."""
    return _keyring(tuple(getattr(settings, "AUTOMATE_SECRETS_KEYS", ())))


@lru_cache(maxsize=4)
def _keyring(encoded_keys: tuple[str, ...]) -> Keyring:
    return Keyring(encoded_keys)


def _decode(encoded: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(encoded.strip())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured("a key in AUTOMATE_SECRETS_KEYS is not 32 bytes in URL-safe base64")
    return key
