"""What workers do for notifications now and then, on a thread of its own: a slow mail server holds up nothing else."""

from __future__ import annotations

from automate_core.chores import Chore
from automate_core.notifications import asking, failures, looking, sending

NOTIFYING: tuple[Chore, ...] = (
    Chore("failed runs", failures.DUE, failures.notice),
    Chore("notification rules", looking.DUE, looking.look),
    Chore("approvals to tell of", asking.UNTOLD, asking.tell),
    Chore("reminders", asking.TO_REMIND, asking.remind),
    Chore("notifications", sending.DUE, sending.send),
)
