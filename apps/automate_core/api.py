"""Functions for the host project's own code: start workflows, watch, list, cancel and re-run runs, publish events,
decide approvals.

from automate_core.api import emit

with transaction.atomic():
    order.save()
    emit("order.paid", {"order": order.pk})

The names in `__all__` are stable: they change only with a note in the changelog, and keep working for one release
after it. Your code is trusted: only what a person does through it, named by `by`, is checked against that person's
permissions. All functions are synchronous; from coroutines, call them by `asgiref.sync.sync_to_async`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from automate_core.artifacts import ArtifactError
from automate_core.definition.form_validation import AnswersError
from automate_core.definition.step_paths import key_of
from automate_core.events.event_types import SOURCE
from automate_core.files.lineage import find_family, find_lineage
from automate_core.models import Event, Wait, Workflow
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.runs import description, lookup, tail
from automate_core.runs.control import (
    AlreadyRerunError,
    ControlError,
    EndedError,
    NoSuchStepError,
    NotEndedError,
    UnknownOutcomeError,
)
from automate_core.runs.description import RunDescription, RunError, RunNotFoundError, RunSummary
from automate_core.runs.waits import approvals
from automate_core.runs.waits.approvals import NotOpenError, OutcomeError
from automate_core.states import RunStatus
from automate_core.trace_context import current_trace
from automate_core.triggers.host_events import as_json, is_storable, plain_values
from automate_core.triggers.manual import NotStartableError, start_workflow
from automate_core.worker.health import health, live, ready
from automate_governance.permissions import NotPermittedError, Person
from automate_plugins import text

if TYPE_CHECKING:
    from automate_telemetry.metrics.view import metrics

__all__ = [
    "AlreadyRerunError",
    "AnswersError",
    "ArtifactError",
    "ControlError",
    "EndedError",
    "IngestResult",
    "NoSuchStepError",
    "NotEndedError",
    "NotOpenError",
    "NotPermittedError",
    "NotStartableError",
    "OutcomeError",
    "RunDescription",
    "RunError",
    "RunNotFoundError",
    "RunStatus",
    "RunSummary",
    "UnknownOutcomeError",
    "WaitInTransactionError",
    "cancel",
    "decide",
    "emit",
    "health",
    "live",
    "metrics",
    "ready",
    "rerun",
    "run",
    "runs",
    "start",
]

MAX_KEY_LENGTH = 150  #: characters of an idempotency key
MAX_REASON_LENGTH = 100  #: characters of the reason of a cancellation
MAX_RUNS = 1_000  #: runs of one list
MAX_TYPE_LENGTH = 200  #: characters of an event's type


def __getattr__(name: str) -> Any:
    """`metrics` is loaded on first use: it needs an extra."""
    if name != "metrics":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from automate_telemetry.metrics.view import metrics

    return metrics


class WaitInTransactionError(RuntimeError):
    """A start may not wait inside a transaction: no worker sees the event before the commit."""


def emit(event_type: str, payload: Mapping[str, Any], *, key: str | None = None) -> IngestResult:
    """Store an event of the host's code, for the triggers `{kind: event, event: TYPE}`.

    It belongs to the caller's transaction: a rollback leaves nothing. Two events with one `key` are one: the second
    result has the ids of the first event, and `duplicate` is true. Dates, decimals and UUIDs in `payload` become what
    JSON has for them: a decimal of more than 15 digits a text, a naive time one of the project's time zone.
    Inside a span of OpenTelemetry, the event belongs to its trace.

    Raises psycopg.Error when the database rejects it, TypeError for arguments of another type and
    values that JSON cannot hold, such as NaN or a text with NUL, and ValueError for a type that is empty or longer than
    MAX_TYPE_LENGTH characters, or that cannot be stored.
    """
    _check_text("event_type", event_type)
    if not 0 < len(event_type) <= MAX_TYPE_LENGTH:
        raise ValueError(f"event_type must have 1 to {MAX_TYPE_LENGTH} characters")
    plain = _plain_payload("payload", payload)
    if key is not None:
        _check_text("key", key)
    [ingested] = EventIngestor().ingest(
        NewEvent(source=SOURCE, type=event_type, payload=as_json(plain), delivery_key=key, **current_trace())
    )
    return ingested


@overload
def start(
    workflow: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    by: Person | None = None,
    trigger: str = "",
    idempotency_key: str | None = None,
    wait: None = None,
) -> IngestResult: ...


@overload
def start(
    workflow: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    by: Person | None = None,
    trigger: str = "",
    idempotency_key: str | None = None,
    wait: float,
) -> RunDescription: ...


@overload
def start(
    workflow: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    by: Person | None = None,
    trigger: str = "",
    idempotency_key: str | None = None,
    wait: float | None,
) -> IngestResult | RunDescription: ...


def start(
    workflow: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    by: Person | None = None,
    trigger: str = "",
    idempotency_key: str | None = None,
    wait: float | None = None,
) -> IngestResult | RunDescription:
    """Start a run of the published workflow with that slug; `inputs` become the event's payload. Audited.

    Their values become what JSON has for them, as in `emit`.
    They are checked against the fields of the manual trigger of the key `trigger`, or of the first. `by` is the person
    who starts it and needs the permission to run the workflow; without one, it is the host's own code. The start
    belongs to the caller's transaction: a rollback leaves nothing.

    Two starts of a workflow with one `idempotency_key` are one: the second gets the result of the first, whatever its
    inputs, and starts nothing.

    Returns the ids of the event; its `event_id` is the id of the run, too, which begins when a worker takes it. With
    `wait`, returns the description once the run has ended, or as it is after that many seconds; this needs a worker in
    another thread or process.

    Raises NotPermittedError when `by` may not run the workflow, NotStartableError, AnswersError with a sentence for
    each field, TypeError for arguments of another type and values that JSON cannot hold, and ValueError for a text that
    cannot be stored and an idempotency key that is empty or longer than MAX_KEY_LENGTH characters. With `wait`, raises
    WaitInTransactionError inside a transaction, where nothing is started, and what `run` raises.
    """
    _check_text("workflow", workflow)
    _check_text("trigger", trigger)
    plain = _plain_payload("inputs", {} if inputs is None else inputs)
    if by is not None:
        _check_person(by)
    if wait is not None and not isinstance(wait, int | float):
        raise TypeError(f"wait must be a number of seconds, not {type(wait).__name__}")
    if wait is not None and connection.in_atomic_block:
        raise WaitInTransactionError("start(wait=...) cannot be called inside a transaction. Call it after the commit.")
    found = Workflow.objects.filter(slug=workflow).select_related("published").first()
    if found is None:
        raise NotStartableError(f"there is no workflow {workflow!r}")
    started = start_workflow(found, plain, by=by, trigger=trigger, key=_delivery_key(idempotency_key))
    if wait is None:
        return started
    tail.wait_for_end(uuid.UUID(started.event_id), seconds=wait)
    return description.describe_event_run(Event.objects.get(pk=started.event_id))


def run(identifier: uuid.UUID | str) -> RunDescription:
    """Describe the run with that id, or the first run with that trace id.

    A run that no worker has taken yet is `queued`. No permission is checked: show a person only what that person may
    see. Raises RunNotFoundError for an unknown id, a deleted run and an event that started none, TypeError for an
    identifier of another type, and ArtifactError when the file of a large output cannot be read.
    """
    _check_identifier(identifier)
    return description.describe_run(identifier)


def runs(
    workflow: str = "",
    *,
    status: RunStatus | str | Collection[RunStatus | str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: uuid.UUID | str | None = None,
    by: Person | None = None,
    limit: int = 100,
) -> list[RunSummary]:
    """List runs, newest first, without their outputs, tests, and starts that no worker has taken yet.

    `workflow` is a slug, `status` one or several of RunStatus; `since` and `until` limit when the runs were created.
    The next page is `before` the id of the last run. `by` is the person for whom they are listed: those that this
    person may view, and the messages of their errors where the person may view payloads. Without one, it is the host's
    own code.

    Raises ValueError for an unknown status, a naive time, an id that is none, and a limit that is not from 1 to
    MAX_RUNS, and TypeError for arguments of another type.
    """
    _check_text("workflow", workflow)
    for name, moment in (("since", since), ("until", until)):
        _check_moment(name, moment)
    if by is not None:
        _check_person(by)
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise TypeError(f"limit must be a whole number, not {type(limit).__name__}")
    if not 1 <= limit <= MAX_RUNS:
        raise ValueError(f"limit must be from 1 to {MAX_RUNS}")
    if before is not None:
        _check_identifier(before)
        before = uuid.UUID(str(before))
    chosen = [RunStatus(each) for each in ([status] if isinstance(status, str) else status)]
    from automate_operations import host_runs  # lists of runs are above the kernel

    return host_runs.list_runs(workflow, statuses=chosen, since=since, until=until, before=before, by=by, limit=limit)


def cancel(run: uuid.UUID | str, *, by: Person | None = None, reason: str = "") -> RunDescription:
    """Cancel a run and its sub-runs, also before a worker has taken it: no further step starts. Audited.

    `run` is a run id, or a trace id for the first run of it. `by` is the person who cancels it and needs the permission
    to run the workflow; without one, it is the host's own code. `reason` is shown with the run. It belongs to the
    caller's transaction. A worker finishes the attempts in progress. Returns the run as it is then.

    Raises RunNotFoundError, NotPermittedError, EndedError for a run that has ended, ControlError for an emitted event
    that no worker has taken, TypeError for arguments of another type, and ValueError for a reason that cannot be
    stored or is longer than MAX_REASON_LENGTH characters.
    """
    _check_identifier(run)
    _check_text("reason", reason)
    if len(reason.strip()) > MAX_REASON_LENGTH:
        raise ValueError(f"reason must have at most {MAX_REASON_LENGTH} characters")
    if by is not None:
        _check_person(by)
    from automate_operations import host_runs  # lists of runs are above the kernel

    return description.describe_run(host_runs.cancel_run(run, by=by, reason=reason.strip()))


def rerun(
    run: uuid.UUID | str,
    *,
    by: Person | None = None,
    from_step: str | None = None,
    version: Literal["original", "newest"] = "original",
    payload: Any = msgspec.UNSET,
    variables: Mapping[str, Any] | None = None,
    again: bool = False,
    unknown: bool = False,
) -> RunDescription:
    """Start a new run from an ended one, with the data of the steps before the first one, and its trace id. Audited.

    `run` is a run id, or a trace id for the first run of it. `by` is the person who re-runs it and needs the permission
    to run the workflow; without one, it is the host's own code. `from_step` is `start`, `failed` or the path of a step;
    by default the failed one, and the beginning after a success. `payload` replaces the payload of the event, also by
    None, `variables` replaces variables of the workflow. `again` allows it for a run whose re-run succeeded or has not
    ended, `unknown` where the outcome of a step is unknown: both may repeat effects.

    Returns the new run; it begins after the commit. Raises RunNotFoundError, NotPermittedError, NotEndedError,
    AlreadyRerunError, UnknownOutcomeError, NoSuchStepError, ControlError for any other reason, TypeError for arguments
    of another type and values that JSON cannot hold, and ValueError for an unknown version or a text that cannot be
    stored.
    """
    _check_identifier(run)
    if by is not None:
        _check_person(by)
    if from_step is not None:
        _check_text("from_step", from_step)
    if version not in {"original", "newest"}:
        raise ValueError("version must be original or newest")
    if payload is not msgspec.UNSET:
        payload = plain_values(payload, "payload")
    from automate_operations import host_runs  # lists of runs are above the kernel

    made = host_runs.rerun_run(
        run,
        start=from_step,
        by=by,
        version=version,
        payload=payload,
        variables=_plain_payload("variables", {} if variables is None else variables),
        again=again,
        unknown=unknown,
    )
    return description.describe_run(made)


def decide(
    run: uuid.UUID | str,
    step: str,
    outcome: str,
    *,
    by: Person,
    form: Mapping[str, Any] | None = None,
    remark: str = "",
) -> RunDescription:
    """Decide an open approval as the person `by`, by the rule of the screens: only an assignee may, and once. Audited.

    `run` is a run id, or a trace id for an approval in any of its runs. `step` is the key of the approval, inside a
    loop its path. `outcome` is the key of an outcome, `form` holds the answers, and `remark` why: it is part of the
    step's output. It belongs to the caller's transaction; the run continues after the commit. Returns the run as it is
    then.

    Raises RunNotFoundError, NotOpenError when the run does not wait for this approval (any more), NotPermittedError
    when `by` is no assignee, OutcomeError for an unknown outcome, AnswersError with a sentence for each field
    (under `~remark` for a remark that is too long),
    TypeError for arguments of another type, and ValueError for a text that cannot be stored.
    """
    _check_identifier(run)
    _check_text("step", step)
    _check_text("outcome", outcome)
    _check_text("remark", remark)
    _check_person(by)
    answers = _plain_payload("form", {} if form is None else form)
    wait = _find_approval(run, step)
    approvals.decide_approval(wait, by=by, outcome=outcome, form=answers, remark=remark)
    return description.describe_run(wait.run_id)


def _delivery_key(idempotency_key: str | None) -> str | None:
    if idempotency_key is None:
        return None
    if not isinstance(idempotency_key, str):
        raise TypeError(f"idempotency_key must be a text, not {type(idempotency_key).__name__}")
    if not 0 < len(idempotency_key) <= MAX_KEY_LENGTH or not is_storable(idempotency_key):
        raise ValueError(
            text("Use an idempotency key of 1 to %(maximum)s characters, without NUL.", maximum=MAX_KEY_LENGTH)
        )
    return f"api:host:{idempotency_key}"


def _check_text(name: str, value: object) -> None:
    """Raise TypeError for what is no text, ValueError for a text that cannot be stored."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {type(value).__name__}")
    if not is_storable(value):
        raise ValueError(f"{name} contains NUL or half of a character, which cannot be stored")


