"""A run as the result of a call: its state, its output, and what it waits for."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from automate_api.mcp.callers import Caller
from automate_api.mcp.tools.tool import ToolResult
from automate_core import artifacts
from automate_core.models import ExecutionRun, Wait
from automate_core.replies.run_urls import run_url
from automate_core.runs.lookup import REJECTED, PendingStart, find_run_or_start
from automate_core.runs.outputs import find_run_output
from automate_core.states import FINAL_RUN_STATES, RunStatus
from automate_governance.audit import payload_views
from automate_governance.permissions import can
from automate_governance.redaction.redactor import redact
from automate_governance.texts import error_message, translated
from automate_llm.schemas import Schema
from automate_operations.notifications.texts import page_url
from automate_operations.runs.open_waits import OpenWait, find_open_waits
from automate_plugins import text
from automate_plugins.typed_values import write_moment

#: The JSON Schema of `RunResult.content`; `output` is any value where a workflow declares no other.
RUN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run": {"type": "string", "description": "ID of the run, for get_run and cancel_run."},
        "workflow": {"type": "string"},
        "status": {"enum": [*RunStatus.values]},
        "url": {"type": "string", "description": "The page of the run, for people."},
        "output": {"description": "Output of the run, once it has succeeded."},
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "step": {"type": "string"}},
        },
        "note": {"type": "string", "description": "Why the output is not here."},
        "approvals": {
            "type": "array",
            "description": "Decisions that the run or its sub-runs wait for. Only a person makes them, on the page.",
            "items": {"type": "object", "properties": {"title": {"type": "string"}, "url": {"type": "string"}}},
        },
        "waits": {
            "type": "array",
            "description": "What else the run or its sub-runs wait for. POST JSON to the answer_url of a callback.",
            "items": {
                "type": "object",
                "properties": {
                    "kind": {"enum": [*Wait.Kind.values]},
                    "step": {"type": "string", "description": "Path of the step that waits."},
                    "due_at": {"type": "string"},
                    "answer_url": {"type": "string", "description": "Of a callback or the page of a form."},
                },
            },
        },
    },
    "required": ["run", "status", "url"],
}

_OTHER_WAITS = frozenset(Wait.Kind.values) - {Wait.Kind.APPROVAL}


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A decision that a run waits for: `id` of the wait, and the page where people decide."""

    id: uuid.UUID
    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run as it is at the moment, as far as the caller may know it."""

    id: uuid.UUID
    status: RunStatus
    created_at: dt.datetime
    updated_at: dt.datetime
    content: dict[str, Any]
    approvals: list[Approval] = field(default_factory=list)
    mismatch: str = ""  #: why the output is not what the tool's schema says

    def check_output(self, declared: Any) -> RunResult:
        """The run with its output held against the schema that its tool is published with.

        Clients refuse a result that breaks the schema, and with it the ID of a run that has happened. So the output
        of such a run has another name.
        """
        if not declared or "output" not in self.content:
            return self
        problems = Schema(declared, is_open=True).problems(self.content["output"])
        if not problems:
            return self
        content = {"other_output" if name == "output" else name: value for name, value in self.content.items()}
        return replace(self, content=content, mismatch=translated(problems[0]))

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.status in FINAL_RUN_STATES

    @property
    def message(self) -> str:
        """What has become of the run, in a sentence."""
        url = self.content["url"]
        match self.status:
            case RunStatus.SUCCEEDED:
                return self._mismatch_message()
            case RunStatus.FAILED:
                reason = self.content.get("error", {}).get("message", "")
                return translated(text("The run failed. %(reason)s %(url)s", reason=reason, url=url)).replace("  ", " ")
            case RunStatus.CANCELLED:
                return translated(text("The run was cancelled. %(url)s", url=url))
        if self.approvals:
            return translated(text("The run waits for a person to decide: %(url)s", url=self.approvals[0].url))
        return translated(text("The run has not ended yet. Call get_run to follow its progress. %(url)s", url=url))

    def _mismatch_message(self) -> str:
        if not self.mismatch:
            return ""
        sentence = text(
            "The run %(run)s succeeded, but its output is not as the workflow declares it: %(reason)s. Do not start it"
            " again. %(url)s",
            run=str(self.id),
            reason=self.mismatch.rstrip("."),
            url=self.content["url"],
        )
        return translated(sentence)

    def as_tool_result(self) -> ToolResult:
        """The result of a call that started or read the run. One that failed or was cancelled is an error."""
        failed = self.status in {RunStatus.FAILED, RunStatus.CANCELLED} or bool(self.mismatch)
        return ToolResult(
            content=self.content, message=self.message, is_error=failed, audited={"run": self.content["run"]}
        )


def find_run(caller: Caller, run_id: uuid.UUID) -> RunResult | None:
    """The run, or the start of one, that the caller may view; None for any other id.

    The output is part of it if the caller may view payloads, which is recorded as on the screens.
    """
    match find_run_row(caller, run_id):
        case ExecutionRun() as run:
            return describe_run(caller, run)
        case PendingStart() as pending:
            return _describe_pending(pending)
    return None


def find_run_row(caller: Caller, run_id: uuid.UUID) -> ExecutionRun | PendingStart | None:
    """The row of a run, or the start of one, that the caller may view; None for any other id."""
    return find_run_or_start(caller.owner, run_id, ExecutionRun.objects.select_related("workflow", "version"))


def describe_run(caller: Caller, run: ExecutionRun) -> RunResult:
    """A run with its output, as far as the caller may see it."""
    may_see = can(caller.owner, "view_payload", run)
    approvals = _open_approvals(caller, run)
    if approvals and run.status == RunStatus.RUNNING:  # it began to wait after it was read
        run.refresh_from_db(fields=["status"])
    content: dict[str, Any] = _identity(run.pk, run.workflow.slug, run.status, run_url(run.pk))
    if run.error:
        content["error"] = {"code": str(run.error.get("code", ""))}
        if run.error.get("step"):
            content["error"]["step"] = str(run.error["step"])
        if may_see:
            content["error"]["message"] = error_message(run.error)
    if run.status == RunStatus.SUCCEEDED and may_see:
        content |= _output_of(run)
        payload_views.record_view(caller.owner, "run.payload_viewed", run, trace_id=run.trace_id, step="output")
    if approvals:
        content["approvals"] = [{"title": each.title, "url": each.url} for each in approvals]
    if others := find_open_waits(run, caller.owner, _OTHER_WAITS):
        content["waits"] = [_describe_wait(each) for each in others]
    return RunResult(
        id=run.pk,
        status=RunStatus(run.status),
        created_at=run.created_at,
        updated_at=run.finished_at or run.started_at or run.created_at,
        content=redact(content, patterns=False),
        approvals=approvals,
    )


def _output_of(run: ExecutionRun) -> dict[str, Any]:
    try:
        output = find_run_output(run)
    except artifacts.ArtifactError as error:
        return {"note": translated(error.message)}
    return {} if output is None else {"output": output}


def _describe_pending(pending: PendingStart) -> RunResult:
    status = RunStatus.FAILED if pending.is_rejected else RunStatus.QUEUED
    event = pending.event
    content = _identity(event.pk, pending.workflow, status, run_url(event.pk))
    if pending.is_rejected:
        content["error"] = {"code": "not_started", "message": translated(REJECTED)}
    return RunResult(
        id=event.pk,
        status=status,
        created_at=event.received_at,
        updated_at=event.received_at,
        content=content,
    )


def describe_start(run_id: uuid.UUID, slug: str, at: dt.datetime) -> RunResult:
    """A run that was started just now, for callers that may start but not view it."""
    content = _identity(run_id, slug, RunStatus.QUEUED, run_url(run_id))
    return RunResult(id=run_id, status=RunStatus.QUEUED, created_at=at, updated_at=at, content=content)


def _identity(run_id: uuid.UUID, slug: str, status: str, url: str) -> dict[str, Any]:
    return {"run": str(run_id), "workflow": slug, "status": str(status), "url": url}


def _open_approvals(caller: Caller, run: ExecutionRun) -> list[Approval]:
    """The decisions that hold up a run: its own approvals and those of its sub-runs."""
    return [
        Approval(id=found.wait.pk, title=found.title, url=page_url("studio:approval_page", found.wait.pk))
        for found in find_open_waits(run, caller.owner, {Wait.Kind.APPROVAL})
    ]


def _describe_wait(found: OpenWait) -> dict[str, Any]:
    wait = found.wait
    described = {
        "kind": str(wait.kind),
        "step": wait.path if found.may_view else "",
        "due_at": write_moment(wait.due_at) if wait.due_at else "",
        "answer_url": found.answer_url,
    }
    return {name: value for name, value in described.items() if value}
