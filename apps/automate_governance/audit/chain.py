"""Verification of the chain: what was altered, removed or erased."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automate_governance.audit.checks import record_faults
from automate_governance.audit.content import DIGESTS, PARTS, canonical_text, columns_of, digest_of, recorded_facts
from automate_governance.audit.erasure import Erasure, erasures
from automate_governance.models import AuditEntry, AuditLink
from automate_plugins import text

VERIFIED = "audit.verified"
_BATCH = 1000
_ADDED_LATER = ("source", "system_user", "credential")  # columns that the texts of the first entries do not hold


def chain_head() -> str:
    """Return the hash of the newest link. Keep it elsewhere: `verify(head=...)` then notices a truncated chain."""
    newest = AuditLink.objects.order_by("-position").values_list("hash", flat=True).first()
    return newest or ""


@dataclass(frozen=True)
class Part:
    """A verified part of the chain: its last link, its faults, and whether `head` is in it."""

    position: int
    hash: str
    faults: tuple[str, ...]
    has_head: bool


def verify_parts(*, head: str = "", position: int = 0, hash: str = "") -> Iterator[Part]:
    """Verify the chain after a link, in parts of a thousand entries."""
    previous = (position, hash)
    links = AuditLink.objects.select_related("entry").filter(position__gt=position).order_by("position")
    for batch in itertools.batched(links.iterator(chunk_size=_BATCH), _BATCH):
        known = erasures(link.entry for link in batch)
        faults: list[str] = []
        for link in batch:
            faults += _link_faults(link, previous, known)
            previous = (link.position, link.hash)
        faults += record_faults([link.entry for link in batch])
        yield Part(*previous, tuple(faults), any(link.hash == head for link in batch))


def verify(*, head: str = "") -> Iterator[str]:
    """Yield a sentence for every fault of the chain; nothing for an intact one.

    Positions follow each other, each link holds the hash of its predecessor and of its entry, each entry has one link
    and its columns match its text, values are missing only where an erasure in the chain names them, the records that
    entries hold digests of match these, and the hash of an earlier `head` is still there.
    """
    found_head = not head
    for part in verify_parts(head=head):
        yield from part.faults
        found_head = found_head or part.has_head
    yield from ending_faults(head, found_head=found_head)


def ending_faults(head: str, *, found_head: bool) -> Iterator[str]:
    """Faults that show at the end: entries without a link, and a head that is not in the chain."""
    yield from _unlinked()
    if not found_head:
        yield missing_head(head)


def missing_head(head: str) -> str:
    """The fault of a head that is not in the chain."""
    return text("the head %(head)s is not in the chain: entries at its end were removed", head=head)


def altered_entries(entries: Iterable[AuditEntry], last: AuditEntry | None) -> set[int]:
    """The ids of those of these entries that are not what was recorded, or that the `last` verification found altered.

    Pages, exports and the API mark them. One query, with `link` among what was read.
    """
    shown = list(entries)
    known = erasures(shown)
    found = set(recorded_facts(last).get("altered", ())) if last is not None else set()
    return {each.pk for each in shown if each.pk in found or not _is_whole(each, known)}


def _is_whole(entry: AuditEntry, known: Mapping[int, Erasure]) -> bool:
    link = getattr(entry, "link", None)  # none before its transaction ends
    return _matches_text(entry, known) and (link is None or _is_hash_right(link, known))


def _unlinked() -> Iterator[str]:
    for entry in AuditEntry.objects.filter(link=None).values_list("pk", flat=True):
        yield text("entry %(entry)s has no link", entry=str(entry))


def _link_faults(link: AuditLink, previous: tuple[int, str], known: Mapping[int, Erasure]) -> Iterator[str]:
    expected = previous[0] + 1
    names = {"entry": str(link.entry_id), "position": str(link.position)}
    if link.position != expected:
        yield text("position %(position)s is missing", position=str(expected))
    if link.previous != previous[1]:
        yield text("entry %(entry)s (position %(position)s) does not follow the previous one", **names)
    if not _is_hash_right(link, known):
        yield text("entry %(entry)s (position %(position)s) was altered", **names)
    if not _matches_text(link.entry, known):
        yield text("entry %(entry)s does not match its record", entry=str(link.entry_id))


def _is_hash_right(link: AuditLink, known: Mapping[int, Erasure]) -> bool:
    if link.hash == hashlib.sha256((link.previous + link.entry.canonical).encode()).hexdigest():
        return True
    erasure = known.get(link.entry.erased.get("canonical", 0))
    return erasure is not None and erasure.vouches_for(link.entry)


def _matches_text(entry: AuditEntry, known: Mapping[int, Erasure]) -> bool:
    """Whether the columns are those that the text was made of."""
    try:
        recorded = json.loads(entry.canonical)
    except ValueError:
        return False
    columns = columns_of(entry)
    if not isinstance(recorded, dict):
        return False
    if DIGESTS not in recorded:
        added_since = (columns[name] for name in _ADDED_LATER if name not in recorded)
        return _holds(recorded, columns) and not any(added_since) and not entry.erased
    digests = recorded.pop(DIGESTS)
    recorded.pop("facts", None)
    return _holds(recorded, columns) and all(
        _is_erased(entry, part, columns, known)
        if part in entry.erased
        else digest_of(part, columns, entry.salts.get(part, "")) == digests.get(part)
        for part in PARTS
    )


def _holds(recorded: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    return canonical_text({name: columns.get(name) for name in recorded}) == canonical_text(dict(recorded))


def _is_erased(entry: AuditEntry, part: Any, columns: Mapping[str, Any], known: Mapping[int, Erasure]) -> bool:
    """Whether nothing is left of the part, and the erasure that the entry refers to names it."""
    erasure = known.get(entry.erased[part])
    is_empty = not any(columns[name] for name in PARTS[part]) and part not in entry.salts
    return is_empty and erasure is not None and erasure.covers(entry, part)
