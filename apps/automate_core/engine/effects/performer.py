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
from automate_core import artifacts, database
from automate_core.engine import assignees, event_filters
from automate_core.engine.effects import dry_run, transactional
from automate_core.engine.effects.call import CallContext, EffectCall
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
from automate_core.tracing.context import attempt_traceparent
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
        return _perform_guarded(call)


def _perform_guarded(call: EffectCall) -> EffectOutcome:
    outcome = EffectOutcome()
    try:
        if isinstance(call.effect.node, RenderNode):
            outcome.output = call.effect.node.template.document(call.effect.params)
        elif isinstance(call.effect.node, RefreshSecretsNode):
            call.walk.program.secrets.refresh(call.walk.run.version_id)
        elif isinstance(call.effect.node, DecideNode):
            with event_filters.DECIDING:
                outcome.output = encode_output(call.effect.node.rule.holds(call.effect.params))
        elif isinstance(call.effect.node, PureNode):
            with event_filters.DECIDING:
                outcome.output = call.effect.node.output(call.effect.params)
        elif isinstance(call.effect.node, ApprovalNode):
            step = call.effect.step

            def note(message: str) -> None:
                outcome.logs.append(LogRecord(step.path, step.attempt, "warning", message))

            find = functools.partial(assignees.find_assignees, call.effect.params, note)
            outcome.output = encode_output(_when_database_is_there(find, call.effect.node.timeout))
        elif isinstance(call.effect.node, WorkflowNode):
            assignees.check_may_call(assignees.load_run_as(call.walk.run.version_id), call.effect.node.workflow)
        elif call.walk.program.test_options is not None and call.walk.program.test_options.mode == "dry":
            dry_run.perform(call, call.effect.node, outcome)
        else:
            _call_connector(call, call.effect.node, outcome)
    except ConnectorError as error:
        outcome.error = error.with_traceback(None)  # its frames hold what was read
    except RenderUnavailableError as error:
        outcome.error = ConnectorError(error.reason, code="render_unavailable", retryable=True)
    except TemplateError as error:
        outcome.error = ConnectorError(str(error), code="template_error")
    except RuleError as error:
        outcome.error = ConnectorError(str(error), code="condition_error")
    except DatabaseError as error:
        outcome.error = ConnectorError(
            text("The database is unavailable: %(reason)s", reason=str(error)), code="database_away", retryable=True
        )
    except Exception as error:  # a thread that dies would leave its run running for ever
        log.exception("run %s: the effect of %s could not be performed", call.walk.run.id, call.effect.step.path)
        outcome.error = ConnectorError(f"{type(error).__name__}: {error}", code="internal_error")
    finally:
        connections.close_all()
    if outcome.error is not None and outcome.error.code != WAITS_FOR_LIMIT:
        step = call.effect.step
        outcome.logs.append(LogRecord(step.path, step.attempt, "error", outcome.error.message))
    return outcome


AWAY_SECONDS = 20.0  #: for which a step waits for the site's own database before its call
PAUSE_SECONDS = 0.25


def _when_database_is_there[T](act: Callable[[], T], timeout: float) -> T:
    """Do what comes before a call, again while the site's database is away: that has no effect and costs no attempt.

    At most half of the step's timeout is spent, so that the call keeps its time.
    """
    until = time.monotonic() + min(AWAY_SECONDS, timeout / 2)
    while True:
        try:
            return act()
        except (DatabaseError, ConnectorError) as error:
            if not _is_database_away(error) or time.monotonic() + PAUSE_SECONDS > until:
                raise
        connections.close_all()
        time.sleep(PAUSE_SECONDS)


def _is_database_away(error: BaseException | None) -> bool:
    """Whether the error, or what caused it, is that the database is away; a secret may be the one not readable."""
    while error is not None:
        if database.is_away(error):
            return True
        error = error.__cause__
    return False


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
    return attempt_traceparent(
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
        opening = functools.partial(
            credentials.open_connection, node.connection, run_as, walk.program.workflow, functools.cache(slot.acquire)
        )
        used = _when_database_is_there(opening, node.timeout)
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
        "cancelled": lambda: walk.cancelled,
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
            with run_origin(walk.run.id, walk.program.workflow, walk.run.depth):
                outcome.output = act()
            _keep_as_file(outcome, walk)
    finally:
        outcome.logs += step_log.end()
    reach("effect.done", step.path)
