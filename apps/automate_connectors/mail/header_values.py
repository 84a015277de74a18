"""Values of the headers of a message: texts, addresses, ids and dates, each of a bounded length."""

from __future__ import annotations

import datetime as dt
import email.header
import re
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.utils import getaddresses, parsedate_to_datetime

from automate_connectors.mail.message import Address
from automate_connectors.mail.mime import decode_text

MAX_ADDRESSES = 100
MAX_IDS = 50
LONGEST_TEXT = 2_000
_LONGEST_ENCODED = 8_000  #: read of a text: the standard library takes time by the square of it
_ID = re.compile(r"<[^<>\s]{1,250}>")
_ADDRESS = re.compile(r"[^\s<>@\"(),:;]{1,64}@[^\s<>@\"(),:;]{1,253}")


def read_text(value: str) -> str:
    """A value as one line, its encoded words (RFC 2047) decoded."""
    value = value[:_LONGEST_ENCODED]
    try:
        pieces = email.header.decode_header(value)
    except (HeaderParseError, ValueError):  # binascii.Error is a ValueError
        pieces = [(value, None)]
    text = "".join(
        decode_text(piece, charset or "utf-8") if isinstance(piece, bytes) else piece for piece, charset in pieces
    )
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:LONGEST_TEXT]


def read_addresses(values: Iterable[str]) -> list[Address]:
    """The mailboxes of a header that may occur several times; what is none is left out."""
    try:
        pairs = getaddresses(list(values))
    except (RecursionError, ValueError, IndexError):  # comments in comments
        return []
    found = [(name, _normal_address(address)) for name, address in pairs[: 2 * MAX_ADDRESSES]]
    return [Address(read_text(name)[:200], address) for name, address in found if address][:MAX_ADDRESSES]


def _normal_address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        return ""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def read_ids(value: str) -> list[str]:
    """The message ids of a header, `<...>` each; of very many, the first and the last."""
    found = list(dict.fromkeys(_ID.findall(value)))
    return found if len(found) <= MAX_IDS else [found[0], *found[1 - MAX_IDS :]]


def read_date(value: str) -> str:
    """A date as ISO 8601 in UTC; empty for one that cannot be read."""
    try:
        found = parsedate_to_datetime(value[:200])
        return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()
    except (ValueError, TypeError, OverflowError, IndexError):
        return ""