def _plain_payload(name: str, value: object) -> dict[str, Any]:
    """The mapping in values of JSON. Raise TypeError for what is no mapping, and for values that JSON cannot hold."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")
    plain: dict[str, Any] = plain_values(value, name)
    return plain


def _check_person(by: object) -> None:
    """Raise TypeError for what is no user, such as a user name."""
    if not isinstance(by, AbstractBaseUser | AnonymousUser):
        raise TypeError(f"by must be a user, not {type(by).__name__}")


def _check_moment(name: str, moment: object) -> None:
    """Raise TypeError for what is no time, ValueError for one without a time zone."""
    if moment is None:
        return
    if not isinstance(moment, dt.datetime):
        raise TypeError(f"{name} must be a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone")


def _check_identifier(identifier: object) -> None:
    """Raise TypeError for what is neither a UUID nor a text."""
    if not isinstance(identifier, uuid.UUID | str):
        raise TypeError(f"a run is named by a UUID or a text, not {type(identifier).__name__}")


def _find_approval(identifier: uuid.UUID | str, step: str) -> Wait:
    """The open approval of that step, else the last one. Raises RunNotFoundError, NotOpenError."""
    found = description.find_run(identifier)
    if found is None:
        description.describe_run(identifier)  # raises RunNotFoundError, unless no worker has taken the run yet
        raise NotOpenError(_not_waiting(step))
    by_trace = found.pk != lookup.read_identifier(identifier)[1]
    runs = find_family(find_lineage(run=found.pk)) if by_trace else [found.pk]
    waits = Wait.objects.filter(kind=Wait.Kind.APPROVAL, run__in=runs)
    named = [wait for wait in waits.select_related("run").order_by("id") if step in {wait.path, key_of(wait.path)}]
    is_open = [wait for wait in named if wait.status == Wait.Status.OPEN]
    if len(is_open) > 1:
        paths = ", ".join(wait.path for wait in is_open)
        raise NotOpenError(text("Several approvals are open at this step: %(paths)s. Choose one.", paths=paths))
    if not named:
        raise NotOpenError(_not_waiting(step))
    return (is_open or named)[-1]


def _not_waiting(step: str) -> str:
    return text("The run does not wait for an approval at the step %(step)s.", step=repr(step))
