"""New items of a declared poll: the items of a list that were not in it before.

A list is read from its newest item back to the time of the call before, or from a time that the request names, or as a
whole. The cursor holds that time, and hashes of the items that the next call reads again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import PollItem, PollResult, item_hash, split_hashes
from automate_connectors.bounds.server_numbers import MAX_NUMBER
from automate_connectors.declared import specs
from automate_connectors.declared.document import ActionPart, Clock, Document, Order, PollPart
from automate_connectors.declared.templates import fill, names_in
from automate_connectors.paging import MAX_ITEMS, PagesRead, value_at
from automate_connectors.web import as_text
from automate_egress import HttpResponse
from automate_plugins import text

SINCE = "since"  #: the name of the time in the template of an input
RESULT_ITEMS = 200  #: of one result
DETAILED_ITEMS = 20  #: of one result whose items are read one by one
_PAGE_ITEMS = 100  #: that are asked for where the newest come first
_MILLISECONDS = re.compile(r"/Date\((-?\d+)[^)]*\)/")  #: as the JSON of older .NET services has them
_SECOND = 1_000_000  #: positions in time are in microseconds since 1970
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Call(Protocol):
    """A call of an action, made ready."""

    def output(self) -> Any:
        """Return the output. Raises ConnectorError, EgressError."""

    def read_list(self, place: str, is_enough: Callable[[list[Any]], bool]) -> PagesRead:
        """Return the items of its list, page by page until they are enough. Raises ConnectorError, EgressError."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An item of the list. `at` is its position, None where the list does not say; `hash` that of its id."""

    id: str
    hash: str
    at: int | None
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The cursor before: `since` is the newest position, None where nothing was there.

    `found_at` is the time of the last new item, where the service may begin to count elsewhere after a pause.
    """

    is_first: bool
    since: int | None
    hashes: frozenset[str]
    found_at: int | None = None

    @classmethod
    def read(cls, cursor: Any) -> _Known:
        """Read a cursor; one that was not made here is none."""
        if not isinstance(cursor, dict) or not isinstance(cursor.get("known"), str):
            return cls(is_first=True, since=None, hashes=frozenset())
        since, found_at = cursor.get("since"), cursor.get("found_at")
        return cls(is_first=False, since=since, hashes=split_hashes(cursor["known"]), found_at=found_at)

    def reset(self, resets: int | None, now: int) -> _Known:
        """Forget the position, if numbers may begin elsewhere by now: what is lower would not be asked for."""
        if resets is None or self.found_at is None or now - self.found_at < resets * _SECOND:
            return self
        return replace(self, since=None)


def find_items(
    document: Document, rule: PollPart, params: dict[str, Any], cursor: Any, call: Callable[[str, dict[str, Any]], Call]
) -> PollResult:
    """Read the list once, and return what is not known yet. `call` makes a call of an action.

    Raises ConnectorError, EgressError.
    """
    now, rule = time.time_ns() // 1_000, _with_paths(rule, params)
    resets = rule.since.resets if rule.since else None
    known = _Known.read(cursor).reset(resets, now)
    start = _start(rule, known, now)

    def is_enough(items: list[Any]) -> bool:
        return _is_enough(rule, items, known, start)

    read = call(rule.action, _inputs(document, rule, params, start)).read_list(rule.items, is_enough)
    if not rule.time and not read.complete:
        reason = text("The list has more than %(maximum)s items. Choose a smaller one.", maximum=f"{MAX_ITEMS:,}")
        raise ConnectorError(reason, code="list_too_long")
    entries = list(_entries(rule, read.items, start))
    unknown = [entry for entry in entries if entry.hash not in known.hashes]
    most = DETAILED_ITEMS if rule.details else RESULT_ITEMS
    chosen = unknown[-most:] if known.is_first else unknown[:most]
    is_cut = not known.is_first and len(chosen) < len(unknown)
    if is_cut:
        since, read_again = known.since, {*known.hashes, *(entry.hash for entry in chosen)}
        hashes = [entry.hash for entry in entries if entry.hash in read_again]
    else:
        since = _next_since(rule, known, entries, read, now)
        floor = None if since is None else since - _overlap(rule)
        hashes = [entry.hash for entry in entries if entry.at is None or floor is None or entry.at >= floor]
    has_rest = bool(rule.time) and rule.order is Order.OLDEST and not read.complete
    items = [_item(document, rule, entry, call) for entry in chosen]
    if all(item.time for item in items):
        items.sort(key=lambda item: item.time or dt.datetime.min)
    after: dict[str, Any] = {"since": since, "known": "".join(hashes)}
    if resets is not None:
        after["found_at"] = now if unknown or known.found_at is None else known.found_at
    return PollResult(items=items, cursor=after, more=is_cut or has_rest)


def _with_paths(rule: PollPart, params: Mapping[str, Any]) -> PollPart:
    """The poll with the inputs in its paths; of its ids, the first whose inputs are filled in."""
    paths = [rule.id] if isinstance(rule.id, str) else rule.id
    path = next((each for each in paths if all(params.get(name) for name in names_in(each))), paths[-1])
    filled = {"id": fill(path, params), "time": fill(rule.time, params), "version": fill(rule.version, params)}
    return msgspec.structs.replace(rule, **filled)


# --- the request ------------------------------------------------------------------------------------------------------


def _overlap(rule: PollPart) -> int:
    return rule.overlap * (1 if rule.time_in is Clock.NUMBER else _SECOND)


def _start(rule: PollPart, known: _Known, now: int) -> int | None:
    """The position from which on items count; None for all."""
    asked = rule.since
    start = None if known.since is None else known.since - _overlap(rule)
    if start is None and asked is not None and asked.first is not None:
        start = now - asked.first * _SECOND
    if start is not None and asked is not None and asked.most is not None:
        start = max(start, now - asked.most * _SECOND)
    return start


def _inputs(document: Document, rule: PollPart, params: Mapping[str, Any], start: int | None) -> dict[str, Any]:
    """The inputs of the action."""
    action = document.action(rule.action)
    filled = {name: value for name, value in params.items() if value not in (None, "")}
    sent = {spec.name: filled[spec.name] for spec in action.fields if spec.name in filled}
    given = {**_defaults(action), **sent, **rule.params}
    if action.pages is not None:
        given[specs.LIMIT] = _PAGE_ITEMS if rule.time and not rule.details else MAX_ITEMS
    if rule.since is not None and start is not None:
        value = _written(rule.since.form or rule.time_in, max(start, 0))
        template = rule.since.template
        given[rule.since.input] = (
            value if template == f"{{{SINCE}}}" else fill(template, {**params, SINCE: value}).strip()
        )
    return given


def _defaults(action: ActionPart) -> dict[str, Any]:
    return {spec.name: spec.default for spec in action.fields if spec.default is not None}


def _written(clock: Clock, at: int) -> str | int:
    match clock:
        case Clock.NUMBER:
            return at
        case Clock.SECONDS:
            return at // _SECOND
        case Clock.MILLISECONDS:
            return at // 1_000
    return f"{dt.datetime.fromtimestamp(at // _SECOND, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- the list ---------------------------------------------------------------------------------------------------------


def _is_enough(rule: PollPart, items: list[Any], known: _Known, start: int | None) -> bool:
    """Whether what follows in the list is older than what is wanted."""
    if not rule.time or rule.details is not None or rule.order is Order.OLDEST or not items:
        return False
    last = _position(rule, items[-1])
    if last is None:
        return True
    edge = start
    if known.is_first:
        edge = max(at for item in items if (at := _position(rule, item)) is not None) - _overlap(rule)
    return edge is not None and last < edge


def _entries(rule: PollPart, listed: Any, start: int | None) -> Iterator[_Entry]:
    """The items that count, the oldest first, each of them once. Raises ConnectorError for a list of another shape."""
    if listed is None and rule.may_lack:
        listed = []
    items = list(_rows(listed)) if rule.rows and isinstance(listed, list) else listed
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _unfit(text("The response has no list of items at %(path)s.", path=rule.items or "items"))
    path = str(rule.id)
    found: dict[str, _Entry] = {}
    for item in items:
        identifier = _identifier(value_at(item, path))
        if not identifier:
            continue
        if rule.version:
            identifier = f"{identifier} {_identifier(value_at(item, rule.version))}"
        at = _position(rule, item) if rule.time and rule.details is None else None
        made = item_hash(identifier)
        if rule.rows and not rule.version:  # another row may get the number of one that was deleted
            identifier = f"{identifier} {_identifier(item['values'])}"
        entry = _Entry(id=identifier, hash=made, at=at, data=item)
        found.setdefault(entry.hash, entry)
    if items and not found:
        raise _unfit(text("No item has a value at %(path)s.", path=path))
    entries = list(found.values())
    if rule.order is Order.NEWEST:
        entries.reverse()
    if rule.time and rule.details is None:
        entries = [entry for entry in entries if entry.at is not None and (start is None or entry.at >= start)]
        entries.sort(key=lambda entry: entry.at or 0)
    yield from entries


def _rows(listed: list[Any]) -> Iterator[Any]:
    """The rows below the first one: their number, their values, and these by the names of the columns."""
    names = [as_text(name) for name in listed[0]] if listed and isinstance(listed[0], list) else []
    for number, values in enumerate(listed[1:], start=2):
        if not isinstance(values, list):
            yield values
        elif any(value not in (None, "") for value in values):
            filled = [*values, *[""] * (len(names) - len(values))]
            columns = {name: value for name, value in zip(names, filled, strict=False) if name}
            yield {"row": number, "values": values, "columns": columns}


def _identifier(value: Any) -> str:
    """A value as a part of an id: a text or number as it is, anything else as its hash."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int | float):
        return as_text(value)
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]


