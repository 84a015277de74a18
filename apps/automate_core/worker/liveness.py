"""Signs of life of a worker process, for orchestrators that would restart one that hangs.

A file whose time of change is the last sign (`--alive-file`), and systemd's notification socket, where it gives one.
"""

from __future__ import annotations

import contextlib
import socket  # noqa: TID251 - to systemd's socket on this machine
import time
from pathlib import Path

SIGN_SECONDS = 1.0


class SignsOfLife:
    """Tells, at most once a second, that the worker's main loop goes round. Errors of the outside are ignored."""

    def __init__(self, file: Path | None = None, *, socket_path: str = "") -> None:
        self._file = file
        self._socket = socket_path
        self._is_asked_for = bool(file or socket_path)
        self._sign_at = 0.0

    def tell_started(self) -> None:
        """The worker takes jobs."""
        self._notify("READY=1")

    def tell_alive(self) -> None:
        """The main loop goes round."""
        if not self._is_asked_for or (now := time.monotonic()) < self._sign_at:
            return
        self._sign_at = now + SIGN_SECONDS
        self._notify("WATCHDOG=1")
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.touch()

    def end(self) -> None:
        """The worker has stopped: remove the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _notify(self, message: str) -> None:
        """As sd_notify(3): a datagram to the socket file, or the abstract socket that an @ begins."""
        if not self._socket:
            return
        address = f"\0{self._socket[1:]}" if self._socket.startswith("@") else self._socket
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(address)
            client.send(message.encode())
