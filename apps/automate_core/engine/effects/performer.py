"""Effects: calls of connectors, each in a thread of the effect pool with no transaction or connection held."""

from __future__ import annotations

import functools
import logging
import time
import uuid
from collections.abc import Callable

from django.db import DatabaseError, connections
from django.utils.functional import SimpleLazyObject

from automate_connectors import credentials
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.invocation import encode_output, invoke
from automate_connectors.limits.calls import WAITS_FOR_LIMIT, CallSlot
from automate_connectors.limits.requests import count_requests
from automate_connectors.outbound import outbound_clients
from automate_core import artifacts
from automate_core.engine import assignees, event_filters
from automate_core.engine.effects import descendants, dry_run, transactional
from automate_core.engine.effects.call import CallContext, EffectCall
from automate_core.engine.effects.database_loss import is_database_away, perform_while_away
from automate_core.engine.effects.step_logs import StepLog
from automate_core.engine.effects.step_logs import writer as log_writer
from automate_core.engine.outcomes import EffectOutcome
from automate_core.engine.program import (
    ActionNode,
    ApprovalNode,
    DecideNode,
    PureNode,
    RefreshSecretsNode,
    RenderNode,
    WorkflowNode,
)
from automate_core.engine.records import LogRecord, attempt_key
from automate_core.expressions.json_logic import RuleError
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating.pool import RenderUnavailableError
from automate_core.faultpoints import reach
from automate_core.files.store import FileAccess, FileOwner
from automate_core.trace_context import trace_export
from automate_core.triggers.host_events import run_origin
from automate_governance.permissions import Person
from automate_governance.redaction.json_logs import LogIds
from automate_governance.redaction.redactor import redactor_context
from automate_plugins import text

log = logging.getLogger(__name__)


type Call = EffectCall | event_filters.FiltersCall


def perform(call: Call) -> EffectOutcome:
    """Perform an effect. Never raises: an exception becomes the outcome's error."""
    if isinstance(call, event_filters.FiltersCall):
        try:
            return event_filters.decide_filters(call)
        except Exception as error:  # a thread that dies would leave its job held for ever
            log.exception("job %s: its filters could not be decided", call.job_id)
            return EffectOutcome(error=ConnectorError(f"{type(error).__name__}: {error}", code="internal_error"))
    ids = {**call.walk.log_ids, "step": call.effect.step.path, "attempt": call.effect.step.attempt}
    with redactor_context(call.walk.run.redactor), LogIds(ids):
        return perform_while_away(call, _perform_guarded)


def _perform_guarded(call: EffectCall) -> EffectOutcome:
    outcome = EffectOutcome()
    try:
        _perform_node(call, outcome)
    except Exception as error:  # noqa: BLE001 - a thread that dies would leave its run running for ever
        outcome.error = _connector_error(error, call)
        outcome.lost_database = _may_be_repeated(call, outcome, error)
    finally:
        connections.close_all()
    if outcome.error is not None and outcome.error.code != WAITS_FOR_LIMIT:
        step = call.effect.step
        outcome.logs.append(LogRecord(step.path, step.attempt, "error", outcome.error.message))
    return outcome


def _perform_node(call: EffectCall, outcome: EffectOutcome) -> None:
    node = call.effect.node
    if isinstance(node, RenderNode):
        outcome.output = node.template.document(call.effect.params)
    elif isinstance(node, RefreshSecretsNode):
        call.walk.program.secrets.refresh(call.walk.run.version_id)
    elif isinstance(node, DecideNode):
        with event_filters.DECIDING:
            outcome.output = encode_output(node.rule.holds(call.effect.params))
    elif isinstance(node, PureNode):
        with event_filters.DECIDING:
            outcome.output = node.output(call.effect.params)
    elif isinstance(node, ApprovalNode):
        step = call.effect.step

        def note(message: str) -> None:
            outcome.logs.append(LogRecord(step.path, step.attempt, "warning", message))

        outcome.output = encode_output(assignees.find_assignees(call.effect.params, note))
    elif isinstance(node, WorkflowNode):
        run = call.walk.run
        descendants.check_may_follow(run.root_id or run.id, run.trace_id)
        assignees.check_may_call(assignees.load_run_as(call.walk.run.version_id), node.workflow)
    elif call.walk.program.test_options is not None and call.walk.program.test_options.mode == "dry":
        dry_run.perform(call, node, outcome)
    else:
        _call_connector(call, node, outcome)


