"""Integrity of the audit trail: the last verification with its anchor, one in progress, and what was erased."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from automate_governance import audit
from automate_governance.audit import verification
from automate_governance.models import ERASED, AuditEntry, AuditLink, AuditVerification
from automate_governance.people.origin import Source
from automate_governance.permissions import Person
from automate_governance.texts import translated
from automate_operations.audit_checks import count_unrecorded_versions
from automate_plugins.texts import Text

SECONDS = 20.0  # of a verification in a page; a worker goes on with a longer one


@dataclass(frozen=True)
class Fault:
    """A fault in words, and the number of the entry that it is about, or empty."""

    words: str
    entry: str


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """The newest link and the last verification: when, by whom, up to which link (the anchor), with which faults.

    `verified` is how far one in progress is, None without one, and `unrecorded` counts the versions of workflows whose
    digests are not in the trail.
    """

    position: int
    at: dt.datetime | None = None
    checked_by: str = ""
    anchor: str = ""
    checked: int = 0
    faults: tuple[Fault, ...] = ()
    is_intact: bool = True
    verified: int | None = None
    has_erasures: bool = False
    unrecorded: int = 0

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return "waiting" if self.at is None else "succeeded" if self.is_intact else "failed"

    @property
    def since(self) -> int:
        """Entries since then."""
        return max(self.position - self.checked, 0)


def integrity_state(last: AuditEntry | None) -> Integrity:
    """Integrity as of the last verification. Four queries."""
    position = AuditLink.objects.order_by("-position").values_list("position", flat=True).first() or 0
    current = AuditVerification.objects.filter(ended_at=None).first()
    verified = current.position if current is not None else None
    if last is None:
        return Integrity(position=position, verified=verified)
    facts = audit.recorded_facts(last)
    faults = tuple(map(_fault, audit.readable_changes(last).get("faults", ())))
    return Integrity(
        position=position,
        at=last.at,
        checked_by="" if last.actor == "system" and not last.actor_id and last.source != Source.COMMAND else last.who,
        anchor=str(facts.get("anchor", "")),
        checked=int(facts.get("position", 0)),
        faults=faults,
        is_intact=not faults and not verification.fault_count(last),
        verified=verified,
        has_erasures=AuditEntry.objects.filter(verb=ERASED).exists(),
        unrecorded=count_unrecorded_versions(),
    )


def _fault(says: str) -> Fault:
    return Fault(translated(says), str(says.values.get("entry", "")) if isinstance(says, Text) else "")


def verify_chain(by: Person) -> None:
    """Verify the trail, including that the last anchor is still in it, and record the result.

    What takes too long for a page, a worker ends.
    """
    verification.continue_verification(by, seconds=SECONDS)
