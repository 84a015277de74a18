"""ExecutionEngine: from claimed jobs to written checkpoints, a batch at a time.

`run_once` walks the claimed jobs and those with new results, writes all checkpoints in one statement, and starts the
effects of those whose job is still held. A job that cannot be walked or written harms no other: a batch that fails is
repeated job by job.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from automate_connectors.registry import connectors
from automate_core import artifacts, database
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.engine import event_filters
from automate_core.engine.effects.call import EffectCall
from automate_core.engine.effects.executor_pools import PoolRouter
from automate_core.engine.effects.performer import Call
from automate_core.engine.event_filters import FiltersCall
from automate_core.engine.journal import Journal
from automate_core.engine.outcomes import EffectOutcome
from automate_core.engine.program import Program, compile_program
from automate_core.engine.records import (
    Checkpoint,
    JobDisposition,
    QueuedRun,
    RunRecord,
    StepRecord,
    StoredRun,
    WaitRecord,
    WriteResult,
)
from automate_core.engine.run_walker import Walk
from automate_core.engine.steps.waits import MAX_DEPTH
from automate_core.engine.test_mode import apply_test_options
from automate_core.engine.test_options import TestOptions
from automate_core.events import held_events, stops
from automate_core.events.matching import Match, RuleEngine, Undecided
from automate_core.events.scope import event_scope, job_event_scope
from automate_core.expressions.json_logic import RuleError
from automate_core.expressions.json_path import TemplateError
from automate_core.faultpoints import reach
from automate_core.ids import uuid7
from automate_core.models import OutboxJob, Wait
from automate_core.outbox.store import ClaimedJob
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.triggers import host_events
from automate_core.triggers.manual import START_SOURCES
from automate_governance.redaction.json_logs import LogIds
from automate_governance.redaction.redactor import redactor_context
from automate_plugins import text

log = logging.getLogger(__name__)

WARM_VERSIONS = 100  # of what is published, read before a worker is ready

CACHED_PROGRAMS = 2_000

type Result = tuple[Call, EffectOutcome]


class ExecutionEngine:
    """The walks of one worker.

    `start` hands an effect to a thread and returns at once. `wake_maintenance` is called when other runs may wait for
    what has happened. `adapt` changes each program before it runs, for tests of workflows. `wake_relay` is called when
    steps were handed out to pools, which happens only with a `router`.
    """

    def __init__(
        self,
        journal: Journal,
        rules: RuleEngine,
        start: Callable[[Call], None],
        wake_maintenance: Callable[[], None] = lambda: None,
        adapt: Callable[[Program], Program] = lambda program: program,
        router: PoolRouter | None = None,
        wake_relay: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal = journal
        self.rules = rules
        self._start = start
        self._wake_maintenance = wake_maintenance
        self._adapt = adapt
        self._router = router
        self._wake_relay = wake_relay
        self._most_bytes = artifacts.limit()
        self._program_of = lru_cache(CACHED_PROGRAMS)(self._load)  # neither a version nor a revision changes
        self._walks: dict[uuid.UUID, Walk] = {}
        self._runnable: dict[uuid.UUID, Walk] = {}
        self._new_jobs: list[ClaimedJob] = []
        self._undecided: dict[uuid.UUID, FiltersCall] = {}
        self._decided: dict[uuid.UUID, dict[int, bool]] = {}
        self._unwritten: list[Checkpoint] = []

    @property
    def held(self) -> list[ClaimedJob]:
        """The jobs under lease here. Callable from any thread."""
        return [
            *self._new_jobs,
            *(call.job for call in list(self._undecided.values())),
            *(walk.job for walk in list(self._walks.values())),
        ]

    @property
    def has_more(self) -> bool:
        """Whether `run_once` has something to do now: paused walks, or checkpoints to write."""
        return bool(self._runnable or self._unwritten or self._new_jobs)

    def deliver_results(self, results: Iterable[Result]) -> None:
        """Take the outcomes of effects that have ended; the next `run_once` goes on from there.

        The outcome of an attempt that no walk waits for is dropped: its lease was lost, and the attempt counts as
        interrupted.
        """
        for call, outcome in results:
            if isinstance(call, FiltersCall):
                self._take_decisions(call, outcome)
                continue
            walk = self._walks.get(call.job_id)
            if walk is not None and call.effect in walk.pending_effects:
                walk.deliver_result(call.effect, outcome)
                self._runnable[call.job_id] = walk

    def _take_decisions(self, call: FiltersCall, outcome: EffectOutcome) -> None:
        if self._undecided.get(call.job_id) is not call:
            return
        if outcome.error is None:  # otherwise its lease runs out, and it is tried again
            self._decided[call.job_id] = event_filters.read_decisions(outcome)
            self._new_jobs.append(call.job)
        del self._undecided[call.job_id]

    def poll_external_changes(self) -> None:
        """Read which runs held here were cancelled or had waits resolved elsewhere. Raises psycopg.Error."""
        walks = {uuid.UUID(walk.run.id): walk for walk in self._walks.values() if not walk.cancelled}
        if not walks:
            return
        for run_id, snapshot in self.journal.read_snapshots(walks).items():
            walk = walks[run_id]
            if snapshot.status in FINAL_RUN_STATES:
                walk.cancel()
                self._runnable[walk.job.id] = walk
            elif snapshot.wakes > walk.run.wakes and walk.resolve_waits(snapshot.waits):
                walk.run.wakes = snapshot.wakes
                self._runnable[walk.job.id] = walk

    def run_once(self, jobs: Sequence[ClaimedJob]) -> tuple[bool, float | None]:
        """Walk claimed jobs and those with new results, write all checkpoints, start effects.

        Gives (whether that made further jobs ready, the seconds until the first of the new waits is due). Raises
        psycopg.OperationalError; a later call then does what is left.
        """
        self._new_jobs.extend(jobs)
        if self._router is not None:
            self._router.read_connections(self.journal.connection)
        self._unwritten.extend(self._start_jobs(self._new_jobs))
        self._new_jobs = []
        self._advance_runnable()
        if not self._unwritten:
            return False, None
        begun = {c.run.version_id for c in self._unwritten if c.run and c.job.id in self._walks}
        inactive = self.rules.rights.inactive_versions(self.journal.connection, begun)
        for checkpoint in self._unwritten:
            self._hold_back(checkpoint, inactive)
        reach("journal.writing")
        results = self._write(self._unwritten)
        reach("journal.written")
        checkpoints, self._unwritten = self._unwritten, []
        for checkpoint in checkpoints:
            self._apply_result(checkpoint, results[checkpoint.job.id], inactive)
        if any(checkpoint.handed_out for checkpoint in checkpoints):
            self._wake_relay()
        dues = [wait.due_in for checkpoint in checkpoints for wait in checkpoint.waits if wait.due_in is not None]
        has_new_jobs = self.journal.emitted_events or any(checkpoint.queued for checkpoint in checkpoints)
        return has_new_jobs, min(dues, default=None)

    def drop_all(self) -> None:
        """Drop everything that is held. Nothing is written: the leases run out and the journal decides."""
        for walk in self._walks.values():
            walk.close()
        self._walks, self._runnable, self._new_jobs, self._unwritten = {}, {}, [], []
        self._undecided, self._decided = {}, {}

    def _advance_runnable(self) -> None:
        """Advance the runnable walks, but for those whose last checkpoint is not written."""
        unwritten = {checkpoint.job.id for checkpoint in self._unwritten}
        for job_id in [job_id for job_id in self._runnable if job_id not in unwritten]:
            self._unwritten.append(self._runnable.pop(job_id).proceed())

    # --- walking ------------------------------------------------------------------------------------------------------

    def _start_jobs(self, jobs: Sequence[ClaimedJob]) -> list[Checkpoint]:
        """The first checkpoints of claimed jobs; none of a job that cannot be walked: its lease runs out."""
        try:
            return self._start_batch(jobs)
        except Exception as error:
            if database.is_away(error):
                raise
            if len(jobs) > 1:
                return [checkpoint for job in jobs for checkpoint in self._start_jobs([job])]
            log.exception("job %s cannot be walked", jobs[0].id)
            self._walks.pop(jobs[0].id, None)
            return []

    def _start_batch(self, jobs: Sequence[ClaimedJob]) -> list[Checkpoint]:
        dispatch = [job for job in jobs if job.kind == OutboxJob.Kind.DISPATCH]
        advance = [job for job in jobs if job.kind == OutboxJob.Kind.ADVANCE]
        checkpoints: list[Checkpoint] = []
        if dispatch:
            events = [job_event_scope(job) for job in dispatch]
            decided = [self._decided.pop(job.id, {}) for job in dispatch]
            endpoints = [job.endpoint_id for job in dispatch]
            found = self.rules.match_at_once([{"event": event} for event in events], endpoints, decided)
            for job, event, matches in zip(dispatch, events, found, strict=True):
                if isinstance(matches, list):
                    checkpoints.append(self._dispatch(job, event, matches))
                else:
                    self._decide_filters(job, event, matches)
        if advance:
            stored = self.journal.read([job.run_id for job in advance if job.run_id])
            inactive = self.rules.rights.inactive_versions(
                self.journal.connection, {run.record.version_id for run in stored.values()}
            )
            checkpoints += [
                self._advance(job, stored.get(job.run_id) if job.run_id else None, inactive) for job in advance
            ]
        return checkpoints

    def _decide_filters(self, job: ClaimedJob, event: dict[str, Any], filters: Undecided) -> None:
        self._undecided[job.id] = event_filters.build_filters_call(job, {"event": event}, filters)
        self._start(self._undecided[job.id])

    def _dispatch(self, job: ClaimedJob, event: dict[str, Any], found: list[Match]) -> Checkpoint:
        """The checkpoint of a dispatch job: a single match is walked under its lease, of several each gets a job.

        For a workflow whose run-as user may not read the event, only the event is held.
        """
        matches = [match for match in found if not match.is_held]
        runs = [_new_run(job, event, match) for match in matches]
        if any(run.depth > MAX_DEPTH for run in runs):
            log.warning("event %s starts nothing: runs started each other %d deep", job.event_id, MAX_DEPTH)
            return Checkpoint(job, JobDisposition.COMPLETE)
        if held := [(match.workflow_id, str(job.event_id), match.source) for match in found if match.is_held]:
            held_events.hold_events(self.journal.connection, held)
        queued = [self._queued_run(match, run, event) for match, run in zip(matches, runs, strict=True)]
        if len(queued) == 1 and queued[0].wait is None:
            return self._walk(job, queued[0].run, event, None)
        if not runs and event["headers"].get("automate-run"):
            self._wake_maintenance()  # nobody answers the call
        if any(each.wait for each in queued):
            self._wake_maintenance()
        return Checkpoint(job, JobDisposition.COMPLETE, queued=queued)

    def _queued_run(self, match: Match, run: RunRecord, event: dict[str, Any]) -> QueuedRun:
        """The new run with its search terms and priority, and whether it waits before it starts."""
        program = self._find_program(match.version_id)
        if program is not None:
            with redactor_context(program.secrets.redactor):
                run.search_terms = program.search_terms.values(event, program.vars)
            run.priority = program.priority
        if match.must_wait:
            return QueuedRun(run, Wait.Kind.PAUSED)
        if program is None or program.limit is None:
            return QueuedRun(run)
        run.slot_key = program.limit.key_for(event, program.vars)
        return QueuedRun(run, Wait.Kind.SLOT, {"limit": program.limit.limit, "policy": program.limit.policy})

    def warm_up(self) -> None:
        """Load what the first runs need: plug-ins, some published versions, PostgreSQL's plans.

        Raises psycopg.Error.
        """
        connectors.names()
        for version_id in self.journal.published(WARM_VERSIONS):
            self._find_program(version_id)
        self.rules.match([{"event": event_scope(None)}], [None])
        self.journal.read([])
        self.journal.write([])

    def _find_program(self, version_id: int) -> Program | None:
        try:
            return self._program_of(version_id, connectors.revision)
        except (DefinitionError, RuleError, TemplateError, LookupError):
            return None

    def _advance(self, job: ClaimedJob, stored: StoredRun | None, inactive: dict[int, Any]) -> Checkpoint:
        if stored is None:
            return Checkpoint(job, JobDisposition.COMPLETE)
        if stored.record.status in FINAL_RUN_STATES:
            return Checkpoint(job, JobDisposition.COMPLETE, stored.record, _interrupt_running(stored))
        if stored.record.version_id in inactive:
            return _wait_for_active_user(job, stored)
        return self._walk(job, stored.record, job_event_scope(job), stored)

    def _walk(self, job: ClaimedJob, run: RunRecord, event: dict[str, Any], stored: StoredRun | None) -> Checkpoint:
        program = self._program(run)
        if program is None:
            return Checkpoint(job, JobDisposition.COMPLETE, run)
        run.slug = program.workflow
        run.root_id = host_events.platform_headers(event["source"], event["headers"]).get(host_events.ROOT_HEADER, "")
        walk = Walk(job, run, program, event, stored, max_inline_bytes=self._most_bytes, router=self._router)
        self._walks[job.id] = walk
        return walk.proceed()

    def _program(self, run: RunRecord) -> Program | None:
        """The run's program; when its version can no longer be compiled, None, and the run has failed."""
        try:
            return self._program_of(run.version_id, connectors.revision)
        except (DefinitionError, RuleError, TemplateError, LookupError) as error:
            log.warning("run %s: version %s cannot be run: %s", run.id, run.version_id, error)
            if run.status != RunStatus.RUNNING:
                run.start()
            run.fail(
                {
                    "code": "broken_definition",
                    "message": text("This version cannot run: %(reason)s", reason=str(error)),
                }
            )
            return None

    def _load(self, version_id: int, revision: int) -> Program:
        """Compile a version with the connectors of a revision of the registry."""
        definition, options = self.journal.definition(version_id)
        program = self._adapt(compile_program(parse(definition)))
        return program if options is None else apply_test_options(program, msgspec.convert(options, TestOptions))

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self, checkpoints: list[Checkpoint]) -> dict[uuid.UUID, WriteResult]:
        """Write all checkpoints at once; when that fails, one by one, so that a bad one harms no other."""
        try:
            return self.journal.write(checkpoints)
        except Exception as error:
            if database.is_away(error):
                raise
            if len(checkpoints) > 1:
                return {job: result for each in checkpoints for job, result in self._write([each]).items()}
            return self._write_failed(checkpoints[0], error)

    def _write_failed(self, checkpoint: Checkpoint, error: Exception) -> dict[uuid.UUID, WriteResult]:
        """Fail the run of a checkpoint that cannot be stored; its steps are stored without their data."""
        job, run, walk = checkpoint.job, checkpoint.run, self._walks.get(checkpoint.job.id)
        log.error("job %s: its checkpoint cannot be stored: %s", job.id, error)
        if run is None or walk is None:  # nothing of ours is in it; its lease runs out and it is tried again
            return {job.id: WriteResult.LOST}
        walk.cancel()
        run.status = RunStatus.RUNNING  # what the walk came to counts for nothing
        run.fail({"code": "not_storable", "message": text("The result of a step cannot be stored.")})
        steps = [
            replace(
                step,
                status=StepStatus.FAILED,
                input=None,
                output=None,
                input_file=None,
                output_file=None,
                error=run.error,
            )
            for step in checkpoint.steps
        ]
        for kept in (steps, []):
            try:
                return self.journal.write([Checkpoint(job, JobDisposition.COMPLETE, run, kept)])
            except Exception as again:
                if database.is_away(again):
                    raise
                log.exception("job %s: its error cannot be stored either", job.id)
        return {job.id: WriteResult.LOST}

    def _apply_result(self, checkpoint: Checkpoint, result: WriteResult, inactive: dict[int, Any]) -> None:
        job, run = checkpoint.job, checkpoint.run
        if run is not None and run.status in FINAL_RUN_STATES and (run.parent_id or run.slot_key is not None):
            self._wake_maintenance()
        if run is not None and run.status == RunStatus.FAILED and result is WriteResult.HELD and run.notifies_end:
            _log_failure(run)
        walk = self._walks.get(job.id)
        if walk is None:
            return
        walk.run.is_new = False
        if result is WriteResult.HELD:
            for step in checkpoint.steps:
                step.is_stored = True
        if result is WriteResult.CANCELLED:
            walk.cancel()
        if result is WriteResult.LOST:
            log.warning("job %s: lease lost, its work is dropped", job.id)
        elif walk.cancelled and checkpoint.disposition is JobDisposition.HOLD:
            if not walk.pending_effects:
                self._runnable[job.id] = walk  # to complete the job
            return
        elif checkpoint.disposition is JobDisposition.HOLD:
            self._start_effects(walk)
            if walk.is_paused:
                self._runnable[job.id] = walk
            return
        self._runnable.pop(job.id, None)
        self._walks.pop(job.id).close()

    def _hold_back(self, checkpoint: Checkpoint, inactive: dict[int, Any]) -> None:
        """Do not start the new effects of a run whose run-as user is not active; the run waits in their place.

        While others of its effects are under way it only keeps them: it waits once these have ended.
        """
        walk = self._walks.get(checkpoint.job.id)
        if walk is None or walk.cancelled or walk.run.version_id not in inactive:
            return
        unwanted = [effect for effect in walk.effects_to_start if effect.cancelled]  # answered as such: not performed
        held_back = [effect for effect in walk.effects_to_start if not effect.cancelled]
        if not held_back:
            return
        checkpoint.steps = walk.hold_back(held_back, checkpoint.steps)
        if walk.pending_effects - set(held_back):
            walk.effects_to_start = unwanted
            return
        checkpoint.waits = [*checkpoint.waits, _wait_for_user(begun=True)]
        checkpoint.disposition = JobDisposition.PARK
        walk.drop_effects()
        walk.run.park()

    def _start_effects(self, walk: Walk) -> None:
        starting, walk.effects_to_start = walk.effects_to_start, []
        for effect in starting:
            self._start(EffectCall(walk.job, effect, walk, self.journal.worker))


