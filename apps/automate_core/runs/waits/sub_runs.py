"""Sub-runs are cancelled when their parent waits for them no longer."""

from __future__ import annotations

from automate_core import database
from automate_core.runs.cancellation import cancel_run
from automate_plugins import text

MOST = 500

# Sub-runs whose wait was cancelled, as when a parallel branch failed.
_ORPHANS = """
SELECT child.id FROM automate_core_executionrun child
JOIN automate_core_wait wait
    ON wait.run_id = child.parent_id AND wait.path = child.parent_path AND wait.kind = 'child'
WHERE child.parent_id IS NOT NULL AND child.status IN ('queued', 'running', 'waiting') AND wait.status = 'cancelled'
"""

#: SQL: whether `cancel_orphans` has work.
ORPHANED = f"EXISTS ({_ORPHANS})"


def cancel_orphans() -> float | None:
    """Cancel the sub-runs whose wait was cancelled; returns 0 when there may be more."""
    orphans = [row.id for row in database.run(None, f"{_ORPHANS} ORDER BY child.id LIMIT {MOST}", {})]
    for run_id in orphans:
        cancel_run(run_id, code="cancelled", message=text("The step that waited for this run was cancelled."))
    return 0.0 if len(orphans) == MOST else None
