"""A database server that nobody has verified is not given the password as it is, whatever it asks for."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.sql import SqlConnector
from automate_connectors.adapters.sql.mysql import MySqlConnector

PASSWORD = "s3cret-of-reader"


@contextmanager
def listening(settings, talk):
    """A server that talks with one client; gives (port, list of what it received)."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings.AUTOMATE_EGRESS_ALLOW = [f"127.0.0.1:{port}"]

        def serve():
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(5)
                with suppress(OSError):
                    talk(sock, received)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port, received
        thread.join(10)


def postgres_in_clear(sock, received):
    """AuthenticationCleartextPassword after the startup message."""
    received.append(sock.recv(10_000))
    sock.sendall(b"R" + struct.pack(">II", 8, 3))
    received.append(sock.recv(10_000))


def mysql_in_clear(plugin):
    """A switch of the method after the usual greeting."""

    def packet(number, body):
        return struct.pack("<I", len(body))[:3] + bytes([number]) + body

    def talk(sock, received):
        capabilities = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
        greeting = b"\x0a8.4.3\0" + struct.pack("<I", 1) + b"12345678\0" + struct.pack("<H", capabilities & 0xFFFF)
        greeting += b"\x21" + struct.pack("<HHB", 2, capabilities >> 16, 21) + b"\0" * 10 + b"abcdefghijkl\0"
        sock.sendall(packet(0, greeting + b"mysql_native_password\0"))
        received.append(sock.recv(10_000))
        sock.sendall(packet(2, b"\xfe" + plugin + b"\0" + (b"\x04Password: " if plugin == b"dialog" else b"")))
        received.append(sock.recv(10_000))

    return talk


@pytest.mark.parametrize(
    ("adapter", "talk"),
    [
        (SqlConnector(), postgres_in_clear),
        (MySqlConnector(), mysql_in_clear(b"mysql_clear_password")),
        (MySqlConnector(), mysql_in_clear(b"dialog")),
    ],
)
def test_a_server_without_verified_tls_does_not_get_the_password(adapter, talk, call, settings):
    with listening(settings, talk) as (port, received):
        connection = {
            "host": "127.0.0.1",
            "port": port,
            "database": "shop",
            "username": "reader",
            "password": PASSWORD,
            "tls": "disable",
        }
        with pytest.raises(ConnectorError):
            call(adapter, "query", {"sql": "SELECT 1"}, connection, seconds=10)
    assert received and PASSWORD.encode() not in b"".join(received)
