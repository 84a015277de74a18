"""Deleted rows in words."""

from __future__ import annotations

from collections.abc import Mapping

#: Kinds of rows in the order in which people hear of them; what is not here goes along unsaid.
_KINDS = {
    "runs": ("run", "runs"),
    "steps": ("step try", "step tries"),
    "logs": ("log line", "log lines"),
    "waits": ("wait", "waits"),
    "events": ("event", "events"),
    "emptied": ("emptied event", "emptied events"),
    "jobs": ("job", "jobs"),
    "files": ("file", "files"),
    "usage": ("model call", "model calls"),
    "notifications": ("notification", "notifications"),
    "refusals": ("count of refusals", "counts of refusals"),
}


def describe_counts(counts: Mapping[str, int]) -> str:
    """`1,204 runs, 3,112 step tries and 1 event`; `nothing` when there is nothing."""
    parts = [
        f"{counts[kind]:,} {one if counts[kind] == 1 else many}"
        for kind, (one, many) in _KINDS.items()
        if counts.get(kind)
    ]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "nothing"