def _position(rule: PollPart, item: Any) -> int | None:
    """Where an item stands in time, or among numbers; None where it does not say. Raises ConnectorError."""
    value = value_at(item, rule.time)
    if value is None or value == "":
        return None
    try:
        match rule.time_in:
            case Clock.NUMBER:
                number = int(value)
                if abs(number) > MAX_NUMBER:  # as a cursor, nothing would ever be newer
                    raise ValueError
                return number
            case Clock.SECONDS:
                at = int(float(value) * _SECOND)
            case Clock.MILLISECONDS:
                at = int(_MILLISECONDS.sub(r"\1", str(value))) * 1_000
            case _:
                found = dt.datetime.fromisoformat(value)
                found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
                at = (found - _EPOCH) // dt.timedelta(microseconds=1)
        _moment(at)
        return at
    except (ValueError, TypeError, OverflowError) as error:
        raise _unfit(text("%(value)s is not a time.", value=repr(value)[:100])) from error


def _moment(at: int) -> dt.datetime:
    """The time at a position. Raises OverflowError for one that no calendar has."""
    return _EPOCH + dt.timedelta(microseconds=at)


def _next_since(rule: PollPart, known: _Known, entries: list[_Entry], read: PagesRead, now: int) -> int | None:
    """The position from which on the next call asks, without the overlap.

    Where the service is asked by a clock, that is the time of its answer, else that of the newest item which is not in
    the future: a date typed by a person must not hide what comes before it.
    """
    found = [entry.at for entry in entries if entry.at is not None]
    if rule.time_in is not Clock.NUMBER:
        answered = _answered_at(read.response, now)
        is_by_clock = rule.since is not None and rule.since.first is not None
        is_whole = rule.order is Order.NEWEST or read.complete
        found = [answered] if is_by_clock and is_whole else [min(at, answered) for at in found]
    return max([*found, *([] if known.since is None else [known.since])], default=None)


