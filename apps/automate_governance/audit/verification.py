"""Verifications of the trail: nightly by a worker and on request, in parts, with the result as an entry."""

from __future__ import annotations

import time
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from automate_governance.audit.chain import VERIFIED, ending_faults, missing_head, verify_parts
from automate_governance.audit.content import recorded_facts
from automate_governance.audit.recording import record
from automate_governance.models import AUDIT_LOCK, AuditEntry, AuditLink, AuditVerification
from automate_governance.permissions import SITE, Person
from automate_plugins.texts import Text, restored, stored

MAX_FAULTS = 20  # that are recorded; a verification ends with them
_VERIFYING = AUDIT_LOCK + 1  # the advisory lock: one verification at a time
SECONDS = 2.0  # of a turn of a worker

#: SQL: whether one goes on, or is due: once a day from two o'clock (UTC), from the day after the first entry.
DUE = """(EXISTS (SELECT FROM automate_governance_auditverification WHERE ended_at IS NULL)
    OR coalesce(
        (SELECT max(started_at) FROM automate_governance_auditverification),
        (SELECT at FROM automate_governance_auditentry ORDER BY id LIMIT 1)
    ) < date_trunc('day', now() - interval '2 hours', 'UTC') + interval '2 hours')"""


@transaction.atomic
def continue_verification(person: Person | None = None, *, seconds: float = SECONDS) -> AuditVerification | None:
    """Go on with the verification, or begin one for `person`; None while another process does it.

    It ends with an `audit.verified` entry.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_VERIFYING])
        if not cursor.fetchone()[0]:
            return None
    current = AuditVerification.objects.filter(ended_at=None).first() or _begin(person)
    ends = time.monotonic() + seconds
    parts = verify_parts(head=current.anchor, position=current.position, hash=current.hash)
    for part in parts:
        current.position, current.hash = part.position, part.hash
        current.found_anchor = current.found_anchor or part.has_head
        current.faults = [*current.faults, *map(_kept, part.faults)]
        if len(current.faults) >= MAX_FAULTS or time.monotonic() > ends:
            break
    else:
        current.faults += map(_kept, ending_faults(current.anchor, found_head=current.found_anchor))
        _end(current)
    if current.ended_at is None and len(current.faults) >= MAX_FAULTS:
        _end(current)
    current.save()
    return current


def verify_next_part() -> float | None:
    """The worker's task."""
    current = continue_verification()
    return 0.0 if current is not None and current.ended_at is None else None


@transaction.atomic
def verify_whole(*, head: str = "") -> list[str]:
    """Verify the whole trail at once, and record the result like that of every verification. Gives all faults.

    A `head` that is not in the chain is a fault, too, but is not recorded: it may be mistyped.
    """
    current, faults = _begin(None), list[str]()
    for part in verify_parts(head=current.anchor):
        current.position, current.hash = part.position, part.hash
        current.found_anchor = current.found_anchor or part.has_head
        faults += part.faults
    faults += ending_faults(current.anchor, found_head=current.found_anchor)
    is_there = not head or AuditLink.objects.filter(hash=head).exists()
    current.faults = list(map(_kept, faults[:MAX_FAULTS]))
    _end(current)
    current.save()
    return faults if is_there else [*faults, missing_head(head)]


def last_verification() -> AuditEntry | None:
    """The entry of the last verification that ended. One query."""
    return AuditEntry.objects.filter(verb=VERIFIED).order_by("-pk").first()


def fault_count(entry: AuditEntry | None) -> int:
    """Number of faults that a verification found, as far as they are recorded."""
    facts = recorded_facts(entry) if entry is not None else {}
    found = facts.get("found", facts.get("faults", ()))
    return found if isinstance(found, int) else len(found)


def _begin(person: Person | None) -> AuditVerification:
    last = last_verification()
    anchor = str(recorded_facts(last).get("anchor", "")) if last is not None else ""
    return AuditVerification(person=person, anchor=anchor, found_anchor=not anchor, started_at=timezone.now())


def _end(current: AuditVerification) -> None:
    current.ended_at = timezone.now()
    faults = [restored(each["text"], each["says"]) for each in current.faults[:MAX_FAULTS]]
    facts = {"anchor": current.hash, "position": current.position, "whole": True, "found": len(faults)}
    facts["altered"] = sorted({int(each["entry"]) for each in current.faults if each["entry"]})
    record(current.person, VERIFIED, SITE(pk=0), changes={"faults": faults}, facts=facts)
    AuditVerification.objects.filter(ended_at__isnull=False).delete()


def _kept(fault: str) -> dict[str, Any]:
    entry = fault.values.get("entry", "") if isinstance(fault, Text) else ""
    return {"says": str(fault), "text": stored(fault), "entry": entry}
