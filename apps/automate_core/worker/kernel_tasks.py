"""The maintenance tasks that runs need in order to start, to go on and to end."""

from __future__ import annotations

from automate_connectors.limits import calls
from automate_connectors.stored import freshness
from automate_core.outbox import status
from automate_core.runs import concurrency, held_starts
from automate_core.runs.waits import reconnection, sub_run_outcomes, sub_runs
from automate_core.triggers import model_capture, schedules
from automate_core.webhooks.registration import upkeep
from automate_core.worker.maintenance_tasks import MaintenanceTask
from automate_governance.audit import verification

KERNEL_TASKS = (
    MaintenanceTask("schedules", schedules.DUE, schedules.fire_due),
    MaintenanceTask("captures", model_capture.DUE, model_capture.ingest_captured_changes),
    MaintenanceTask("sub-runs", sub_run_outcomes.DUE, sub_run_outcomes.resolve_waits),
    MaintenanceTask("orphaned sub-runs", sub_runs.ORPHANED, sub_runs.cancel_orphans),
    MaintenanceTask("slots", concurrency.DUE, concurrency.admit_all),
    MaintenanceTask("held events", held_starts.DUE, held_starts.start_held),
    MaintenanceTask("reconnected", reconnection.DUE, reconnection.resolve_missed_waits),
    MaintenanceTask("moved webhooks", upkeep.MAY_HAVE_MOVED, upkeep.notice_moves, pause=3_600),  # and at its start
    MaintenanceTask("rate limits", calls.DUE, calls.admit_all),
    MaintenanceTask(
        "old transactions",
        status.OLD_TRANSACTION,
        status.warn_of_transaction,
        pause=status.AGAIN_SECONDS,
    ),
    MaintenanceTask(
        "stored connectors", freshness.DUE, freshness.stored_connectors.refresh, pause=freshness.CHECK_SECONDS
    ),
    MaintenanceTask("audit trail", verification.DUE, verification.verify_next_part),
)