def _log_failure(run: RunRecord) -> None:
    """One line for each run that failed, with the fields of the JSON log."""
    error = run.error or {}
    ids = {"run": run.id, "workflow": run.slug, "trace": run.trace_id}
    with LogIds({**ids, "step": error["step"]} if error.get("step") else ids):
        log.warning(
            "run %s of %s failed at %s: %s", run.id, run.slug, error.get("step") or "no step", error.get("code")
        )


def _interrupt_running(stored: StoredRun) -> list[StepRecord]:
    """The running attempts of a stored run, as interrupted: their outcomes will not come any more."""
    running = [step for step in stored.steps.values() if step.status == StepStatus.RUNNING]
    for step in running:
        step.interrupt()
    return running


def _wait_for_active_user(job: ClaimedJob, stored: StoredRun) -> Checkpoint:
    """Let a run wait whose run-as user is not active, as the new runs of its workflow do. What it has stays as it is.

    The outcomes of its open waits are stored as they come, and count once it goes on.
    """
    if stored.record.status != RunStatus.WAITING:
        stored.record.park()
    wait = _wait_for_user(begun=bool(stored.steps))  # nothing, where it has that wait already
    return Checkpoint(job, JobDisposition.PARK, stored.record, waits=[wait])


def _wait_for_user(*, begun: bool) -> WaitRecord:
    return WaitRecord(path="", kind=Wait.Kind.PAUSED, data={stops.BEGUN: True} if begun else None)


def _new_run(job: ClaimedJob, event: dict[str, Any], match: Match) -> RunRecord:
    """The record of a new run. A start of one workflow, by a person or an agent, gives it the id of the event."""
    is_started = event["source"].startswith(START_SOURCES)
    headers = host_events.platform_headers(event["source"], event["headers"])
    return RunRecord(
        id=str(job.event_id) if is_started else str(uuid7()),
        workflow_id=match.workflow_id,
        version_id=match.version_id,
        event_id=str(job.event_id),
        trace_id=job.trace_id or "",
        slug=match.slug,
        parent_id=headers.get("automate-run"),
        parent_path=headers.get("automate-path", ""),
        depth=int(headers.get("automate-depth", 0)),
        origin=host_events.trigger_kind(event["source"]),
        is_new=True,
    )
