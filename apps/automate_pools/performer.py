"""The performing side of a pool: claim a handed-out step by its token, perform it, write its outcome.

Every consumer of a broker calls `perform_step` with what a message holds. It needs the site's database, settings, file
storage and secrets backends, and reaches outside as a worker does.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import logging
import queue
import threading
import time
import uuid
from typing import Any

import msgspec
import psycopg
from django.db import Error, connections

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_core import database
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.step_paths import key_of
from automate_core.engine.child_nodes import find_action_node
from automate_core.engine.effects.call import EffectCall
from automate_core.engine.effects.database_loss import repeat_while_away
from automate_core.engine.effects.executor_pools import code_version
from automate_core.engine.effects.performer import perform
from automate_core.engine.effects.pool import GRACE_SECONDS, timeout_outcome
from automate_core.engine.journal import Journal, clean_error, log_row
from automate_core.engine.outcomes import EffectOutcome, outcome_document, plugin_error_document
from automate_core.engine.program import ActionNode, Program, compile_program
from automate_core.engine.records import RunRecord, StepRecord
from automate_core.engine.sandbox import Sandbox
from automate_core.engine.scheduler import Effect
from automate_core.engine.test_mode import apply_test_options
from automate_core.engine.test_options import TestOptions
from automate_core.events.run_rights import RunAsRights, inactive_error
from automate_core.expressions.json_logic import RuleError
from automate_core.expressions.json_path import TemplateError
from automate_core.faultpoints import reach
from automate_core.models import OutboxJob
from automate_core.outbox.store import ClaimedJob
from automate_core.states import RunStatus
from automate_core.trace_context import trace_export
from automate_plugins import text
from automate_pools import store

log = logging.getLogger(__name__)

CACHED_PROGRAMS = 200
CANCEL_SECONDS = 2.0  #: between looks at whether the outcome is still wanted
RETRY_SECONDS = 1.0  #: between attempts to write an outcome while the database is away


class Result(enum.StrEnum):
    """What became of a message."""

    PERFORMED = "performed"  #: this call claimed the step, and its outcome is written
    DUPLICATE = "duplicate"  #: another performer has it or had it, or it is not wanted any more
    REFUSED = "refused"  #: it was handed out by another version of the code; it is sent again later
    LOST = "lost"  #: it was performed, but its outcome came too late or could not be written


def perform_step(step_id: uuid.UUID, token: int, *, performer: str) -> Result:
    """Claim, perform and answer one handed-out step. `performer` is the name of this process, for people.

    Raises django.db.Error or psycopg.Error when the claim failed because the database is away; the step is then sent
    again.
    """
    claimed = store.claim(step_id, token, performer=performer, version=code_version())
    if claimed is None:
        other = store.refuse(step_id, token, version=code_version())
        if other is None:
            return Result.DUPLICATE
        log.warning("step %s is of code version %s, this is %s: left to others", step_id, other, code_version())
        return Result.REFUSED
    reach("performer.claimed", claimed.path)
    deadline = time.monotonic() + claimed.seconds + store.MARGIN_SECONDS
    outcome, logs = _perform_claimed(claimed)
    reach("performer.performed", claimed.path)
    return Result.PERFORMED if _write(claimed, outcome, logs, deadline) else Result.LOST


def _perform_claimed(claimed: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The redacted (outcome, logs) of a claimed step. Never raises."""
    step, context = StepRecord(claimed.path, claimed.attempt, key=claimed.key or ""), None
    try:
        context, node = repeat_while_away(lambda: _prepare(claimed), claimed.seconds)
    except ConnectorError as error:
        outcome = EffectOutcome(error=error)
    except Exception as error:
        log.exception("step %s cannot be prepared", claimed.id)
        outcome = EffectOutcome(error=ConnectorError(f"{type(error).__name__}: {error}", code="internal_error"))
    else:
        effect = Effect(step, node, msgspec.json.decode(claimed.params))
        job = _no_job(claimed.run_id, context.headers)
        outcome = _perform_in_time(EffectCall(job, effect, context, claimed.pool))
    run = context.run if context else RunRecord("", 0, 0, None, "")
    redactor = run.redactor
    if outcome.error is not None:
        document = outcome_document(outcome, clean_error(plugin_error_document(outcome.error), redactor))
    else:
        if outcome.output is not None and outcome.output_file is None:
            outcome.output = redactor.document(outcome.output.decode()).encode()
        document = outcome_document(outcome, None)
    now = time.monotonic()
    return document, [log_row(run, each, now) for each in outcome.logs]