def _answered_at(response: HttpResponse, now: int) -> int:
    try:
        return int(parsedate_to_datetime(response.headers.get("date", "")).timestamp()) * _SECOND
    except (ValueError, TypeError, OverflowError):
        return now


# --- an item ----------------------------------------------------------------------------------------------------------


def _item(document: Document, rule: PollPart, entry: _Entry, call: Callable[[str, dict[str, Any]], Call]) -> PollItem:
    """The item of the contract, read by a call of its own where there are details. Raises ConnectorError."""
    data, at = entry.data, entry.at
    if rule.details is not None:
        given = {name: value_at(data, path) for name, path in rule.details.params.items()}
        action = document.action(rule.details.action)
        data = call(action.name, {**_defaults(action), **given}).output()
        at = _position(rule, data) if rule.time else None
    if rule.pairs:
        pairs = value_at(data, rule.pairs)
        named = [each for each in pairs if isinstance(each, dict)] if isinstance(pairs, list) else []
        mapping = {str(each.get("name")): each.get("value") for each in reversed(named)}  # the first of a name counts
        data = {**data, rule.pairs.rpartition(".")[2]: mapping}
    is_time = rule.time_in is not Clock.NUMBER
    return PollItem(id=entry.id, time=_moment(at) if is_time and at is not None else None, data=data)


def _unfit(message: str) -> ConnectorError:
    return ConnectorError(message, code="invalid_answer")
