"""Integrity of the audit trail: the last verification of the chain with its anchor, and a new one on request."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction

from automate_governance import audit
from automate_governance.models import AuditEntry, AuditLink
from automate_governance.permissions import SITE, Person
from automate_governance.texts import translated

VERB = "audit.verified"
SECONDS = 20.0  # of a check in a page; a longer trail is for the command
MOST_FAULTS = 20


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """The newest link and the last verification: when, by whom, up to which link (the anchor), with which faults."""

    position: int
    head: str
    at: dt.datetime | None = None
    checked_by: str = ""
    anchor: str = ""
    checked: int = 0
    faults: tuple[str, ...] = ()
    is_whole_trail: bool = True

    @property
    def state(self) -> str:
        """State whose glyph and colour are shown."""
        return "waiting" if self.at is None or not self.is_whole_trail else "failed" if self.faults else "succeeded"

    @property
    def since(self) -> int:
        """Entries since then."""
        return self.position - self.checked


def integrity_state() -> Integrity:
    """Integrity as last verified. Two queries."""
    newest = AuditLink.objects.order_by("-position").values_list("position", "hash").first() or (0, "")
    last = AuditEntry.objects.filter(verb=VERB).order_by("-pk").first()
    found = Integrity(position=newest[0], head=newest[1])
    if last is None:
        return found
    said = last.changes
    return Integrity(
        position=newest[0],
        head=newest[1],
        at=last.at,
        checked_by=last.who,
        anchor=said["anchor"],
        checked=said["position"],
        faults=tuple(translated(fault) for fault in audit.readable_changes(last).get("faults", ())),
        is_whole_trail=said["whole"],
    )


def verify_chain(by: Person) -> None:
    """Verify the whole chain, including that the last anchor is still in it, and record the result."""
    before = integrity_state()
    faults: list[str] = []
    is_whole = True
    try:
        for fault in audit.verify(head=before.anchor, seconds=SECONDS):
            faults.append(fault)
            if len(faults) == MOST_FAULTS:
                break
    except audit.VerificationTimeout:
        is_whole = False
    changes = {"anchor": before.head, "position": before.position, "faults": faults, "whole": is_whole}
    with transaction.atomic():
        audit.record(by, VERB, SITE(pk=0), changes=changes)
