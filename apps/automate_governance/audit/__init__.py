"""The audit trail: entries are written in the transaction of the change that they record."""

from automate_governance.audit.chain import altered_entries, chain_head, verify
from automate_governance.audit.checks import register_check
from automate_governance.audit.content import canonical_text, recorded_facts
from automate_governance.audit.erasure import Erasure, erase_values, erasures
from automate_governance.audit.exports import sign_export, verify_export
from automate_governance.audit.recording import kind_of, plain_name, record
from automate_governance.audit.values import CHANGED, difference, differences, readable_changes, shown_value

__all__ = [
    "CHANGED",
    "Erasure",
    "altered_entries",
    "canonical_text",
    "chain_head",
    "difference",
    "differences",
    "erase_values",
    "erasures",
    "kind_of",
    "plain_name",
    "readable_changes",
    "record",
    "recorded_facts",
    "register_check",
    "shown_value",
    "sign_export",
    "verify",
    "verify_export",
]
