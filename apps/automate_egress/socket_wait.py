"""Waiting on a socket in short intervals, so that a cancelled request ends while the other side is silent."""

from __future__ import annotations

import socket  # noqa: TID251 - typing
import time
from collections.abc import Callable

from urllib3.util import wait_for_read  # noqa: TID251 - poll or select, whichever the system has

POLL_SECONDS = 0.25


def wait_until_readable(sock: socket.socket, seconds: float, remaining: Callable[[], float]) -> None:
    """Return once `sock` is readable.

    `remaining` is called four times a second, and raises when the request is over. Raises TimeoutError after `seconds`.
    """
    until = time.monotonic() + seconds
    pending = getattr(sock, "pending", None)  # what TLS has decrypted already
    if pending is not None and pending():
        return
    while not wait_for_read(sock, min(POLL_SECONDS, max(0.0, until - time.monotonic()))):
        remaining()
        if time.monotonic() >= until:
            raise TimeoutError
