"""What workers do for operations: bulk actions, erasures, statistics, pruning, and notifications in a thread."""

from __future__ import annotations

from automate_core.worker.maintenance_tasks import MaintenanceTask, TaskThread, register_tasks, register_thread
from automate_operations import bulk
from automate_operations.erasure import erasing
from automate_operations.notifications import approval_mail, detectors, failures, sender
from automate_operations.retention.pruning import Pruner
from automate_operations.statistics import levels, rollup

NOTIFICATION_TASKS = (
    MaintenanceTask("failed runs", failures.DUE, failures.detect_failures),
    MaintenanceTask("notification rules", detectors.DUE, detectors.run_detectors),
    MaintenanceTask("approvals to tell of", approval_mail.APPROVAL_MAIL_DUE, approval_mail.queue_approval_mail),
    MaintenanceTask("reminders", approval_mail.REMINDER_DUE, approval_mail.queue_reminders),
    MaintenanceTask("notifications", sender.DUE, sender.send_next),
)


def register_all() -> None:
    """Register the tasks. A slow mail server delays nothing else: notifications have a thread of their own."""
    register_tasks(
        MaintenanceTask("bulk actions", bulk.DUE, bulk.run_next_batch),
        MaintenanceTask("erasures", erasing.DUE, erasing.ErasureTask().run_once),
        MaintenanceTask("statistics", rollup.DUE, rollup.count_ended_runs),
        MaintenanceTask("levels", levels.DUE, levels.record_levels),
        MaintenanceTask("pruning", "true", Pruner(rest=Pruner.LOOK_SECONDS).run_once),  # decides itself when it is due
    )
    # People can wait, and an idle worker asks little.
    register_thread(TaskThread("automate-notifications", lambda: NOTIFICATION_TASKS, tick=6.0))
