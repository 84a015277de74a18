"""One call of a poll: validated inputs in, items of plain JSON or a ConnectorError out, whatever the adapter does."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.polls import MAX_ITEMS, Poll, PollFile, PollItem, PollResult
from automate_connectors.bounds.output_size import MAX_OUTPUT_BYTES, OutputSize, output_too_large
from automate_connectors.context import Context
from automate_connectors.invocation import check_params, encode_output, translate_errors
from automate_plugins import text

LONGEST_ID = 200  #: a longer id stands as its hash
MAX_CURSOR_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class FoundItem:
    """An item, checked: `id` is at most LONGEST_ID characters, `data` a JSON document, `files` by member of it."""

    id: str
    time: dt.datetime | None
    data: bytes
    files: Mapping[str, Sequence[PollFile]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A result, checked: each id once, the cursor as plain JSON."""

    items: tuple[FoundItem, ...]
    cursor: Any
    more: bool


def call_poll(adapter: ConnectorAdapter, poll: Poll, params: dict[str, Any], cursor: Any, context: Context) -> Found:
    """Ask once. `cursor` is the one before, None at first. Raises ConnectorError only."""
    params = check_params(poll.fields, params)
    return check_result(translate_errors(lambda: adapter.poll(poll.name, params, cursor, context)))


def check_result(result: Any) -> Found:
    """What an adapter found, checked. Raises ConnectorError."""
    if not isinstance(result, PollResult):
        raise _invalid(text("A poll must return a PollResult, not %(type)s.", type=type(result).__name__))
    if result.cursor is None:
        raise _invalid(text("A poll must return a cursor."))
    if len(result.items) > MAX_ITEMS:
        raise _invalid(
            text(
                "A poll must return at most %(maximum)s items at once, not %(count)s.",
                maximum=MAX_ITEMS,
                count=len(result.items),
            )
        )
    cursor_document = encode_output(result.cursor, OutputSize())
    if len(cursor_document) > MAX_CURSOR_BYTES:
        raise _invalid(text("The cursor of a poll is larger than %(size)s KB.", size=MAX_CURSOR_BYTES // 1_000))
    items = {item.id: item for item in _checked_items(result)}
    return Found(items=tuple(items.values()), cursor=msgspec.json.decode(cursor_document), more=bool(result.more))


def _checked_items(result: PollResult) -> Iterator[FoundItem]:
    size, encoded = OutputSize(), 0  # of all together
    for item in result.items:
        if not isinstance(item, PollItem):
            raise _invalid(text("A poll must return items of PollItem, not %(type)s.", type=type(item).__name__))
        if not isinstance(item.id, str) or not item.id:
            raise _invalid(text("The id of an item must be a text that is not empty."))
        if item.time is not None and (not isinstance(item.time, dt.datetime) or item.time.tzinfo is None):
            raise _invalid(text("The time of an item must be a date and time with a time zone, or None."))
        document = encode_output(item.data, size)
        encoded += len(document)
        if encoded > MAX_OUTPUT_BYTES:
            raise output_too_large()
        if not document.startswith(b"{"):
            raise _invalid(text("The data of an item must be a mapping."))
        if not all(isinstance(file, PollFile) for files in item.files.values() for file in files):
            raise _invalid(text("The files of an item must be lists of PollFile."))
        yield FoundItem(id=_short_id(item.id), time=item.time, data=document, files=item.files)


def _short_id(identifier: str) -> str:
    identifier = identifier.replace("\0", "\ufffd")
    if len(identifier) <= LONGEST_ID:
        return identifier
    return f"sha256:{hashlib.sha256(identifier.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _invalid(message: str) -> ConnectorError:
    return ConnectorError(message, code="invalid_output")
