"""A mail server for tests: SMTP with STARTTLS or TLS from the start, which keeps what it is given."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Received:
    """A message and its envelope. `tls` says whether it came encrypted."""

    sender: str
    recipients: list[str]
    message: Any
    user: str
    tls: bool


class MailServer:
    """Listens on 127.0.0.1. `replies` maps the beginning of a command to a reply that stands in for the usual one; a
    number in place of a reply is a pause in seconds after which the connection ends."""

    def __init__(self, certificate: tuple[str, str] | None = None, *, at_once: bool = False) -> None:
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.replies: dict[str, str | float] = {}
        self.password = "right"
        self.handshake_pause = 0.0  #: seconds between a STARTTLS and the handshake
        self.context: ssl.SSLContext | None = None
        self.at_once = at_once
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    _Conversation(server, self.request).hold()

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    def __init__(self, server: MailServer, connection: Any) -> None:
        self._server, self._connection = server, connection
        self._tls, self._user = False, ""
        self._sender, self._recipients = "", list[str]()
        if server.at_once:
            self._encrypt()
        self._file = self._connection.makefile("rb")

    def hold(self) -> None:
        try:
            self._talk()
        finally:
            self._file.close()
            self._connection.close()

    def _talk(self) -> None:
        self._say("220 mail.test")
        while line := self._file.readline():
            command = line.decode("utf-8", "replace").strip()
            self._server.commands.append(command)
            upper = command.upper()
            given = next(
                (reply for start, reply in self._server.replies.items() if upper.startswith(start.upper())), None
            )
            if isinstance(given, int | float):
                time.sleep(given)
                return
            if given is not None:
                self._say(given)
            elif not self._do(command):
                return

    def _do(self, command: str) -> bool:
        match command.upper().split(" ")[0].split(":")[0]:
            case "EHLO":
                offers = ["mail.test", "AUTH PLAIN", "8BITMIME"]
                if self._server.context and not self._tls:
                    offers.append("STARTTLS")
                self._say("\r\n".join(f"250{'-' if one != offers[-1] else ' '}{one}" for one in offers))
            case "STARTTLS":
                self._say("220 go on")
                self._file.close()
                time.sleep(self._server.handshake_pause)
                self._encrypt()
                self._file = self._connection.makefile("rb")
            case "AUTH":
                self._sign_in(command.split(" ")[-1])
            case "MAIL":
                self._sender = command.partition("<")[2].partition(">")[0]
                self._recipients = []
                self._say("250 fine")
            case "RCPT":
                self._recipients.append(command.partition("<")[2].partition(">")[0])
                self._say("250 fine")
            case "DATA":
                self._say("354 go on")
                self._take()
                self._say("250 taken")
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 fine")
        return True

    def _sign_in(self, encoded: str) -> None:
        _, user, password = base64.b64decode(encoded).decode().split("\0")
        if password != self._server.password:
            self._say("535 5.7.8 wrong password")
            return
        self._user = user
        self._say("235 welcome")

    def _take(self) -> None:
        lines = []
        while (line := self._file.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self._server.received.append(Received(self._sender, self._recipients, message, self._user, self._tls))

    def _encrypt(self) -> None:
        assert self._server.context is not None
        self._connection = self._server.context.wrap_socket(self._connection, server_side=True)
        self._tls = True

    def _say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")
