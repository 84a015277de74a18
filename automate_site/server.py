"""Web server: uvicorn, which closes live streams before it waits for connections at shutdown."""

from __future__ import annotations

import socket  # noqa: TID251 - to see whether the port is free before anything is started
import sys
from asyncio import TimerHandle, Transport
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from automate_core.conf import setting
from automate_core.replies.reply_hub import hub as reply_hub
from automate_core.worker.managed import managed
from automate_operations.queries.run_watch import hub as run_hub

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 3


class PunctualProtocol(HttpToolsProtocol):
    """Closes connections whose next request headers do not arrive in time (for bodies: `automate_core.asgi`)."""

    _timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer()
        else:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self._timer is None and (seconds := setting("AUTOMATE_REQUEST_SECONDS")):
            self._timer = self.loop.call_later(seconds, self._close_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


class PortTakenError(Exception):
    """The port cannot be used; the message says why."""


class Server(uvicorn.Server):
    """Ends all streams and answers waiting callers on the first signal: none delays the shutdown."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal, in the main thread. The second one does not wait for running steps."""
        run_hub.close()
        reply_hub.end_waits()
        if self.should_exit:
            managed.shutdown_now()
        elif managed.is_busy:
            sys.stderr.write("Stopping after the running steps end. Press Ctrl-C again to stop now.\n")
        self.should_exit = True


def make_server(port: int, *, host: str = HOST) -> Server:
    """Return a server for the site's application, not yet started."""
    return Server(
        uvicorn.Config(
            "automate_site.asgi:application",
            host=host,
            port=port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            timeout_keep_alive=30,
            http=PunctualProtocol,
            proxy_headers=False,  # AUTOMATE_TRUSTED_PROXIES decides which are trusted
            ws="none",
        )
    )


def check_port(port: int, *, host: str = HOST) -> None:
    """Raise PortTakenError when the port cannot be bound."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = f"port {port} cannot be used ({error.strerror})"
            raise PortTakenError(f"{reason}: stop what listens there, or choose another with PORT=8001") from error
