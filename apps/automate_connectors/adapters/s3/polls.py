"""Polls of S3: objects that are new or changed, found by listing all keys below a prefix.

A list is in the order of keys, so each round goes through all of them. An object that is uploaded in parts has the time
at which its upload began (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html): objects of the
hour before the last round are read again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from automate_connectors.adapters.polls import MAX_ITEMS, Poll, PollItem, PollResult
from automate_connectors.adapters.s3.client import Page
from automate_plugins import text
from automate_plugins.fields import FieldSpec

OVERLAP = dt.timedelta(hours=1)
_ROUND = {"after": "", "newest": "", "began": ""}
_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

NEW_OBJECT = Poll(
    name="new_object",
    label=text("New or changed object"),
    description=text("Start for each object that is uploaded below a prefix"),
    fields=(
        FieldSpec(
            name="bucket", label=text("Bucket"), options="buckets", help=text("Default: the bucket of the connection")
        ),
        FieldSpec(
            name="prefix",
            label=text("Prefix"),
            shown=True,
            help=text("For example invoices/. Every poll lists all keys below it."),
        ),
        FieldSpec(name="ending", label=text("Ending"), shown=True, help=text("For example .pdf")),
    ),
    least_seconds=60,
    sample={
        "bucket": "my-bucket",
        "key": "invoices/2026-01.pdf",
        "name": "2026-01.pdf",
        "size": 48213,
        "etag": "5d41402abc4b2a76b9719d911017c592",
        "modified": "2026-01-31T12:00:00+00:00",
        "storage_class": "STANDARD",
    },
)


def find_new_objects(list_page: Callable[[str], Page], ending: str, cursor: Any, now: dt.datetime) -> PollResult:
    """One page of the objects since the cursor.

    `list_page(after)` lists the keys after one. The cursor holds the time of the newest object before (`since`), but
    none after the begin of its round: a key behind which the round was already may be newer. Within a round it holds
    the last key (`after`), the newest time so far and when it `began`. `first` is true within the first round.
    """
    known = cursor or {"first": True, "since": "", **_ROUND}
    known = known if known["began"] else {**known, "began": now.isoformat()}
    page = list_page(known["after"])
    newest = max([known["newest"], *(each["modified"] for each in page.objects)], key=_time)
    since = newest if known["first"] else known["since"]
    edge = _time(since) - OVERLAP if since else _EARLIEST
    found = [
        PollItem(id=json.dumps([each["key"], each["modified"], each["etag"]]), time=_time(each["modified"]), data=each)
        for each in page.objects
        if _time(each["modified"]) >= edge and each["key"].endswith(ending) and not each["key"].endswith("/")
    ]
    found.sort(key=lambda item: item.time or _EARLIEST)
    if page.more and page.objects:
        return PollResult(items=found, cursor={**known, "after": page.objects[-1]["key"], "newest": newest}, more=True)
    since = min(newest or known["since"], known["began"], key=_time)
    return PollResult(items=found, cursor={"first": False, "since": since, **_ROUND})


def page_query(prefix: str, after: str) -> dict[str, str]:
    """The parameters of the list request of one page."""
    return {"prefix": prefix, "start_after": after, "max_keys": str(MAX_ITEMS)}


def _time(written: str) -> dt.datetime:
    return dt.datetime.fromisoformat(written) if written else _EARLIEST
