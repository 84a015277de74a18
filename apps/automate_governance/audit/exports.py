"""The signature of an exported trail."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator

from django.core.signing import Signer
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from automate_governance.audit.content import canonical_text
from automate_governance.models import AuditLink
from automate_plugins import text

EXPORT_SALT = "automate.audit-export"


def sign_export(digest: str, entries: int, head: str) -> str:
    """Return the last line of an export: the SHA-256 of the lines before it, signed with this site's key."""
    summary = {"sha256": digest, "entries": entries, "head": head, "at": timezone.now().isoformat(timespec="seconds")}
    return canonical_text(summary | {"signature": Signer(salt=EXPORT_SALT).signature(canonical_text(summary))})


def verify_export(exported: bytes) -> Iterator[str]:
    """Yield a sentence for every fault of an exported file; nothing for an unchanged one."""
    body, _, last = exported.rstrip(b"\n").rpartition(b"\n")
    try:
        [line] = csv.reader([last.decode()]) if not last.startswith(b"{") else [[last.decode()]]
        summary = json.loads(line[0].removeprefix("#"))
        signature = summary.pop("signature")
    except (ValueError, AttributeError, IndexError, KeyError, UnicodeDecodeError):
        yield text("the last line is not a signature")
        return
    if not constant_time_compare(signature, Signer(salt=EXPORT_SALT).signature(canonical_text(summary))):
        yield text("the signature was not made by this site")
    if hashlib.sha256(body + b"\n" if body else b"").hexdigest() != summary.get("sha256"):
        yield text("the entries differ from the exported ones")
    if summary.get("head") and not AuditLink.objects.filter(hash=summary["head"]).exists():
        yield text("the head %(head)s is not in the chain: entries were removed", head=summary["head"])