class _HandedOutContext:
    """What an effect sees of its run here. `cancelled` asks the database now and then.

    `headers` are those of the trace's first event, as JSON, where traces are exported.
    """

    def __init__(self, claimed: Any, run: RunRecord, program: Program, headers: str | None) -> None:
        self.headers = headers
        self._claimed = claimed
        self.run = run
        self.program = program
        self.run_info = {"id": run.id, "trace_id": run.trace_id, "workflow": program.workflow}
        self.log_ids = {"run": run.id, "workflow": program.workflow, "trace": run.trace_id}
        self._is_cancelled = False
        self._checked_at = time.monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether the run has ended, or the step is skipped or handed out again."""
        if not self._is_cancelled and time.monotonic() >= self._checked_at + CANCEL_SECONDS:
            self._checked_at = time.monotonic()
            try:
                self._is_cancelled = not store.is_wanted(self._claimed.id, self._claimed.token)
            except (Error, psycopg.Error):
                connections.close_all()
        return self._is_cancelled

    @cancelled.setter
    def cancelled(self, value: bool) -> None:
        self._is_cancelled = value

    def redact(self, document: bytes) -> bytes:
        """A document without the secrets of the run's connections."""
        return self.run.redactor.document(document.decode()).encode()

    def sandbox(self) -> Sandbox:
        """Dry runs are never handed out."""
        raise NotImplementedError


# The first event of the trace that came with the header holds the sender's decision, as for the export of traces.
_RUN = """
SELECT id, workflow_id, version_id, event_id, trace_id, parent_id, depth,
    CASE WHEN %(is_traced)s THEN (
        SELECT json_build_object('traceparent', headers ->> 'traceparent')::text FROM automate_core_event
        WHERE trace_id = run.trace_id AND headers ? 'traceparent' ORDER BY id LIMIT 1) END AS headers
FROM automate_core_executionrun run WHERE id = %(run)s
"""

_rights = RunAsRights()


def _prepare(claimed: Any) -> tuple[_HandedOutContext, ActionNode]:
    """Read the run and its program. Raises ConnectorError."""
    [row] = database.run(None, _RUN, {"run": claimed.run_id, "is_traced": trace_export().is_on()})
    if user := _rights.inactive_versions(None, {row.version_id}).get(row.version_id):
        raise ConnectorError(**inactive_error(user))
    try:
        program = _program(row.version_id, connectors.revision)
    except (DefinitionError, RuleError, TemplateError, LookupError) as error:
        message = text("This version cannot run: %(reason)s", reason=str(error))
        raise ConnectorError(message, code="broken_definition") from error
    node = find_action_node(program, key_of(claimed.path))
    if node is None:
        message = text("The step %(step)s is not part of this version.", step=key_of(claimed.path))
        raise ConnectorError(message, code="broken_definition")
    run = RunRecord(
        id=str(row.id),
        workflow_id=row.workflow_id,
        version_id=row.version_id,
        event_id=str(row.event_id) if row.event_id else None,
        trace_id=row.trace_id,
        slug=program.workflow,
        status=RunStatus.RUNNING,
        parent_id=str(row.parent_id) if row.parent_id else None,
        depth=row.depth,
        redactor=program.secrets.redactor,
    )
    if program.secrets.is_stale:
        program.secrets.refresh(row.version_id)
    return _HandedOutContext(claimed, run, program, row.headers), node


@functools.lru_cache(CACHED_PROGRAMS)
def _program(version_id: int, revision: int) -> Program:
    """The program of a version with the connectors of that revision of the registry."""
    definition, options = Journal(None, worker="").definition(version_id)
    program = compile_program(parse(definition))
    return program if options is None else apply_test_options(program, msgspec.convert(options, TestOptions))


def _perform_in_time(call: EffectCall) -> EffectOutcome:
    """Perform in a thread of its own, which Python cannot end: one that overruns its time is answered for."""
    done: queue.SimpleQueue[EffectOutcome] = queue.SimpleQueue()
    name = f"automate-step-{call.effect.step.path}"[:60]
    threading.Thread(target=lambda: done.put(perform(call)), name=name, daemon=True).start()
    started, seconds = time.monotonic(), call.effect.node.timeout + GRACE_SECONDS
    while (left := started + seconds + call.effect.postponed - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=left)
    call.cancel()
    return timeout_outcome(call)


def _no_job(run_id: uuid.UUID, headers: str | None) -> ClaimedJob:
    """The job of a run that no worker walks at present, with headers that name its trace."""
    return ClaimedJob(
        id=run_id, kind=OutboxJob.Kind.ADVANCE, token=0, attempts=0, event_id=None, run_id=run_id, lane=0,
        available_at=database.now(), source=None, endpoint_id=None, type=None, payload=None, headers=headers,
        trace_id=None, received_at=None,
    )  # fmt: skip


def _write(claimed: Any, outcome: dict[str, Any], logs: list[dict[str, Any]], deadline: float) -> bool:
    """Write the outcome, again and again while the database is away and the deadline has not passed."""
    while True:
        try:
            if store.write_outcome(claimed.id, claimed.run_id, claimed.token, outcome, logs):
                return True
            log.warning("step %s: its outcome is not wanted any more", claimed.id)
            return False
        except (Error, psycopg.Error) as error:
            connections.close_all()
            if time.monotonic() + RETRY_SECONDS >= deadline:
                log.error("step %s: its outcome could not be written: %s", claimed.id, str(error).strip())
                return False
            time.sleep(RETRY_SECONDS)
