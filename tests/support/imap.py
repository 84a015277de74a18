"""A mail server for tests: the part of IMAP4rev1 that clients of mailboxes speak, over folders in memory."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email
import re
import shlex
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Stored:
    """A message of a folder."""

    uid: int
    content: bytes
    received: dt.datetime
    flags: set[str] = field(default_factory=set)


@dataclass
class Folder:
    """A folder; `renumber` makes what a server does that lost its numbers."""

    validity: int = 1
    next_uid: int = 1
    messages: list[Stored] = field(default_factory=list)

    def add(self, content: bytes, received: dt.datetime) -> Stored:
        self.messages.append(Stored(self.next_uid, content, received))
        self.next_uid += 1
        return self.messages[-1]

    def renumber(self) -> None:
        self.validity += 1
        for number, each in enumerate(self.messages, 1):
            each.uid = number
        self.next_uid = len(self.messages) + 1


class ImapServer:
    """Listens on 127.0.0.1. `replies` maps a command to a reply that stands in for the usual one."""

    def __init__(self, certificate: tuple[str, str] | None = None, *, at_once: bool = True) -> None:
        self.folders = {"INBOX": Folder(), "Done": Folder()}
        self.commands: list[str] = []
        self.replies: dict[str, bytes] = {}
        self.capabilities = "IMAP4rev1 MOVE UIDPLUS AUTH=PLAIN AUTH=XOAUTH2 STARTTLS"
        self.at_once = at_once
        self.context: ssl.SSLContext | None = None
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

    @property
    def inbox(self) -> Folder:
        return self.folders["INBOX"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Conversation:
    def __init__(self, server: ImapServer, connection: Any) -> None:
        self._server, self._connection = server, connection
        self._folder, self._writable = Folder(), False
        self._file: Any = None
        if server.context and server.at_once:
            self._encrypt()
        self._file = self._connection.makefile("rb")

    def _encrypt(self) -> None:
        assert self._server.context is not None
        self._connection = self._server.context.wrap_socket(self._connection, server_side=True)
        if self._file:
            self._file.close()
        self._file = self._connection.makefile("rb")

    def _say(self, text: str | bytes) -> None:
        self._connection.sendall((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def hold(self) -> None:
        try:
            self._talk()
        finally:
            self._file.close()
            self._connection.close()

    def _talk(self) -> None:
        self._say("* OK ready")
        while line := self._file.readline():
            tag, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            self._server.commands.append(re.sub(r"^(LOGIN|AUTHENTICATE).*", r"\1", rest))
            name = next((each for each in self._server.replies if rest.startswith(each)), None)
            if name is not None:
                self._connection.sendall(self._server.replies[name].replace(b"TAG", tag.encode()))
                continue
            word, _, arguments = rest.partition(" ")
            done = getattr(self, f"_do_{word.lower()}")(arguments)
            self._say(f"{tag} {done or 'OK done'}")
            if word == "STARTTLS":
                self._encrypt()
            if word == "LOGOUT":
                return

    def _do_capability(self, _: str) -> None:
        self._say(f"* CAPABILITY {self._server.capabilities}")

    def _do_starttls(self, _: str) -> None:
        pass

    def _do_login(self, arguments: str) -> str:
        return (
            "OK signed in"
            if shlex.split(arguments) == ["ada", "right"]
            else "NO [AUTHENTICATIONFAILED] Invalid credentials"
        )

    def _do_authenticate(self, mechanism: str) -> str:
        self._say("+ ")
        given = base64.b64decode(self._file.readline()).decode()
        if mechanism == "XOAUTH2" and given == "user=ada\1auth=Bearer fresh\1\1":
            return "OK signed in"
        if mechanism == "PLAIN" and given == "\0ada\0gr\u00fcn":
            return "OK signed in"
        self._say("+ " + base64.b64encode(b'{"status":"400"}').decode())
        assert self._file.readline().strip() == b""
        return "NO [AUTHENTICATIONFAILED] Invalid token"

    def _do_list(self, _: str) -> None:
        for name in self._server.folders:
            self._say(f'* LIST (\\HasNoChildren) "/" "{name}"')

    def _do_select(self, name: str, writable: bool = True) -> str:
        found = self._server.folders.get(shlex.split(name)[0])
        if found is None:
            return "NO [NONEXISTENT] no such mailbox"
        self._folder, self._writable = found, writable
        self._say(f"* {len(found.messages)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {found.validity}] valid")
        self._say(f"* OK [UIDNEXT {found.next_uid}] next")
        return f"OK [READ-{'WRITE' if writable else 'ONLY'}] done"

    def _do_examine(self, name: str) -> str:
        return self._do_select(name, False)

    def _do_noop(self, _: str) -> None:
        pass

    def _do_logout(self, _: str) -> None:
        self._say("* BYE")

    def _do_expunge(self, _: str) -> None:
        self._folder.messages = [each for each in self._folder.messages if "\\Deleted" not in each.flags]

    def _do_uid(self, arguments: str) -> str | None:
        word, _, rest = arguments.partition(" ")
        if word.upper() == "SEARCH":
            found = [each for each in self._folder.messages if self._matches(each, rest)]
            self._say("* SEARCH " + " ".join(str(each.uid) for each in found))
            return None
        uids, _, rest = rest.partition(" ")
        chosen = [each for each in self._folder.messages if str(each.uid) in uids.split(",")]
        if word.upper() != "FETCH" and not self._writable:
            return "NO [READ-ONLY] not writable"
        done: str | None = getattr(self, f"_{word.lower()}")(chosen, rest)
        return done

    def _matches(self, message: Stored, criteria: str) -> bool:
        words = shlex.split(criteria.replace("(", " ").replace(")", " "))
        parsed = email.message_from_bytes(message.content)
        while words:
            match words.pop(0):
                case "UID":
                    first, _, last = words.pop(0).partition(":")
                    highest = max((each.uid for each in self._folder.messages), default=0)
                    low, high = sorted([int(first), highest if last == "*" else int(last)])
                    if not low <= message.uid <= high:
                        return False
                case "UNSEEN" if "\\Seen" in message.flags:
                    return False
                case "FROM" | "SUBJECT" as name if words.pop(0).lower() not in str(parsed[name]).lower():
                    return False
                case "SINCE" if message.received.date() < _day(words.pop(0)):
                    return False
                case "SENTSINCE":
                    day, written = _day(words.pop(0)), parsed["Date"]
                    if written and email.utils.parsedate_to_datetime(written).date() < day:
                        return False
        return True

    def _fetch(self, chosen: list[Stored], what: str) -> None:
        for each in chosen:
            number = self._folder.messages.index(each) + 1
            if "BODY" not in what:
                received = each.received.strftime("%d-%b-%Y %H:%M:%S +0000")
                flags = " ".join(sorted(each.flags))
                size = f"RFC822.SIZE {len(each.content)}"
                self._say(f'* {number} FETCH (UID {each.uid} FLAGS ({flags}) {size} INTERNALDATE "{received}")')
                continue
            if ".PEEK" not in what:
                each.flags.add("\\Seen")
            content = each.content.partition(b"\n\n")[0] + b"\n\n" if "HEADER" in what else each.content
            self._say(b"* %d FETCH (UID %d BODY[] {%d}" % (number, each.uid, len(content)))
            self._connection.sendall(content)
            self._say(")")

    def _store(self, chosen: list[Stored], what: str) -> None:
        flags = set(re.findall(r"\\\w+", what))
        for each in chosen:
            each.flags = each.flags | flags if what.startswith("+") else each.flags - flags

    def _copy(self, chosen: list[Stored], name: str) -> str | None:
        target = self._server.folders.get(shlex.split(name)[0])
        if target is None:
            return "NO [TRYCREATE] no such mailbox"
        for each in chosen:
            target.add(each.content, each.received)
        return None

    def _move(self, chosen: list[Stored], name: str) -> str | None:
        return self._copy(chosen, name) or self._expunge(chosen, "")

    def _expunge(self, chosen: list[Stored], _: str) -> None:
        self._folder.messages = [each for each in self._folder.messages if each not in chosen]


def _day(written: str) -> dt.date:
    return dt.datetime.strptime(written, "%d-%b-%Y").date()
