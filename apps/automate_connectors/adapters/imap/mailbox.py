"""A mailbox in use: folders, searches and messages by their UIDs, over imap-tools (extra `imap`).

No message is marked as read by being read: bodies are fetched by BODY.PEEK.
"""

from __future__ import annotations

import datetime as dt
import imaplib  # noqa: TID251 - typing; the egress guard makes the client
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.extras import from_extra
from automate_connectors.bounds.server_numbers import read_number
from automate_connectors.context import Context
from automate_connectors.mail.message import Address, Message
from automate_connectors.mail.reading import MessageError, read_message
from automate_connectors.web import invalid_input
from automate_egress.errors import truncate_words
from automate_egress.imap import ImapServer, imap
from automate_plugins import text

MAX_MESSAGE_BYTES = 25_000_000
MAX_UID = 2**32 - 1  #: RFC 3501, section 2.3.1.1: of all numbers of a folder
_BATCH_BYTES = 4_000_000  #: from which on messages are read by another command
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_TIME = re.compile(rb'\bINTERNALDATE "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Envelope:
    """Facts of a folder about a message; `received` is when the server took it."""

    uid: int
    size: int
    flags: tuple[str, ...]
    received: dt.datetime | None


@dataclass(frozen=True, slots=True)
class FolderState:
    """The numbers of a folder: UIDs hold while `validity` stays, and the next message gets `next_uid`."""

    validity: int
    next_uid: int


class Mailbox:
    """A mailbox whose person has signed in. Its methods raise ConnectorError for what the server refuses."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        from imap_tools import BaseMailBox

        class Given(BaseMailBox):
            def _get_mailbox_client(self) -> imaplib.IMAP4:
                return client

        self._client, self._box = client, Given()

    def select(self, folder: str, *, writable: bool = False) -> FolderState:
        """Work in a folder. Raises ConnectorError (`folder_missing`)."""
        from imap_tools.errors import MailboxFolderSelectError

        try:
            self._box.folder.set(_one_line(folder, "folder"), readonly=not writable)
        except MailboxFolderSelectError as error:
            message = text("There is no folder %(name)s in this mailbox.", name=folder)
            raise ConnectorError(message, code="folder_missing") from error
        return FolderState(self._number("UIDVALIDITY"), self._number("UIDNEXT"))

    def _number(self, name: str) -> int:
        _, data = self._client.response(name)
        if not data or not data[-1]:
            return 0
        number = read_number(data[-1], MAX_UID)
        if number is None:
            message = text("The mail server's answer has no valid %(name)s.", name=name)
            raise ConnectorError(message, code="mail_failed")
        return number

    def folders(self) -> list[str]:
        """The names of the folders that hold messages."""
        found = self._box.folder.list()
        return [each.name for each in found if "\\Noselect" not in each.flags]

    def search(self, **criteria: Any) -> list[int]:
        """The UIDs of messages of the folder, ascending; the criteria are those of `imap_tools.AND`."""
        from imap_tools import AND

        given = {name: value for name, value in criteria.items() if value not in ("", None)}
        for name, value in given.items():
            if isinstance(value, str):
                _one_line(value, name)
        written = str(AND(**given)) if given else "ALL"
        found = self._box.uids(written.encode(), None if written.isascii() else "UTF-8")
        return sorted(uid for each in found if (uid := read_number(each, MAX_UID)))

    def envelopes(self, uids: Sequence[int]) -> list[Envelope]:
        """What the folder says of these messages, by UID; those that are not there are left out."""
        found = self._fetch(uids, "(UID FLAGS RFC822.SIZE INTERNALDATE)") if uids else []
        rows = [each[0] + each[1] if isinstance(each, tuple) else each for each in found if each]
        return sorted((each for row in rows if (each := _envelope(row))), key=lambda each: each.uid)

    def read(self, envelope: Envelope) -> Message:
        """Read a message. Raises ConnectorError (`message_missing`, `message_too_large`, `not_a_message`)."""
        if envelope.size > MAX_MESSAGE_BYTES:
            size = MAX_MESSAGE_BYTES // 1_000_000
            raise ConnectorError(text("The message is larger than %(size)s MB.", size=size), code="message_too_large")
        content = self.contents([envelope.uid]).get(envelope.uid)
        if content is None:
            raise missing(envelope.uid)
        try:
            return read_message(content)
        except MessageError as error:
            raise ConnectorError(str(error), code="not_a_message") from error

    def read_all(
        self, envelopes: Sequence[Envelope], *, only_headers: bool = False
    ) -> Iterator[tuple[Envelope, Message]]:
        """Read messages, several by one command. Of one that is too large, only the headers are read."""
        batch: list[Envelope] = []
        for index, envelope in enumerate(envelopes):
            batch.append(envelope)
            is_last = index == len(envelopes) - 1
            if is_last or sum(each.size for each in batch) > _BATCH_BYTES:
                whole = [each.uid for each in batch if each.size <= MAX_MESSAGE_BYTES and not only_headers]
                found = self.contents(whole)
                found |= self.contents([each.uid for each in batch if each.uid not in whole], only_headers=True)
                yield from ((each, _read(found[each.uid])) for each in batch if each.uid in found)
                batch = []

    def contents(self, uids: Sequence[int], *, only_headers: bool = False) -> dict[int, bytes]:
        """The bytes of messages, or of their headers, by UID."""
        if not uids:
            return {}
        data = self._fetch(uids, f"(UID BODY.PEEK[{'HEADER' if only_headers else ''}])")
        found: dict[int, bytes] = {}
        for each, after in zip(data, [*data[1:], b""], strict=True):
            if isinstance(each, tuple):  # the UID stands before the body, or behind it
                uid = _UID.search(each[0]) or (_UID.search(after) if isinstance(after, bytes) else None)
                if uid and (number := read_number(uid[1], MAX_UID)):
                    found[number] = each[1]
        return found

    def flag(self, uid: int, name: str, *, on: bool) -> None:
        """Set or remove a flag, such as `\\Seen`."""
        self._command("STORE", str(uid), "+FLAGS" if on else "-FLAGS", f"({name})")

    def move(self, uid: int, folder: str) -> None:
        """Move a message to another folder; without the command MOVE (RFC 6851), copy it and delete this one."""
        from imap_tools.utils import encode_folder

        target = encode_folder(_one_line(folder, "destination")).decode("ascii")
        if "MOVE" in self._client.capabilities:
            self._command("MOVE", str(uid), target)
        else:
            self._command("COPY", str(uid), target)
            self.delete(uid)

    def delete(self, uid: int) -> None:
        """Delete a message. Without UIDPLUS (RFC 4315), the server deletes all that are marked as deleted."""
        self.flag(uid, "\\Deleted", on=True)
        if "UIDPLUS" in self._client.capabilities:
            self._command("EXPUNGE", str(uid))
        else:
            self._client.expunge()

    def _fetch(self, uids: Sequence[int], what: str) -> list[Any]:
        return self._command("FETCH", ",".join(map(str, uids)), what)

    def _command(self, name: str, *arguments: str) -> list[Any]:
        status, data = self._client.uid(name, *arguments)
        if status != "OK":
            raise _refused(b" ".join(each for each in data if isinstance(each, bytes)).decode("utf-8", "replace"))
        return list(data)


@contextmanager
def open_mailbox(context: Context) -> Iterator[Mailbox]:
    """Sign in to the mailbox of the connection. Raises ConnectorError, and the errors of the egress guard."""
    with from_extra("imap"):
        import imap_tools
    try:
        with imap(context["network"], imap_server(context["connection"])) as client:
            yield Mailbox(client)
    except imap_tools.ImapToolsError as error:
        raise _refused(str(error)) from error


def imap_server(connection: dict[str, Any]) -> ImapServer:
    """The server of a connection."""
    for name in ("username", "password"):
        _one_line(connection.get(name) or "", name)
    return ImapServer(
        host=connection["host"],
        port=connection.get("port") or 993,
        username=connection["username"],
        security=connection.get("security") or "tls",
        password=connection.get("password") or "",
        access_token=connection.get("access_token") or "",
        authorities=connection.get("authorities") or "",
    )


def missing(uid: int) -> ConnectorError:
    """The error for a message that is not in the folder any more."""
    message = text("The message %(uid)s is no longer in this folder.", uid=str(uid))
    return ConnectorError(message, code="message_missing")


def _refused(said: str) -> ConnectorError:
    reason = truncate_words(said, 300)
    return ConnectorError(text("The mail server rejected the request: %(reason)s", reason=reason), code="mail_failed")


def _read(content: bytes) -> Message:
    """A message; one that cannot be read is empty."""
    try:
        return read_message(content)
    except MessageError:
        return Message(sender=Address(), faults=("not_a_message",))


def _envelope(row: bytes) -> Envelope | None:
    """The facts in a row; None for a row that is not about a message, or has no numbers."""
    size, flags, time = _SIZE.search(row), _FLAGS.search(row), _TIME.search(row)
    found = _UID.search(row)
    uid, length = (read_number(each[1], MAX_UID) if each else None for each in (found, size))
    if not uid or length is None:
        return None
    return Envelope(
        uid=uid,
        size=length,
        flags=tuple(flags[1].decode("ascii", "replace").split()) if flags else (),
        received=_time(time[1].decode("ascii", "replace")) if time else None,
    )


def _time(written: str) -> dt.datetime | None:
    """`31-Jan-2026 12:00:00 +0000` (RFC 3501, date-time), whatever the language of this machine."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    try:
        day, month, rest = written.strip().split("-", 2)
        number = months.index(month) + 1
        return dt.datetime.strptime(f"{int(day):02}-{number:02}-{rest}", "%d-%m-%Y %H:%M:%S %z")
    except ValueError:
        return None


def _one_line(value: str, name: str) -> str:
    if len(value) > 5_000 or any(letter < " " or letter == "\x7f" for letter in value):
        raise invalid_input(text("%(name)s must be one line.", name=name))
    return value
