"""Polls of SFTP: files of a folder that are new or changed.

The time of a file is no measure of when it came: many clients keep that of the original. So each round goes through the
whole folder in the order of names, and the platform knows the files of before by name, size and time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from automate_connectors.adapters.polls import MAX_ITEMS, Poll, PollItem, PollResult
from automate_connectors.adapters.sftp.actions import FOLDER, PATTERN, fits, found_entry
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

if TYPE_CHECKING:
    from automate_egress.sftp import Entry

NEW_FILE = Poll(
    name="new_file",
    label=text("New or changed file"),
    description=text("Start for each file that appears in a folder"),
    fields=(
        FOLDER,
        PATTERN,
        FieldSpec(
            name="quiet_seconds",
            label=text("Seconds without change"),
            kind=FieldKind.NUMBER,
            default=10,
            help=text("Files that changed later than that may still be written and wait for a later poll."),
        ),
    ),
    least_seconds=60,
    sample={
        "name": "orders.csv",
        "path": "in/orders.csv",
        "kind": "file",
        "size": 48213,
        "modified": "2026-01-31T12:00:00+00:00",
    },
)


def find_new_files(entries: Iterable[Entry], params: dict[str, Any], cursor: Any, now: float) -> PollResult:
    """One page of the files of a folder, by name. `now` is in seconds since 1970.

    The cursor holds the last name of the page before within a round (`after`), and is empty between rounds.
    """
    quiet = 10 if params.get("quiet_seconds") is None else params["quiet_seconds"]
    after = (cursor or {}).get("after", "")
    files = sorted(
        (
            entry
            for entry in entries
            if entry.kind == "file" and entry.name > after and fits(entry.name, params.get("pattern") or "")
        ),
        key=lambda entry: entry.name,
    )
    page, more = files[:MAX_ITEMS], len(files) > MAX_ITEMS
    items = [
        PollItem(
            id=json.dumps([params["folder"], entry.name, entry.size, entry.modified]),
            time=dt.datetime.fromtimestamp(entry.modified, dt.UTC),
            data=found_entry(params["folder"], entry),
        )
        for entry in sorted(page, key=lambda entry: entry.modified)
        if entry.modified <= now - quiet
    ]
    return PollResult(items=items, cursor={"after": page[-1].name if more else ""}, more=more)
