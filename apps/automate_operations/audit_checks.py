"""What the verification of the audit trail compares with the records that entries are about."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection

from automate_authoring.definitions.digests import DIGEST, definition_digest
from automate_core.models import StepRun, Wait, Workflow, WorkflowVersion
from automate_core.runs.waits.decisions import decision_digest
from automate_governance import audit
from automate_governance.models import AuditEntry
from automate_governance.redaction.redactor import redact_text
from automate_governance.redaction.token_patterns import MASK
from automate_plugins import text


def check_versions(entries: Sequence[AuditEntry]) -> Iterator[str]:
    """Versions that differ from what was published, by the digests in `workflow.published`, and those that are missing.

    Versions go with their workflow.
    """
    recorded = {}
    for entry in entries:
        facts = audit.recorded_facts(entry)
        if DIGEST in facts and entry.object_id.isdecimal():
            recorded[int(entry.object_id), facts["version"]] = (facts[DIGEST], entry)
    workflows = {key for key, _number in recorded}
    slugs = dict(Workflow.objects.filter(pk__in=workflows).values_list("pk", "slug"))
    numbers = {number for _key, number in recorded}
    versions = WorkflowVersion.objects.filter(workflow__in=slugs, number__in=numbers)
    found = {(each.workflow_id, each.number): each for each in versions.iterator(chunk_size=100)}
    for (workflow, number), (digest, entry) in recorded.items():
        names = {"version": str(number), "workflow": slugs.get(workflow, ""), "entry": str(entry.pk)}
        if workflow in slugs and (workflow, number) not in found:
            yield text("version %(version)s of the workflow %(workflow)s is missing (entry %(entry)s)", **names)
        elif workflow in slugs and definition_digest(found[workflow, number].definition) != digest:
            yield text(
                "version %(version)s of the workflow %(workflow)s is not what was published (entry %(entry)s)", **names
            )


def check_decisions(entries: Sequence[AuditEntry]) -> Iterator[str]:
    """Approvals that differ from what was shown and decided, by the digests in `approval.decided`.

    What retention or an erasure removed is not compared.
    """
    recorded = {
        wait: entry
        for entry in entries
        if "digest" in entry.changes and (wait := _uuid(audit.recorded_facts(entry).get("wait")))
    }
    waits = Wait.objects.filter(pk__in=recorded, run__erasure=None).values("pk", "run_id", "path", "data", "outcome")
    decided = {row["pk"]: row for row in waits if row["data"] and row["outcome"]}
    runs = {row["run_id"] for row in decided.values()}
    kept = Wait.objects.filter(run__in=runs, kind=Wait.Kind.APPROVAL).order_by("pk")
    newest = {(run, path): key for run, path, key in kept.values_list("run_id", "path", "pk")}
    outputs = {
        (run, path): output
        for run, path, output in StepRun.objects.filter(
            run__in=runs, path__in={row["path"] for row in decided.values()}
        )
        .order_by("attempt")
        .values_list("run_id", "path", "output")
    }
    for key, row in decided.items():
        entry, place = recorded[key], (row["run_id"], row["path"])
        output = outputs.get(place) if newest.get(place) == key else None
        if not _is_recorded(row["data"], row["outcome"], entry) or not _agrees(output, row["outcome"]):
            yield text(
                "the approval %(step)s of the run %(run)s is not what was decided (entry %(entry)s)",
                step=row["path"],
                run=str(row["run_id"]),
                entry=str(entry.pk),
            )


def _is_recorded(data: Any, outcome: Any, entry: AuditEntry) -> bool:
    """Whether the digest is of this decision. Older digests left out the remark, whose words are in their entry."""
    digest = entry.changes["digest"]
    if digest == decision_digest(data, outcome, of=("outcome", "form", "by")):
        return redact_text(outcome.get("remark") or "") == redact_text(entry.changes.get("reason") or "")
    return bool(digest == decision_digest(data, outcome))


def _agrees(output: Any, outcome: Any) -> bool:
    """Whether the step's output, where it is there, is the decision; redaction may have masked parts of it."""
    if not isinstance(output, dict) or "outcome" not in output:
        return True
    kept = re.split(f'"?{re.escape(MASK)}"?', audit.canonical_text(output))
    return re.fullmatch(".*".join(map(re.escape, kept)), audit.canonical_text(outcome), re.DOTALL) is not None


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except (TypeError, ValueError):
        return None


_UNRECORDED = """
SELECT count(*) FROM automate_core_workflowversion version
WHERE version.test IS NULL AND NOT EXISTS (
    SELECT FROM automate_governance_auditentry entry
    WHERE entry.object_type = 'automate_core.workflow' AND entry.object_id = version.workflow_id::text
        AND entry.verb = 'workflow.published' AND entry.canonical LIKE '%"definition_sha256"%'
        AND entry.canonical::jsonb #> '{facts,version}' = to_jsonb(version.number))
"""


def count_unrecorded_versions() -> int:
    """Number of versions that were published before entries held digests."""
    with connection.cursor() as cursor:
        cursor.execute(_UNRECORDED)
        return int(cursor.fetchone()[0])
