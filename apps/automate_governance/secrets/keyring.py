"""The keys that protect stored secrets: an envelope of two layers of AES-256-GCM (NIST SP 800-38D).

Each secret has a random data key of its own, which encrypts its value. A key-encryption key encrypts ("wraps") that
data key. `AUTOMATE_SECRETS_KEYS` holds the key-encryption keys, newest first: each 32 bytes in URL-safe base64. The
first one wraps, all of them unwrap. A key's id is the start of its SHA-256, so that a wrong key is recognised before it
is tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from automate_plugins import text
from automate_plugins.errors import AutomateError

KEY_BYTES = 32
NONCE_BYTES = 12


class KeyUnavailableError(AutomateError, ImproperlyConfigured, status=503, code="key_unavailable"):
    """A stored secret needs a key that is not configured. The message names the key's id."""


@dataclass(frozen=True, slots=True)
class SecretLocation:
    """The row and version that a secret is encrypted for: an envelope opens for its own location alone."""

    table: str
    row: int
    name: str
    version: int

    def associated_data(self, layer: str) -> bytes:
        """Return the associated data of one layer of the envelope."""
        return json.dumps([layer, self.table, self.row, self.name, self.version]).encode()


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted value, its wrapped data key, and the id of the key that wraps it.

    Both boxes are nonce plus ciphertext plus tag.
    """

    key_id: str
    wrapped_key: bytes
    box: bytes


def generate_key() -> str:
    """Return a new random key in the form of the setting."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """Return the id of a key: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]


class Keyring:
    """The configured keys. Raises ImproperlyConfigured when one is malformed."""

    def __init__(self, encoded_keys: tuple[str, ...]) -> None:
        keys = [_decode(encoded, place) for place, encoded in enumerate(encoded_keys, 1)]
        self.by_id = {key_id(key): key for key in keys}
        self.active = next(iter(self.by_id), None)

    @sensitive_variables()
    def seal(self, value: str, location: SecretLocation) -> Envelope:
        """Encrypt `value` under a new data key, wrapped by the newest key. Raises KeyUnavailableError without any."""
        data_key = secrets.token_bytes(KEY_BYTES)
        box = _encrypt(data_key, value.encode(), location.associated_data("value"))
        return self._wrap(data_key, Envelope("", b"", box), location)

    @sensitive_variables()
    def open(self, sealed: Envelope, location: SecretLocation) -> str:
        """Decrypt. Raises KeyUnavailableError without the key, ValueError when it was altered or moved."""
        try:
            return _decrypt(self._unwrap(sealed, location), sealed.box, location.associated_data("value")).decode()
        except (InvalidTag, ValueError):
            raise _altered_error(sealed) from None

    def rewrap(self, sealed: Envelope, location: SecretLocation) -> Envelope:
        """Wrap the data key with the newest key; the value stays. Raises as `open` does."""
        return self._wrap(self._unwrap(sealed, location), sealed, location)

    @sensitive_variables()
    def _wrap(self, data_key: bytes, sealed: Envelope, location: SecretLocation) -> Envelope:
        if self.active is None:
            raise KeyUnavailableError(text("No key for secrets is configured. Set AUTOMATE_SECRETS_KEYS."))
        wrapped = _encrypt(self.by_id[self.active], data_key, location.associated_data(f"key {self.active}"))
        return replace(sealed, key_id=self.active, wrapped_key=wrapped)

    @sensitive_variables()
    def _unwrap(self, sealed: Envelope, location: SecretLocation) -> bytes:
        key = self.by_id.get(sealed.key_id)
        if key is None:
            configured = ", ".join(self.by_id) or text("none")
            raise KeyUnavailableError(
                text(
                    "This secret was stored with key %(key)s. Configured keys: %(keys)s.",
                    key=sealed.key_id,
                    keys=configured,
                )
            )
        try:
            return _decrypt(key, sealed.wrapped_key, location.associated_data(f"key {sealed.key_id}"))
        except (InvalidTag, ValueError):
            raise _altered_error(sealed) from None


def keyring() -> Keyring:
    """Return the keyring of the current settings. Raises ImproperlyConfigured when a key is malformed."""
    keys = getattr(settings, "AUTOMATE_SECRETS_KEYS", ())
    if not isinstance(keys, str | list | tuple) or not all(isinstance(key, str) for key in keys):
        raise ImproperlyConfigured("AUTOMATE_SECRETS_KEYS must be a list of keys")
    return _keyring((keys,) if isinstance(keys, str) else tuple(keys))


@lru_cache(maxsize=4)
def _keyring(encoded_keys: tuple[str, ...]) -> Keyring:
    return Keyring(encoded_keys)


def _encrypt(key: bytes, data: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _decrypt(key: bytes, box: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound)


def _altered_error(sealed: Envelope) -> ValueError:
    message = text(
        "The stored secret cannot be decrypted with key %(key)s: it was altered or moved.", key=sealed.key_id
    )
    return ValueError(message)


def _decode(encoded: str, place: int) -> bytes:
    try:
        key = base64.b64decode(encoded.strip(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ImproperlyConfigured(f"{_KEY_LABEL.format(place)} must be 32 bytes in URL-safe base64") from None
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(
            f"{_KEY_LABEL.format(place)} must be 32 bytes in URL-safe base64, not {len(key)} bytes"
        )
    return key


_KEY_LABEL = "Key number {} in AUTOMATE_SECRETS_KEYS"
