"""Polls of SFTP: files of a folder that are new or changed.

The time of a file is no measure of when it came: many clients keep that of the original. So each poll reads the whole
folder, and the cursor knows the files of before by name, size and time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import MAX_ITEMS, PollItem, PollResult, item_hash, split_hashes
from automate_connectors.adapters.sftp.actions import fits, found_entry
from automate_plugins import text

if TYPE_CHECKING:
    from automate_egress.sftp import Entry

MAX_FILES = 10_000  #: that a cursor can hold
_FAR_AHEAD = 86_400  #: seconds; a file from a later time was not changed just now, whatever clock the server has


def find_new_files(entries: Iterable[Entry], params: dict[str, Any], cursor: Any, now: float) -> PollResult:
    """The files that the cursor does not know, the oldest first. `now` is in seconds since 1970.

    The cursor holds hashes of all files that were found. Raises ConnectorError for more than MAX_FILES.
    """
    quiet = 10 if params.get("quiet_seconds") is None else params["quiet_seconds"]
    files = [entry for entry in entries if entry.kind == "file" and fits(entry.name, params.get("pattern") or "")]
    if len(files) > MAX_FILES:
        reason = text("The list has more than %(maximum)s items. Choose a smaller one.", maximum=f"{MAX_FILES:,}")
        raise ConnectorError(reason, code="list_too_long")
    files.sort(key=lambda entry: (entry.modified, entry.name))
    ids = {json.dumps([params["folder"], entry.name, entry.size, entry.modified]): entry for entry in files}
    hashes = {identifier: item_hash(identifier) for identifier in ids}
    is_later, known = cursor is not None, split_hashes((cursor or {}).get("known", ""))
    unknown = [
        identifier
        for identifier, entry in ids.items()
        if hashes[identifier] not in known and not now - quiet < entry.modified < now + _FAR_AHEAD
    ]
    chosen = unknown[:MAX_ITEMS] if is_later else unknown[-MAX_ITEMS:]
    found = {hashes[identifier] for identifier in (chosen if is_later else unknown)}
    items = [
        PollItem(
            id=identifier,
            time=dt.datetime.fromtimestamp(ids[identifier].modified, dt.UTC),
            data=found_entry(params["folder"], ids[identifier]),
        )
        for identifier in chosen
    ]
    kept = "".join(each for each in hashes.values() if each in known or each in found)
    return PollResult(items=items, cursor={"known": kept}, more=is_later and len(chosen) < len(unknown))
