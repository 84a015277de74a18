"""A MySQL server on loopback for tests: its protocol (text results, mysql_native_password, TLS), and SQLite behind it.

Source: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socketserver
import sqlite3
import ssl
import struct
import threading
import time
from typing import Any

_SALT = b"12345678" + b"abcdefghijkl"
_SSL, _LENGTH_CODED = 0x800, 0x200000
_CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
_KINDS = {int: 8, float: 5, str: 253, bytes: 252, type(None): 253}
_TYPE = re.compile(r"\(SELECT data_type FROM .*?column_name = CONVERT\(X'([0-9a-f]+)' USING utf8mb4\)\)")


class Refusal(Exception):
    """An error packet: its number and message."""


class MySqlServer:
    """Answers statements. `asked` lists them; `answers` gives by the beginning of a statement a list of rows, a Refusal,
    or a number of seconds after which the connection ends. Anything else that reads or writes goes to `data` (SQLite);
    `types` are those of its columns, by name."""

    def __init__(self, certificate: tuple[str, str] | None = None, version: str = "8.4.3") -> None:
        self.version, self.password, self.asked = version, "right", list[str]()
        self.answers: dict[str, Any] = {
            "SELECT VERSION()": [(version,)],
            "SELECT CURRENT_USER(), CURRENT_ROLE()": [("reader@%", "NONE")],
            "SELECT DATABASE(), CURRENT_USER()": [("shop", "reader@%")],
            "SHOW GRANTS": [("GRANT USAGE ON *.* TO `reader`@`%`",), ("GRANT SELECT ON `shop`.* TO `reader`@`%`",)],
        }
        self.types: dict[str, str] = {}
        self.data = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.context: ssl.SSLContext | None = None
        self.encrypted = 0
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, EOFError):
                    _Conversation(server, self.request).hold()

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.data.close()

    def answer(self, statement: str) -> tuple[list[str], list[tuple[Any, ...]]] | int:
        """The names and rows of a result, or a number of changed rows. Raises Refusal, EOFError."""
        self.asked.append(statement)
        for start, given in self.answers.items():
            if statement.startswith(start):
                if isinstance(given, Refusal):
                    raise given
                if isinstance(given, int | float):
                    time.sleep(given)
                    raise EOFError
                return [f"column {number}" for number in range(len(given[0]))], given
        if statement.startswith(("SET ", "START TRANSACTION", "COMMIT", "ROLLBACK")):
            return 0
        statement = _TYPE.sub(
            lambda found: repr(self.types.get(bytes.fromhex(found[1]).decode(), "varchar")), statement
        )
        try:
            cursor = self.data.execute(statement)
        except sqlite3.Error as error:
            raise Refusal(1064, str(error)) from error
        if cursor.description is None:
            return cursor.rowcount
        return [column[0] for column in cursor.description], cursor.fetchall()


class _Conversation:
    def __init__(self, server: MySqlServer, connection: Any) -> None:
        self._server, self._connection, self._number = server, connection, 0

    def hold(self) -> None:
        try:
            if not self._greet():
                return
            while True:
                self._number = 0
                command = self._read()
                if command[:1] != b"\x03":  # COM_QUERY
                    return
                self._reply(command[1:].decode())
        finally:
            self._connection.close()

    def _greet(self) -> bool:
        server = self._server
        offered = _CAPABILITIES | (_SSL if server.context else 0)
        self._send(
            b"\x0a" + server.version.encode() + b"\0" + struct.pack("<I", 1) + _SALT[:8] + b"\0"
            + struct.pack("<H", offered & 0xFFFF) + b"\x2d" + struct.pack("<HH", 2, offered >> 16)
            + bytes([21]) + bytes(10) + _SALT[8:] + b"\0mysql_native_password\0"
        )  # fmt: skip
        response = self._read()
        if len(response) == 32 and server.context:
            self._connection = server.context.wrap_socket(self._connection, server_side=True)
            server.encrypted += 1
            response = self._read()
        _user, _, rest = response[32:].partition(b"\0")
        proof = rest[1 : 1 + rest[0]]
        hashed = _sha1(server.password.encode())
        mixed = _sha1(_SALT + _sha1(hashed))
        if proof != bytes(a ^ b for a, b in zip(hashed, mixed, strict=True)):
            self._refuse(Refusal(1045, "Access denied for user 'reader'@'%' (using password: YES)"))
            return False
        self._send(b"\0\0\0\x02\0\0\0")
        return True

    def _reply(self, statement: str) -> None:
        try:
            found = self._server.answer(statement)
        except Refusal as error:
            self._refuse(error)
            return
        if isinstance(found, int):
            self._send(b"\0" + bytes([max(found, 0)]) + b"\0\x02\0\0\0")
            return
        names, rows = found
        self._send(bytes([len(names)]))
        for number, name in enumerate(names):
            first = next((row[number] for row in rows if row[number] is not None), None)
            kind, charset = _KINDS[type(first)], 63 if isinstance(first, bytes) else 45
            parts = (b"def", b"", b"", b"", name.encode(), name.encode())
            self._send(b"".join(map(_coded, parts)) + b"\x0c" + struct.pack("<HIBHBH", charset, 255, kind, 0, 0, 0))
        self._send(b"\xfe\0\0\x02\0")
        for row in rows:
            self._send(b"".join(b"\xfb" if value is None else _coded(_text(value)) for value in row))
        self._send(b"\xfe\0\0\x02\0")

    def _refuse(self, error: Refusal) -> None:
        number, message = error.args
        self._send(b"\xff" + struct.pack("<H", number) + b"#HY000" + message.encode())

    def _send(self, payload: bytes) -> None:
        self._connection.sendall(struct.pack("<I", len(payload))[:3] + bytes([self._number]) + payload)
        self._number = (self._number + 1) % 256

    def _read(self) -> bytes:
        head = self._exactly(4)
        self._number = head[3] + 1
        return self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = self._connection.recv(count - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()


def _text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _coded(value: bytes) -> bytes:
    """A string with its length before it."""
    if len(value) < 251:
        return bytes([len(value)]) + value
    return b"\xfd" + struct.pack("<I", len(value))[:3] + value
