"""A run as values, for code that starts and watches runs: no model row, and no database behind it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from automate_core.models import Event, ExecutionRun
from automate_core.replies.run_urls import run_url
from automate_core.runs import lookup
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
class RunDescription:
    """A run at one moment.

    A start is `queued` until a worker takes it; the run of any other event has no `id`, `workflow` and `url` until
    then. Times are in UTC. `outputs` holds the recorded outputs of the steps by key, with secrets masked: without steps
    in loops, and without steps that gave none. `url` is the address of the run's page, empty on a site without the
    screens.
    """

    id: uuid.UUID | None
    trace_id: str
    workflow: str
    version: int | None
    status: RunStatus
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: RunError | None = None
    url: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the run succeeded, failed or was cancelled. Nothing changes afterwards."""
        return self.status in FINAL_RUN_STATES


def describe_run(identifier: uuid.UUID | str) -> RunDescription:
    """Describe the run with that id, or the first run with that trace id.

    Raises RunNotFoundError, and `artifacts.ArtifactError` when the file of a large output cannot be read.
    """
    run = find_run(identifier)
    if run is not None:
        return _describe(run)
    if (event := lookup.find_event(identifier)) is not None:
        return describe_event_run(event)
    raise RunNotFoundError(text("There is no run %(run)s.", run=str(identifier)))


def describe_event_run(event: Event) -> RunDescription:
    """Describe the run that an event started, queued when no worker has taken the event yet. Raises as `describe_run`.

    Of several runs, it is the first.
    """
    found = lookup.find_started(event, _runs())
    if isinstance(found, ExecutionRun):
        return _describe(found)
    if found.is_rejected:
        raise RunNotFoundError(text("The event %(event)s started no run, or its run was deleted.", event=str(event.pk)))
    return RunDescription(
        id=found.run_id,
        trace_id=event.trace_id,
        workflow=found.workflow,
        version=None,
        status=RunStatus.QUEUED,
        created_at=event.received_at.astimezone(dt.UTC),
        url=run_url(found.run_id) if found.run_id else "",
    )


def find_run(identifier: uuid.UUID | str) -> ExecutionRun | None:
    """The run with that id, or the first one with that trace id, with its workflow and version; None for any other."""
    return lookup.find_run(identifier, _runs())


def _runs() -> QuerySet[ExecutionRun]:
    return ExecutionRun.objects.select_related("workflow", "version")


def _describe(run: ExecutionRun) -> RunDescription:
    return RunDescription(
        id=run.pk,
        trace_id=run.trace_id,
        workflow=run.workflow.slug,
        version=run.version.number or None,
        status=RunStatus(run.status),
        created_at=run.created_at.astimezone(dt.UTC),
        started_at=run.started_at and run.started_at.astimezone(dt.UTC),
        finished_at=run.finished_at and run.finished_at.astimezone(dt.UTC),
        outputs=read_outputs(run),
        error=_error(run.error),
        url=run_url(run.pk),
    )


def _error(document: dict[str, Any] | None) -> RunError | None:
    if not document:
        return None
    names = ("code", "message", "step")
    return RunError(**{name: str(document.get(name) or "") for name in names})
