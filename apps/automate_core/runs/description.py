"""A run as values, for code that starts and watches runs: no model row, and no database behind it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from automate_core.models import Event, ExecutionRun
from automate_core.replies.run_urls import run_url
from automate_core.runs import lookup
from automate_core.runs.lookup import PendingStart
from automate_core.runs.outputs import read_outputs
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_plugins import text


class RunNotFoundError(LookupError):
    """There is no such run: the id is unknown, the run was deleted, or its event started none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run failed or was cancelled. `step` is the key of the step that failed, empty when it was none."""

    code: str
    message: str
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run at one moment, without its data.

    A start is `queued` until a worker takes it; the run of any other event has no `id`, `workflow` and `url` until
    then. Times are in UTC. `url` is the address of the run's page, empty on a site without the screens.
    """

    id: uuid.UUID | None
    trace_id: str
    workflow: str
    version: int | None
    status: RunStatus
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    error: RunError | None = None
    url: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the run succeeded, failed or was cancelled. Nothing changes afterwards."""
        return self.status in FINAL_RUN_STATES


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription(RunSummary):
    """A run at one moment.

    `outputs` holds the recorded outputs of the steps by key, with secrets masked: without steps in loops, and without
    steps that gave none.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)


def describe_run(identifier: uuid.UUID | str) -> RunDescription:
    """Describe the run with that id, or the first run with that trace id.

    Raises RunNotFoundError, and `artifacts.ArtifactError` when the file of a large output cannot be read.
    """
    return _describe(find_run_or_start(identifier))


def describe_event_run(event: Event) -> RunDescription:
    """Describe the run that an event started, queued when no worker has taken the event yet. Raises as `describe_run`.

    Of several runs, it is the first.
    """
    return _describe(_find_started(event))


def find_run(identifier: uuid.UUID | str) -> ExecutionRun | None:
    """The run with that id, or the first one with that trace id, with its workflow and version; None for any other."""
    return lookup.find_run(identifier, _runs())


def find_run_or_start(identifier: uuid.UUID | str) -> ExecutionRun | PendingStart:
    """The run with that id, the first one with that trace id, or the event that has started none yet.

    Raises RunNotFoundError.
    """
    run = find_run(identifier)
    if run is not None:
        return run
    if (event := lookup.find_event(identifier)) is not None:
        return _find_started(event)
    raise RunNotFoundError(text("There is no run %(run)s.", run=str(identifier)))


def summarize_runs(ids: Sequence[uuid.UUID], *, with_message: Collection[uuid.UUID]) -> list[RunSummary]:
    """The runs of these ids in this order; the message of the error only of those in `with_message`."""
    rows = _runs().defer("version__definition", "vars", "output").in_bulk(ids)
    return [RunSummary(**_values(rows[key], with_message=key in with_message)) for key in ids if key in rows]


def _runs() -> QuerySet[ExecutionRun]:
    return ExecutionRun.objects.select_related("workflow", "version")


def _find_started(event: Event) -> ExecutionRun | PendingStart:
    found = lookup.find_started(event, _runs())
    if isinstance(found, PendingStart) and found.is_rejected:
        raise RunNotFoundError(text("The event %(event)s started no run, or its run was deleted.", event=str(event.pk)))
    return found


def _describe(found: ExecutionRun | PendingStart) -> RunDescription:
    if isinstance(found, ExecutionRun):
        return RunDescription(**_values(found), outputs=read_outputs(found))
    return RunDescription(
        id=found.run_id,
        trace_id=found.event.trace_id,
        workflow=found.workflow,
        version=None,
        status=RunStatus.QUEUED,
        created_at=found.event.received_at.astimezone(dt.UTC),
        url=run_url(found.run_id) if found.run_id else "",
    )


def _values(run: ExecutionRun, *, with_message: bool = True) -> dict[str, Any]:
    return {
        "id": run.pk,
        "trace_id": run.trace_id,
        "workflow": run.workflow.slug,
        "version": run.version.number or None,
        "status": RunStatus(run.status),
        "created_at": run.created_at.astimezone(dt.UTC),
        "started_at": run.started_at and run.started_at.astimezone(dt.UTC),
        "finished_at": run.finished_at and run.finished_at.astimezone(dt.UTC),
        "error": _error(run.error, with_message=with_message),
        "url": run_url(run.pk),
    }


def _error(document: dict[str, Any] | None, *, with_message: bool) -> RunError | None:
    if not document:
        return None
    names = ("code", "message", "step") if with_message else ("code", "step")
    return RunError(**{"message": ""} | {name: str(document.get(name) or "") for name in names})