def _connector_error(error: Exception, call: EffectCall) -> ConnectorError:
    """The error of a step, for whatever was raised."""
    if isinstance(error, ConnectorError):
        return error.with_traceback(None)  # its frames hold what was read
    if isinstance(error, RenderUnavailableError):
        return ConnectorError(error.reason, code="render_unavailable", retryable=True)
    if isinstance(error, TemplateError):
        return ConnectorError(str(error), code="template_error")
    if isinstance(error, RuleError):
        return ConnectorError(str(error), code="condition_error")
    if isinstance(error, DatabaseError) or is_database_away(error):
        message = text("The database is unavailable: %(reason)s", reason=str(error))
        return ConnectorError(message, code="database_away", retryable=True)
    log.error(
        "run %s: the effect of %s could not be performed", call.walk.run.id, call.effect.step.path, exc_info=error
    )
    return ConnectorError(f"{type(error).__name__}: {error}", code="internal_error")


def _may_be_repeated(call: EffectCall, outcome: EffectOutcome, error: Exception) -> bool:
    """Whether the database was lost before the effect, or in an action that changes nothing."""
    node = call.effect.node
    if not outcome.has_begun:
        return is_database_away(error)
    adapter, action = node.adapter, node.action
    return is_database_away(error, of_site=True) and bool(adapter.reads_only(action.name, call.effect.params))


class _RunAs:
    """Gives the user whom the runs of a version act as, read when they are first asked for."""

    __slots__ = ("_person", "_version_id")

    def __init__(self, version_id: int) -> None:
        self._version_id = version_id
        self._person: Person | None = None

    def __call__(self) -> Person:
        if self._person is None:
            self._person = assignees.load_run_as(self._version_id)
        return self._person


def _keep_as_file(outcome: EffectOutcome, walk: CallContext) -> None:
    """Write a large output to a file in this thread, where nothing else waits for it."""
    if outcome.output is not None and artifacts.is_large(outcome.output):
        outcome.output, outcome.output_file = artifacts.put(walk.redact(outcome.output))


def _file_access(call: EffectCall, node: ActionNode, run_as: Callable[[], Person]) -> FileAccess:
    """The files of a call; a transactional one keeps its database connection."""
    run = call.walk.run
    owner = FileOwner(trace_id=run.trace_id, workflow_id=run.workflow_id, run_id=uuid.UUID(run.id))
    return FileAccess(owner, run_as, (lambda: None) if node.transactional else connections.close_all)


def _traceparent(call: EffectCall) -> str:
    """The header that other systems' spans are placed by, below the attempt's; empty without an export of traces."""
    run, step = call.walk.run, call.effect.step
    return trace_export().attempt_traceparent(
        run.trace_id, run.id, step.path, step.attempt, headers=call.job.headers, workflow=call.walk.program.workflow
    )


def _call_connector(call: EffectCall, node: ActionNode, outcome: EffectOutcome) -> None:
    run_id, path = uuid.UUID(call.walk.run.id), call.effect.step.path
    with CallSlot(run_id, path, call.walk.program.workflow, node.timeout) as slot:
        _call_with_slot(call, node, outcome, slot)


def _call_with_slot(call: EffectCall, node: ActionNode, outcome: EffectOutcome, slot: CallSlot) -> None:
    step, walk = call.effect.step, call.walk
    run_as = _RunAs(walk.run.version_id)
    if node.adapter is None or node.action is None:  # the walk never yields such an effect
        raise ConnectorError(node.missing, code="connector_not_found")
    deadline = time.monotonic() + node.timeout
    used = None
    if node.connection:
        used = credentials.open_connection(node.connection, run_as, walk.program.workflow, slot.acquire)
    hosts = used.hosts if used else None
    step_log = StepLog(call, log_writer)
    context = {
        "connection": used.config if used else {},
        **outbound_clients(
            bound_hosts=hosts,
            deadline=deadline,
            cancelled=lambda: walk.cancelled,
            traceparent=functools.partial(_traceparent, call),
        ),
        "files": _file_access(call, node, run_as),
        "idempotency_key": attempt_key(walk.run.id, step),
        "deadline": deadline,
        # A request under way is not cut when a parallel branch failed: its outcome would be unknown
        "cancelled": lambda: not call.is_wanted,
        "log": step_log.write,
        "run": walk.run_info,
        "step": {"path": step.path, "attempt": step.attempt},
        "user": SimpleLazyObject(run_as),
    }
    if slot.limits_requests and not node.transactional:
        context["http"] = count_requests(context["http"], slot, deadline, lambda: walk.cancelled)
    invoked = functools.partial(invoke, node.adapter, node.action, call.effect.params, context)
    act = functools.partial(used.perform, invoked) if used and not node.transactional else invoked
    reach("effect.starting", step.path)
    try:
        if node.transactional:
            transactional.perform(call, act, outcome)
        else:
            outcome.has_begun = True
            with run_origin(walk.run.id, walk.program.workflow, walk.run.depth):
                outcome.output = act()
            _keep_as_file(outcome, walk)
    finally:
        outcome.logs += step_log.end()
    reach("effect.done", step.path)
