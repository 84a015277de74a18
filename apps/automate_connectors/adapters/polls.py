"""Polls: what a trigger asks a connector again and again, and the items that it finds.

A connector remembers nothing between two calls: its cursor does, which it returns and is given again.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automate_plugins.fields import FieldSpec

MAX_ITEMS = 500  #: of one result; what is left is announced by `more`
LEAST_SECONDS = 10  #: no poll may be repeated sooner
_HASH_BYTES, _HASH_LETTERS = 6, 8


@dataclass(frozen=True, kw_only=True)
class Poll:
    """One thing that a connector can be polled for. Each new item becomes an event.

    `fields` are its inputs, which hold no expressions. It is repeated after `least_seconds` at the earliest. `sample`
    is the data of an item, which the builder offers before any was found.
    """

    name: str
    label: str = ""
    description: str = ""
    fields: tuple[FieldSpec, ...] = ()
    least_seconds: int = 60
    sample: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PollFile:
    """A file of an item. `content_type` is what the service says; it is checked against the content."""

    name: str
    content: bytes = field(repr=False)
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class PollItem:
    """Something that was found.

    Two items with one `id` are the same, and start a workflow once: an id of something that may start it again after a
    change has to say which state it is. `time` is when it was made or changed, with a time zone; None where the service
    does not say. `data` is JSON-like, and becomes the payload of the event.

    `files` are lists of files by a member of `data`: in the event, the values of the stored files take its place. Of
    files that are not stored, `rejected_<member>` has the names and the reasons. A site without a storage for files
    keeps what `data` says.
    """

    id: str
    time: dt.datetime | None
    data: Mapping[str, Any]
    files: Mapping[str, Sequence[PollFile]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """The items of one call, the oldest first and at most MAX_ITEMS, and where the next call goes on.

    `cursor` is JSON-like and not None. `more` says that the next call, with this cursor, has further items at once:
    after a result without items, and after many in a row, the next call waits for the interval.
    """

    items: Sequence[PollItem]
    cursor: Any
    more: bool = False


def item_hash(identifier: str) -> str:
    """Return a short hash of an item's id, for cursors that hold many of them one after another."""
    made = hashlib.blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
    return base64.b64encode(made).decode()


def split_hashes(joined: str) -> frozenset[str]:
    """Return the hashes of a cursor, which holds them without anything in between."""
    return frozenset(joined[start : start + _HASH_LETTERS] for start in range(0, len(joined), _HASH_LETTERS))
