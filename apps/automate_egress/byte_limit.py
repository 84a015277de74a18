"""A relay to a server that counts the bytes coming back, and ends where there are too many.

For clients that hold a whole answer before anybody sees its size, such as libpq. They connect to a local port that
takes one connection; bytes pass through unread, so TLS is between the client and the server.
"""

from __future__ import annotations

import contextlib
import socket  # noqa: TID251 - carries what a checked connection sends and gets
import threading

ADDRESS = "127.0.0.1"
_PIECE = 65_536
_ACCEPT_SECONDS = 15.0


class ByteLimitedRelay:
    """Relays one connection from `port` to `server`, an open socket.

    It ends after `seconds`, whatever its client waits for, and when `most` bytes have come back.
    """

    def __init__(self, server: socket.socket, most: int, seconds: float) -> None:
        server.settimeout(None)
        self.is_exceeded = False
        self._server, self._left = server, most
        self._client: socket.socket | None = None
        self._listener = socket.create_server((ADDRESS, 0), backlog=1)
        self._listener.settimeout(_ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._carry_back, name="automate-counted-back", daemon=True).start()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def connect(self) -> socket.socket:
        """Return the client's side, for clients that take a socket."""
        client = socket.socket()
        client.settimeout(_ACCEPT_SECONDS)
        client.connect((ADDRESS, self.port))
        return client

    def close(self) -> None:
        """End both connections."""
        self._timer.cancel()
        self._end()

    def _end(self) -> None:
        for each in (self._listener, self._client, self._server):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _carry_back(self) -> None:
        with contextlib.suppress(OSError):
            self._client, _ = self._listener.accept()
            self._client.settimeout(None)
            self._listener.close()
            threading.Thread(
                target=self._carry_on, args=(self._client,), name="automate-counted-on", daemon=True
            ).start()
            while piece := self._server.recv(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    self.is_exceeded = True
                    self._end()
                    return
                self._client.sendall(piece)
            self._client.shutdown(socket.SHUT_WR)  # what was sent is still read

    def _carry_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(_PIECE):
                self._server.sendall(piece)
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
