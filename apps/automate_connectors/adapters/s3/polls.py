"""Polls of S3: objects that are new or changed, found by listing all keys below a prefix.

A list is in the order of keys, so each round goes through all of them. An object that is uploaded in parts has the time
at which its upload began (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html): objects of the
hour before the last round are read again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from typing import Any

from automate_connectors.adapters.polls import MAX_ITEMS, PollItem, PollResult, item_hash, split_hashes
from automate_connectors.adapters.s3.client import Page

OVERLAP = dt.timedelta(hours=1)
MOST_KNOWN = 3_500  #: objects of the overlap; their hashes fit into a cursor twice
_ROUND = {"after": "", "newest": "", "began": ""}
_KNOWN = {"floor": 0, "known": "", "fresh": "", "dropped": 0}
_SETTLED = dt.timedelta(minutes=1)  #: what is newer may get company of the same time
_EPOCH_LETTERS, _ENTRY_LETTERS = 8, 16
_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def find_new_objects(list_page: Callable[[str], Page], ending: str, cursor: Any, now: dt.datetime) -> PollResult:
    """One page of the objects since the cursor.

    `list_page(after)` lists the keys after one. The cursor holds the time of the newest object before (`since`), but
    none after the begin of its round: a key behind which the round was already may be newer. Within a round it holds
    the last key (`after`), the newest time so far and when it `began`. `first` is true within the first round.

    The round before read the objects of the overlap already, and `known` holds their hashes. Of more than MOST_KNOWN
    the newest are known, and the overlap begins behind the others, at `floor`: none of them comes twice.
    """
    known = {"first": True, "since": "", **_ROUND, **_KNOWN, **(cursor or {})}
    known = known if known["began"] else {**known, "began": now.isoformat(), "fresh": "", "dropped": 0}
    page = list_page(known["after"])
    newest = max([known["newest"], *(each["modified"] for each in page.objects)], key=_time)
    since = newest if known["first"] else known["since"]
    edge = max(_time(since) - OVERLAP if since else _EARLIEST, _of_epoch(known["floor"]))
    candidates = [
        PollItem(id=json.dumps([each["key"], each["modified"], each["etag"]]), time=_time(each["modified"]), data=each)
        for each in page.objects
        if _time(each["modified"]) >= edge and each["key"].endswith(ending) and not each["key"].endswith("/")
    ]
    candidates.sort(key=lambda item: item.time or _EARLIEST)
    before = split_hashes(known["known"])
    found = [item for item in candidates if item_hash(item.id) not in before]
    fresh, dropped = _newest(known["fresh"], candidates, _time(newest) - OVERLAP if newest else _EARLIEST)
    known |= {"newest": newest, "fresh": fresh, "dropped": max(known["dropped"], dropped)}
    if page.more and page.objects:
        return PollResult(items=found, cursor={**known, "after": page.objects[-1]["key"]}, more=True)
    since = min(newest or known["since"], known["began"], key=_time)
    latest = int((_time(known["began"]) - _SETTLED).timestamp())
    later = {
        "floor": max(known["floor"], min(known["dropped"] + 1, latest) if known["dropped"] else 0),
        "known": "".join(entry[_EPOCH_LETTERS:] for entry in _split_entries(fresh)),
    }
    return PollResult(items=found, cursor={"first": False, "since": since, **_ROUND, **later})


def _newest(fresh: str, candidates: Iterable[PollItem], edge: dt.datetime) -> tuple[str, int]:
    """The MOST_KNOWN newest entries since the edge, and the newest time among the others; 0 without others."""
    entries = {
        *_split_entries(fresh),
        *(f"{int((item.time or _EARLIEST).timestamp()):08x}{item_hash(item.id)}" for item in candidates),
    }
    least = f"{max(int(edge.timestamp()), 0):08x}"
    kept = sorted((entry for entry in entries if entry >= least), reverse=True)
    others = kept[MOST_KNOWN:]
    return "".join(kept[:MOST_KNOWN]), int(others[0][:_EPOCH_LETTERS], 16) if others else 0


def _split_entries(joined: str) -> list[str]:
    """The entries of a round: the seconds since 1970, hexadecimal, and the hash of an item."""
    return [joined[start : start + _ENTRY_LETTERS] for start in range(0, len(joined), _ENTRY_LETTERS)]


def _of_epoch(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def page_query(prefix: str, after: str) -> dict[str, str]:
    """The parameters of the list request of one page."""
    return {"prefix": prefix, "start_after": after, "max_keys": str(MAX_ITEMS)}


def _time(written: str) -> dt.datetime:
    return dt.datetime.fromisoformat(written) if written else _EARLIEST
