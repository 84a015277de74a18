"""Encryption of an archive by a passphrase: AES-256-GCM over pieces of a stream, the key from scrypt (RFC 7914).

A file is `MAGIC`, 16 bytes of salt, 7 bytes that begin each nonce, then the pieces. A piece is PIECE bytes of plain
text, the last one fewer, with its tag. Its nonce ends with its number and whether it is the last: pieces that are
moved, left out or cut off do not open.
"""

from __future__ import annotations

import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from automate_operations.backup.errors import BackupError

MAGIC = b"django-automate backup, sealed 1\n"
PIECE = 1 << 20
_SALT, _PREFIX, _TAG = 16, 7, 16


class SealedWriter:
    """A file to write to: what is written comes out encrypted. `close` writes the end."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        salt, self._prefix = secrets.token_bytes(_SALT), secrets.token_bytes(_PREFIX)
        self._file, self._cipher, self._number, self._held = file, _cipher(passphrase, salt), 0, bytearray()
        file.write(MAGIC + salt + self._prefix)

    def write(self, data: bytes) -> int:
        """Encrypt `data`; whole pieces are written at once."""
        self._held += data
        while len(self._held) > PIECE:  # one is kept for the end
            self._put(bytes(self._held[:PIECE]), is_last=False)
            del self._held[:PIECE]
        return len(data)

    def close(self) -> None:
        """Write the last piece. The file below stays open."""
        self._put(bytes(self._held), is_last=True)

    def _put(self, data: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._prefix, self._number, is_last), data, MAGIC))
        self._number += 1


class SealedReader:
    """A file to read from, of what a SealedWriter wrote. Raises BackupError for a wrong passphrase or altered bytes."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        """`file` stands behind MAGIC."""
        salt, self._prefix = file.read(_SALT), file.read(_PREFIX)
        self._file, self._cipher, self._number, self._held = file, _cipher(passphrase, salt), 0, b""
        self._next = file.read(PIECE + _TAG)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        while self._next and (size < 0 or len(self._held) < size):
            self._held += self._open()
        size = len(self._held) if size < 0 else size
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._file.read(PIECE + _TAG)
        try:
            data = self._cipher.decrypt(_nonce(self._prefix, self._number, not self._next), sealed, MAGIC)
        except InvalidTag:
            why = (
                "The passphrase is wrong, or the archive is damaged or incomplete."
                if self._number == 0
                else "The archive is incomplete or was changed."
            )
            raise BackupError(why) from None
        self._number += 1
        return data


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(passphrase.encode()))


def _nonce(prefix: bytes, number: int, is_last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([is_last])
