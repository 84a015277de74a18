"""Deleted rows in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from automate_plugins import ntext, text
from automate_plugins.texts import joined

#: Kinds of rows in the order in which people read them; the others are left out.
_KINDS: dict[str, Callable[[int], str]] = {
    "runs": lambda count: ntext("%(count)s run", "%(count)s runs", count),
    "steps": lambda count: ntext("%(count)s attempt", "%(count)s attempts", count),
    "logs": lambda count: ntext("%(count)s log line", "%(count)s log lines", count),
    "waits": lambda count: ntext("%(count)s wait", "%(count)s waits", count),
    "events": lambda count: ntext("%(count)s event", "%(count)s events", count),
    "emptied": lambda count: ntext("%(count)s event payload", "%(count)s event payloads", count),
    "jobs": lambda count: ntext("%(count)s job", "%(count)s jobs", count),
    "files": lambda count: ntext("%(count)s file", "%(count)s files", count),
    "usage": lambda count: ntext("%(count)s model call", "%(count)s model calls", count),
    "notifications": lambda count: ntext("%(count)s notification", "%(count)s notifications", count),
    "refusals": lambda count: ntext("%(count)s rejection count", "%(count)s rejection counts", count),
}


def describe_counts(counts: Mapping[str, int]) -> str:
    """`1204 runs, 3112 attempts and 1 event`; `nothing` when there is nothing. A text to translate."""
    parts = [describe(counts[kind]) for kind, describe in _KINDS.items() if counts.get(kind)]
    if len(parts) > 1:
        return text("%(first)s and %(last)s", first=joined(parts[:-1], ", "), last=parts[-1])
    return parts[0] if parts else text("nothing")
