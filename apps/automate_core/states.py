"""The stored states, what each means, and the transitions between them.

docs/state-machines.md draws the same edges; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class JobStatus(TextChoices):
    """States of an outbox job."""

    READY = "ready", _("Ready")  #: may be claimed once `available_at` has come
    LEASED = "leased", _("Leased")  #: a worker holds it until `lease_until`
    COMPLETED = "completed", _("Completed")  #: its work is recorded; final
    DEAD = "dead", _("Dead")  #: failed permanently, with the reason in `last_error`; final


class RunStatus(TextChoices):
    """States of an execution run."""

    QUEUED = "queued", _("Queued")  #: created, not yet claimed by a worker
    RUNNING = "running", _("Running")  #: a worker runs its steps
    WAITING = "waiting", _("Waiting")  #: has an open wait; no worker holds it
    SUCCEEDED = "succeeded", _("Succeeded")  #: every step that ran succeeded; final
    FAILED = "failed", _("Failed")  #: a step failed without a further retry, or its job is dead; final
    CANCELLED = "cancelled", _("Cancelled")  #: cancelled by a person or a policy; final


class StepStatus(TextChoices):
    """States of one attempt of one step."""

    RUNNING = "running", _("Running")  #: started; for a container, until everything in it has ended
    SUCCEEDED = "succeeded", _("Succeeded")  #: its output is recorded; final
    FAILED = "failed", _("Failed")  #: its error is recorded; a retry is a further attempt; final
    WAITING = "waiting", _("Waiting")  #: waits for a person, a time or another run
    SKIPPED = "skipped", _("Skipped")  #: skipped by a person, who gave its output; final
    CANCELLED = "cancelled", _("Cancelled")  #: its run was cancelled; final
    INTERRUPTED = "interrupted", _("Interrupted")  #: cut off by a crash; the next attempt follows; final


class WaitStatus(TextChoices):
    """States of a wait of a run."""

    OPEN = "open", _("Open")  #: not resolved and not due
    RESOLVED = "resolved", _("Resolved")  #: answered or due; final
    EXPIRED = "expired", _("Expired")  #: its deadline passed without an answer; final
    CANCELLED = "cancelled", _("Cancelled")  #: cancelled with its run; final


class BulkStatus(TextChoices):
    """States of an operation on many runs."""

    OPEN = "open", _("Open")  #: a worker processes the runs
    DONE = "done", _("Done")  #: every run was processed; final
    STOPPED = "stopped", _("Stopped")  #: stopped by the person; the other runs are unchanged; final


class ErasureStatus(TextChoices):
    """States of a search for a person's data, and of its erasure."""

    SEARCHING = "searching", _("Searching")  #: a worker searches; nothing is changed
    FOUND = "found", _("Found")  #: the search has ended and waits for a person's decision
    ERASING = "erasing", _("Erasing")  #: a worker searches once more, then erases
    DONE = "done", _("Done")  #: everything that could be erased is erased; final
    STOPPED = "stopped", _("Stopped")  #: stopped by a person, or left for a day; the rest is unchanged; final


class NotificationStatus(TextChoices):
    """States of a message to one recipient."""

    WAITING = "waiting", _("Waiting")  #: collects incidents until it is sent or retried
    SENT = "sent", _("Sent")  #: accepted by its channel; final
    FAILED = "failed", _("Failed")  #: failed permanently, with the reason; a person may send it again
    DROPPED = "dropped", _("Dropped")  #: not sent, because nothing is left to report; final


type Edges = Mapping[str, frozenset[str]]


def _edges(table: dict[TextChoices, set[TextChoices]]) -> Edges:
    return {str(source): frozenset(map(str, targets)) for source, targets in table.items()}


JOB_EDGES = _edges(
    {
        JobStatus.READY: {JobStatus.LEASED, JobStatus.COMPLETED},
        JobStatus.LEASED: {JobStatus.COMPLETED, JobStatus.READY, JobStatus.DEAD},
        JobStatus.COMPLETED: set(),
        JobStatus.DEAD: set(),
    }
)
RUN_EDGES = _edges(
    {
        RunStatus.QUEUED: {RunStatus.RUNNING, RunStatus.WAITING, RunStatus.FAILED, RunStatus.CANCELLED},
        RunStatus.RUNNING: {RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED},
        RunStatus.WAITING: {RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED},
        RunStatus.SUCCEEDED: set(),
        RunStatus.FAILED: set(),
        RunStatus.CANCELLED: set(),
    }
)
STEP_EDGES = _edges(
    {
        StepStatus.RUNNING: {
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.WAITING,
            StepStatus.SKIPPED,
            StepStatus.CANCELLED,
            StepStatus.INTERRUPTED,
        },
        StepStatus.WAITING: {
            StepStatus.RUNNING,
            StepStatus.SUCCEEDED,
            StepStatus.FAILED,
            StepStatus.SKIPPED,
            StepStatus.CANCELLED,
        },
        StepStatus.SUCCEEDED: set(),
        StepStatus.FAILED: set(),
        StepStatus.SKIPPED: set(),
        StepStatus.CANCELLED: set(),
        StepStatus.INTERRUPTED: set(),
    }
)
WAIT_EDGES = _edges(
    {
        WaitStatus.OPEN: {WaitStatus.RESOLVED, WaitStatus.EXPIRED, WaitStatus.CANCELLED},
        WaitStatus.RESOLVED: set(),
        WaitStatus.EXPIRED: set(),
        WaitStatus.CANCELLED: set(),
    }
)

NOTIFICATION_EDGES = _edges(
    {
        NotificationStatus.WAITING: {NotificationStatus.SENT, NotificationStatus.FAILED, NotificationStatus.DROPPED},
        NotificationStatus.SENT: set(),
        NotificationStatus.FAILED: {NotificationStatus.WAITING},
        NotificationStatus.DROPPED: set(),
    }
)


BULK_EDGES = _edges(
    {
        BulkStatus.OPEN: {BulkStatus.DONE, BulkStatus.STOPPED},
        BulkStatus.DONE: set(),
        BulkStatus.STOPPED: set(),
    }
)


ERASURE_EDGES = _edges(
    {
        ErasureStatus.SEARCHING: {ErasureStatus.FOUND, ErasureStatus.STOPPED},
        ErasureStatus.FOUND: {ErasureStatus.ERASING, ErasureStatus.STOPPED},
        ErasureStatus.ERASING: {ErasureStatus.DONE, ErasureStatus.STOPPED},
        ErasureStatus.DONE: set(),
        ErasureStatus.STOPPED: set(),
    }
)


class TransitionError(Exception):
    """A state may not follow another: a fault in the code, never in the data."""


def move(edges: Edges, source: str, target: str) -> str:
    """`target`, when it may follow `source`. Raises TransitionError."""
    if target not in edges[source]:
        raise TransitionError(f"{source} may not become {target}")
    return target


def final_states(edges: Edges) -> frozenset[Any]:
    """The states that nothing follows."""
    return frozenset(state for state, targets in edges.items() if not targets)


FINAL_RUN_STATES = final_states(RUN_EDGES)
