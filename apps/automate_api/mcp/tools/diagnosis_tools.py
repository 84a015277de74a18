"""Tools for building: a dry run of a draft, and the explanation of a run that failed."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from automate_api.mcp.callers import Caller
from automate_api.mcp.run_results import RUN_SCHEMA, describe_run
from automate_api.mcp.tools.draft_tools import PROBLEMS, SCOPES, describe_problems
from automate_api.mcp.tools.tool import (
    NUMBER,
    OBJECT,
    RUN,
    TEXT,
    WORKFLOW,
    Arguments,
    Hints,
    Pending,
    Tool,
    ToolResult,
    get_run,
    get_workflow,
    read_run_id,
    rows,
)
from automate_authoring.test_runs import start
from automate_authoring.test_runs.decisions import Decision
from automate_authoring.test_runs.start import NotTestableError, Request
from automate_core import artifacts
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, ForeseenEffect, RunLog, StepRun
from automate_core.states import FINAL_RUN_STATES, StepStatus
from automate_governance.audit import payload_views
from automate_governance.permissions import can
from automate_governance.redaction.redactor import redact
from automate_governance.texts import error_message, translated

MOST_STEPS = 200
MOST_ATTEMPTS = 5
MOST_LINES = 50


def _dry_run(caller: Caller, arguments: Arguments) -> ToolResult | Pending:
    workflow = get_workflow(caller, arguments["workflow"])
    asked = Request(
        mode="dry",
        scope="whole",
        payload=arguments.get("payload", msgspec.UNSET),
        mocks=arguments.get("mocks", {}),
        decisions={key: Decision(outcome=outcome) for key, outcome in arguments.get("outcomes", {}).items()},
        recalls=False,
    )
    try:
        run = start.start_test(workflow, asked, by=caller.owner)
    except NotTestableError as error:
        content = {"problems": describe_problems(error.problems)}
        return ToolResult(content=content, message=translated(str(error)), is_error=True)
    return Pending(run=run.pk, read=_read_dry_run)


def _read_dry_run(caller: Caller, run_id: uuid.UUID) -> tuple[ToolResult, bool]:
    run = get_run(caller, run_id, "view_payload")
    result = describe_run(caller, run)
    effects = {
        (path, attempt): foreseen
        for path, attempt, foreseen in ForeseenEffect.objects.filter(run=run).values_list("path", "attempt", "effects")
    }
    assumed = (run.version.test or {}).get("assumed") or []
    steps = [
        _attempt(step, may_see=True)
        | {"predicted_effects": effects.get((step.path, step.attempt), [])}
        | ({"output_is_assumed": True} if key_of(step.path) in assumed else {})
        for step in StepRun.objects.filter(run=run).order_by("started_at", "id")[:MOST_STEPS]
    ]
    content = result.content | {"steps": redact(steps, patterns=False)}
    audited = {"workflow": run.workflow.slug, "run": str(run.pk)}
    return ToolResult(content=content, message=result.message, audited=audited), not result.has_ended


def _explain_run(caller: Caller, arguments: Arguments) -> ToolResult:
    run = get_run(caller, read_run_id(arguments))
    content = describe_run(caller, run).content | {"has_ended": run.status in FINAL_RUN_STATES}
    if (failed := _failed_step(run)) is not None:
        may_see = can(caller.owner, "view_payload", run)
        if may_see:
            viewed = {"trace_id": run.trace_id, "step": failed.path}
            payload_views.record_view(caller.owner, "run.payload_viewed", run, **viewed)
        content["failed_step"] = redact(_explained(run, failed, may_see=may_see), patterns=False)
    return ToolResult(content=content, audited={"run": str(run.pk)})


def _failed_step(run: ExecutionRun) -> StepRun | None:
    """The step that ended the run: the deepest of those that the error names, else the last that failed."""
    failed = list(StepRun.objects.filter(run=run, status=StepStatus.FAILED).order_by("-id")[:MOST_STEPS])
    key = (run.error or {}).get("step")
    named = [step for step in failed if key_of(step.path) == key]
    return max(named or failed, key=lambda step: (step.path.count("/"), step.attempt), default=None)


def _explained(run: ExecutionRun, failed: StepRun, *, may_see: bool) -> dict[str, Any]:
    attempts = StepRun.objects.filter(run=run, path=failed.path).order_by("-attempt")[:MOST_ATTEMPTS]
    explained: dict[str, Any] = {
        "key": key_of(failed.path),
        "path": failed.path,
        "attempts": [_attempt(step, may_see=may_see) for step in reversed(attempts)],
    }
    if may_see:
        lines = RunLog.objects.filter(run=run, path=failed.path).order_by("-id")[:MOST_LINES]
        explained["input"] = _value(failed.input, failed.input_file)
        explained["log"] = [f"{line.level} {line.message}" for line in reversed(lines)]
    return explained


def _attempt(step: StepRun, *, may_see: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"path": step.path, "attempt": step.attempt, "status": step.status}
    if step.error:
        described["error"] = {"code": str(step.error.get("code", ""))}
        if may_see:
            described["error"] |= {"message": error_message(step.error), "details": step.error.get("details")}
    if may_see and step.output is not None:
        described["output"] = step.output
    return described


def _value(stored: Any, file: str | None) -> Any:
    try:
        return artifacts.read_value(file) if file else stored
    except artifacts.ArtifactError:
        return stored


_ATTEMPT: dict[str, Any] = {"path": TEXT, "attempt": NUMBER, "status": TEXT, "error": OBJECT, "output": {}}
_FAILED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "key": TEXT,
        "path": TEXT,
        "attempts": rows(**_ATTEMPT),
        "input": {},
        "log": {"type": "array", "items": TEXT},
    },
}
TOOLS = (
    Tool(
        name="dry_run",
        title="Dry run a draft",
        description=(
            "Test the draft of a workflow without outside effects: actions say what they would do, and database "
            "changes are rolled back. Without a payload, it uses the newest event. A call to another system is not "
            "made and gives no output: name its output in `mocks` when later steps read it. A wait for a callback "
            "gives an example, marked `output_is_assumed`."
        ),
        properties={
            "workflow": WORKFLOW,
            "payload": {"description": "Payload of the event to test with."},
            "mocks": {
                "type": "object",
                "description": "Outputs of steps by key. These steps do not run.",
                "maxProperties": 200,
            },
            "outcomes": {
                "type": "object",
                "description": "Outcomes of approvals by key of the step, such as approved; by default the first one.",
                "additionalProperties": {"type": "string", "maxLength": 64},
                "maxProperties": 200,
            },
        },
        required=("workflow",),
        results=RUN_SCHEMA["properties"]
        | {"problems": PROBLEMS}
        | {"steps": rows(**_ATTEMPT, predicted_effects={"type": "array"}, output_is_assumed={"type": "boolean"})},
        scopes=(*SCOPES, "workflow:view_payload"),
        hints=Hints(idempotent=True),
        answer=_dry_run,
    ),
    Tool(
        name="explain_run",
        title="Explain a run",
        description="Explain why a run failed: its error, the attempts of the failed step, its input and its log.",
        properties={"run": RUN},
        required=("run",),
        results=RUN_SCHEMA["properties"] | {"has_ended": {"type": "boolean"}, "failed_step": _FAILED},
        scopes=("workflow:view",),
        answer=_explain_run,
    ),
)
