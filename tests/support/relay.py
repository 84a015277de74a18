"""PostgreSQL by TCP and TLS in front of a server that listens on a socket's file alone."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL's protocol, "SSLRequest"


class Relay:
    """Carries connections on 127.0.0.1:`port` to the server in `folder`; `encrypted` counts those by TLS."""

    def __init__(self, folder: str, certificate: tuple[str, str] | None = None) -> None:
        self._target = f"{folder}/.s.PGSQL.5432"
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self.encrypted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hold, args=(outer,), daemon=True).start()

    def _hold(self, outer: Any) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as inner:
            try:
                inner.connect(self._target)
                first = outer.recv(8)
                if first == _SSL_REQUEST and self._context:
                    outer.sendall(b"S")
                    outer = self._context.wrap_socket(outer, server_side=True)
                    self.encrypted += 1
                else:
                    inner.sendall(first)
                back = threading.Thread(target=_carry, args=(inner, outer), daemon=True)
                back.start()
                _carry(outer, inner)
                back.join(60)
            finally:
                outer.close()


def _carry(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
