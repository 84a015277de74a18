"""The entries that a page finds as a file, CSV or JSON lines: streamed, and signed in its last line.

The signature is over the SHA-256 of all before it, the number of entries and the head of the chain at that time;
`manage.py automate_verify_audit --export FILE` checks it, and that this head is still in the chain.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from automate_governance import audit
from automate_governance.audit.verification import last_verification
from automate_governance.models import AuditEntry
from automate_governance.redaction.redactor import RedactedStream, redactor
from automate_governance.redaction.spreadsheets import inert

COLUMNS = (
    "number", "position", "at", "who", "actor", "actor_id", "source", "system_user", "credential", "address", "verb",
    "object_type", "object_id", "object", "changes", "trace_id", "previous", "hash", "erased", "altered",
)  # fmt: skip


def json_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """One JSON object per line; `canonical` is the hashed text, so that a complete trail can be verified elsewhere.

    It holds salted digests of the values.
    """
    for entry, altered in _readable_entries(entries):
        chained = {"canonical": entry.canonical, "salts": entry.salts, "erased": entry.erased, "altered": altered}
        fields = _entry_fields(entry) | {"changes": entry.changes} | chained
        yield f"{audit.canonical_text(fields)}\n"


def csv_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """A table, safe to open in a spreadsheet."""
    yield _csv_line(COLUMNS)
    for entry, altered in _readable_entries(entries):
        shown = {"erased": " ".join(sorted(entry.erased)), "altered": "yes" if altered else ""}
        fields = _entry_fields(entry) | {"changes": audit.canonical_text(entry.changes)} | shown
        yield _csv_line([inert(str(fields[name])) for name in COLUMNS])


KINDS: dict[str, tuple[str, Callable[[QuerySet[AuditEntry]], Iterator[str]]]] = {
    "csv": ("text/csv", csv_lines),
    "jsonl": ("application/x-ndjson", json_lines),
}


def signed_lines(kind: str, entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """The file of that kind, and its signature as the last line. What the last wall would mask is masked before."""
    head, digest, count = audit.chain_head(), hashlib.sha256(), 0
    stream = RedactedStream(redactor)
    for line in KINDS[kind][1](entries):
        count += 1
        piece = stream.push(line)
        digest.update(piece.encode())
        yield piece
    rest = stream.flush()
    digest.update(rest.encode())
    yield rest
    seal = audit.sign_export(digest.hexdigest(), count - (kind == "csv"), head)
    yield f"{seal}\n" if kind == "jsonl" else _csv_line([f"#{seal}"])


def _readable_entries(entries: QuerySet[AuditEntry]) -> Iterator[tuple[AuditEntry, bool]]:
    """Each entry, and whether it was altered."""
    last = last_verification()
    for batch in itertools.batched(entries.select_related("link").order_by("pk").iterator(chunk_size=500), 500):
        altered = audit.altered_entries(batch, last)
        yield from ((entry, entry.pk in altered) for entry in batch)


def _entry_fields(entry: AuditEntry) -> dict[str, Any]:
    link = getattr(entry, "link", None)  # none before its transaction ends
    found = {name: getattr(entry, name) for name in COLUMNS if hasattr(entry, name) and name != "changes"}
    found["at"] = entry.at.isoformat()
    chained = {"position": link.position, "previous": link.previous, "hash": link.hash} if link else {}
    return {"number": entry.pk, "position": "", "previous": "", "hash": ""} | found | chained


def _csv_line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
