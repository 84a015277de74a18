"""The item about the audit trail: what the last verification found."""

from __future__ import annotations

from collections.abc import Iterator

from automate_governance.audit import verification
from automate_operations.site_status.registry import Finding, StatusItem
from automate_plugins import ntext, text


def find_alteration() -> Iterator[Finding]:
    """Faults of the last verification."""
    if count := verification.fault_count(verification.last_verification()):
        message = ntext(
            "The audit trail was tampered with: the last verification found %(count)s fault.",
            "The audit trail was tampered with: the last verification found %(count)s faults.",
            count,
        )
        view = "admin:automate_governance_auditentry_changelist"
        yield Finding.error(message, view)


def describe_last() -> str:
    """That it found nothing, or that there was none yet."""
    if verification.last_verification() is None:
        return text("The audit trail has not been verified yet.")
    return text("The last verification found no tampering.")


ITEMS = (
    StatusItem(
        code="audit_trail",
        title=text("Audit trail"),
        ok=describe_last,
        find=find_alteration,
        verb="audit",
    ),
)
