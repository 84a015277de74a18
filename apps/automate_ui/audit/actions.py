"""Labels of audit codes. Entries keep their codes; the object's kind is shown beside the label."""

from __future__ import annotations

from automate_governance.texts import translated
from automate_operations.queries.audit_search import recorded_verbs
from automate_plugins import text

#: By code, or by a code's last part where it means the same for every kind of object.
_LABELS = {
    "archived": text("Archived"),
    "asked": text("Options loaded"),
    "audit.exported": text("Audit trail exported"),
    "audit.verified": text("Audit trail verified"),
    "backup_finished": text("Backup finished"),
    "backup_started": text("Backup started"),
    "bulk_cancel": text("Bulk cancellation started"),
    "bulk_replay": text("Bulk replay started"),
    "bulk_retry": text("Bulk re-run started"),
    "bulk_review": text("Bulk outcome started"),
    "bulk_stopped": text("Bulk action stopped"),
    "callback.refused": text("Callback rejected"),
    "cancelled": text("Cancelled"),
    "changed": text("Changed"),
    "connection.released": text("Resumed after a failed test"),
    "connection.signed_in": text("Signed in to the service"),
    "connection.signed_out": text("Signed out of the service"),
    "called": text("Call tested"),
    "connector.restored": text("Version restored"),
    "copied": text("Copied"),
    "created": text("Created"),
    "decided": text("Decided"),
    "delegated": text("Delegated"),
    "deleted": text("Deleted"),
    "disabled": text("Disabled"),
    "delivery_sent": text("Test delivery sent"),
    "edited": text("Edited"),
    "exported": text("Exported"),
    "failures.muted": text("Failure group muted"),
    "failures.reopened": text("Failure group reopened"),
    "failures.resolved": text("Failure group resolved"),
    "failures.retried": text("Failed runs re-run"),
    "failures.unmuted": text("Failure group unmuted"),
    "form_answered": text("Form answered"),
    "found_again": text("Readable again"),
    "groups_changed": text("Groups changed"),
    "handed_over": text("Handed over"),
    "job.replayed": text("Job requeued"),
    "locked": text("Sign-in locked"),
    "marked_lost": text("Marked as lost"),
    "members_changed": text("Members changed"),
    "muted": text("Muted"),
    "old_secret_refused": text("Old secret no longer accepted"),
    "paused": text("Paused"),
    "payload_downloaded": text("Payload downloaded"),
    "payload_viewed": text("Payload viewed"),
    "payloads_searched": text("Payloads searched"),
    "permissions_changed": text("Permissions changed"),
    "subjects_viewed": text("Subject lines viewed in a list"),
    "person.erased": text("Values of audit entries erased"),
    "prune_started": text("Deletion of old data started"),
    "published": text("Published"),
    "reassigned": text("Reassigned"),
    "rebuilt": text("Statistics rebuilt"),
    "erasure.performed": text("Personal data erased"),
    "erasure.searched": text("Personal data searched"),
    "erasure.started": text("Erasure started"),
    "erasure.stopped": text("Erasure stopped"),
    "event.replayed": text("Replayed"),
    "enabled": text("Enabled"),
    "event.sent": text("Event sent"),
    "resumed": text("Resumed"),
    "revoked": text("Revoked"),
    "rewrapped": text("Encryption key rotated"),
    "rotated": text("Rotated"),
    "rule_changed": text("Rule changed"),
    "rule_created": text("Rule created"),
    "rule_handed_over": text("Rule handed over"),
    "rule_removed": text("Rule deleted"),
    "rule_taken_back": text("Rule restored"),
    "password_change_required": text("Password change required"),
    "rule_tested": text("Rule tested"),
    "rule_turned_off": text("Rule turned off"),
    "rule_turned_on": text("Rule turned on"),
    "run.kept": text("Pinned"),
    "run.released": text("Unpinned"),
    "run.retried": text("Re-run"),
    "run.reviewed": text("Reviewed"),
    "run_as_handed_over": text("Run-as user changed"),
    "run_started": text("Run started"),
    "sample_viewed": text("Sample viewed"),
    "secret.used": text("Secret used"),
    "secret_rotated": text("Secret rotated"),
    "sent_again": text("Message sent again"),
    "sessions_ended": text("Signed out everywhere"),
    "shared": text("Shared"),
    "sign_in_failed": text("Sign-in failed"),
    "signed_in": text("Signed in"),
    "signed_out": text("Signed out"),
    "site.restored": text("Backup restored"),
    "step.skipped": text("Skipped"),
    "template_used": text("Template used"),
    "tool_called": text("Tool called"),
    "tested": text("Tested"),
    "tried_now": text("Retried now"),
    "unlocked": text("Sign-in unlocked"),
    "unmuted": text("Unmuted"),
    "unshared": text("Sharing removed"),
    "voided": text("Usage voided"),
    "workflow.restored": text("Restored"),
}


def action_label(code: str) -> str:
    """The label of an audit code in the active language; of an unknown one, its last part in words."""
    tail = code.rpartition(".")[2]
    label = _LABELS.get(code) or _LABELS.get(tail)
    return translated(label) if label else tail.replace("_", " ").capitalize()


def recorded_actions() -> list[tuple[str, str]]:
    """Codes of recorded actions with their labels, by label."""
    return sorted(((verb, action_label(verb)) for verb in recorded_verbs()), key=lambda each: (each[1], each[0]))


def codes_labelled(words: str) -> list[str]:
    """Codes, or their last parts, whose label in the active language contains these words."""
    sought = words.casefold()
    return [code for code, label in _LABELS.items() if sought in translated(label).casefold()]
