"""ExecutionEngine: from claimed jobs to written checkpoints, a batch at a time.

Effects that have ended are fed in; a turn walks what was claimed, writes all checkpoints in one statement, and starts
the effects of those that held. A job that cannot be walked or written harms no other: what fails as a batch is done
again one by one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_core import artifacts, database
from automate_core.definition.document import DefinitionError, parse
from automate_core.engine import search
from automate_core.engine.effects import Call, EffectCall
from automate_core.engine.journal import Journal
from automate_core.engine.outcomes import EffectOutcome
from automate_core.engine.program import Program, prepare
from automate_core.engine.records import Checkpoint, Outcome, QueuedRun, RunRecord, StepRecord, StoredRun, Verdict
from automate_core.engine.run_walker import Walk
from automate_core.engine.search import SiftCall
from automate_core.engine.steps.waits import MAX_DEPTH
from automate_core.engine.test_mode import Terms, on_terms
from automate_core.events.matching import Match, RuleEngine, Undecided
from automate_core.events.run_rights import inactive_error
from automate_core.events.scope import event_scope, job_event_scope
from automate_core.expressions.json_logic import RuleError
from automate_core.expressions.json_path import TemplateError
from automate_core.faultpoints import reach
from automate_core.ids import uuid7
from automate_core.models import OutboxJob, Wait
from automate_core.outbox.store import ClaimedJob
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus
from automate_core.triggers import host_events
from automate_governance.redaction.redactor import knowing

log = logging.getLogger(__name__)

WARM_VERSIONS = 100  # of what is published, read before a worker is ready

CACHED_PROGRAMS = 2_000

type Result = tuple[Call, EffectOutcome]


class ExecutionEngine:
    """The walks of one worker.

    `start` hands an effect to a thread and returns at once. `nudge` says that a run which others wait for has ended.
    """

    def __init__(
        self,
        journal: Journal,
        rules: RuleEngine,
        start: Callable[[Call], None],
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal = journal
        self.rules = rules
        self._start = start
        self._nudge = nudge
        self._most_bytes = artifacts.limit()
        self._program_of = lru_cache(CACHED_PROGRAMS)(self._load)  # a version never changes
        self._walks: dict[uuid.UUID, Walk] = {}
        self._moving: dict[uuid.UUID, Walk] = {}
        self._unopened: list[ClaimedJob] = []
        self._sifting: dict[uuid.UUID, SiftCall] = {}
        self._decided: dict[uuid.UUID, dict[int, bool]] = {}
        self._unwritten: list[Checkpoint] = []

    @property
    def held(self) -> list[ClaimedJob]:
        """The jobs that are not settled. Callable from any thread."""
        return [
            *self._unopened,
            *(call.job for call in list(self._sifting.values())),
            *(walk.job for walk in list(self._walks.values())),
        ]

    @property
    def has_more(self) -> bool:
        """Whether there is something to do without waiting: walks that took breath, or checkpoints to write."""
        return bool(self._moving or self._unwritten or self._unopened)

    def feed(self, results: Iterable[Result]) -> None:
        """Take in the outcomes of effects that have ended; the next turn goes on from there.

        The outcome of an attempt that no walk waits for is dropped: its lease was lost meanwhile, and the attempt
        counts as interrupted.
        """
        for call, outcome in results:
            if isinstance(call, SiftCall):
                self._sifted(call, outcome)
                continue
            walk = self._walks.get(call.job_id)
            if walk is not None and call.effect in walk.pending_effects:
                walk.deliver_result(call.effect, outcome)
                self._moving[call.job_id] = walk

    def _sifted(self, call: SiftCall, outcome: EffectOutcome) -> None:
        if self._sifting.get(call.job_id) is not call:
            return
        if outcome.error is None:  # otherwise its lease runs out, and it is tried again
            self._decided[call.job_id] = search.decisions(outcome)
            self._unopened.append(call.job)
        del self._sifting[call.job_id]

    def look(self) -> None:
        """Notice what others did to the runs held here: cancelled ones, and waits that ended. Raises psycopg.Error."""
        walks = {uuid.UUID(walk.run.id): walk for walk in self._walks.values() if not walk.cancelled}
        if not walks:
            return
        for run_id, standing in self.journal.standing(walks).items():
            walk = walks[run_id]
            if standing.status in FINAL_RUN_STATES:
                walk.cancel()
                self._moving[walk.job.id] = walk
            elif standing.wakes > walk.run.wakes and walk.resolve_waits(standing.waits):
                walk.run.wakes = standing.wakes
                self._moving[walk.job.id] = walk

    def turn(self, jobs: Sequence[ClaimedJob]) -> tuple[bool, float | None]:
        """Walk claimed jobs, write all checkpoints, start effects.

        Answers whether that made further jobs ready, and in how many seconds the next of its waits is due. Raises
        psycopg.OperationalError; a later turn then does what is left.
        """
        self._unopened.extend(jobs)
        self._unwritten.extend(self._open(self._unopened))
        self._unopened = []
        self._move()
        if not self._unwritten:
            return False, None
        begun = {c.run.version_id for c in self._unwritten if c.run and c.job.id in self._walks}
        inactive = self.rules.rights.inactive(self.journal.connection, begun)
        reach("journal.writing")
        verdicts = self._verdicts(self._unwritten)
        reach("journal.written")
        checkpoints, self._unwritten = self._unwritten, []
        for checkpoint in checkpoints:
            self._settle(checkpoint, verdicts[checkpoint.job.id], inactive)
        dues = [wait.due_in for checkpoint in checkpoints for wait in checkpoint.waits if wait.due_in is not None]
        return self.journal.has_told or any(checkpoint.queued for checkpoint in checkpoints), min(dues, default=None)

    def abandon(self) -> None:
        """Forget everything that is held. Nothing is written: the leases run out and the journal decides."""
        for walk in self._walks.values():
            walk.close()
        self._walks, self._moving, self._unopened, self._unwritten = {}, {}, [], []
        self._sifting, self._decided = {}, {}

    def _move(self) -> None:
        """Let the walks go on that have something to do, but for those whose last checkpoint is not written."""
        unwritten = {checkpoint.job.id for checkpoint in self._unwritten}
        for job_id in [job_id for job_id in self._moving if job_id not in unwritten]:
            self._unwritten.append(self._moving.pop(job_id).proceed())

    # --- walking ------------------------------------------------------------------------------------------------------

    def _open(self, jobs: Sequence[ClaimedJob]) -> list[Checkpoint]:
        """The first checkpoints of claimed jobs; of one that cannot be walked, none: its lease runs out."""
        try:
            return self._open_all(jobs)
        except Exception as error:
            if database.is_away(error):
                raise
            if len(jobs) > 1:
                return [checkpoint for job in jobs for checkpoint in self._open([job])]
            log.exception("job %s cannot be walked", jobs[0].id)
            self._walks.pop(jobs[0].id, None)
            return []

    def _open_all(self, jobs: Sequence[ClaimedJob]) -> list[Checkpoint]:
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
                    self._sift(job, event, matches)
        if advance:
            stored = self.journal.read([job.run_id for job in advance if job.run_id])
            inactive = self.rules.rights.inactive(
                self.journal.connection, {run.record.version_id for run in stored.values()}
            )
            checkpoints += [
                self._advance(job, stored.get(job.run_id) if job.run_id else None, inactive) for job in advance
            ]
        return checkpoints

    def _sift(self, job: ClaimedJob, event: dict[str, Any], filters: Undecided) -> None:
        self._sifting[job.id] = search.call(job, {"event": event}, filters)
        self._start(self._sifting[job.id])

    def _dispatch(self, job: ClaimedJob, event: dict[str, Any], matches: list[Match]) -> Checkpoint:
        """One match goes on under the same lease; of several, each run gets a job of its own."""
        runs = [_new_run(job, event, match) for match in matches]
        if any(run.depth > MAX_DEPTH for run in runs):
            log.warning("event %s starts nothing: runs started each other %d deep", job.event_id, MAX_DEPTH)
            return Checkpoint(job, Outcome.COMPLETE)
        queued = [self._prepared(match, run, event) for match, run in zip(matches, runs, strict=True)]
        if len(queued) == 1 and queued[0].wait is None:
            return self._walk(job, queued[0].run, event, None)
        if not runs and event["headers"].get("automate-run"):
            self._nudge()  # nobody answers the call
        if any(each.wait for each in queued):
            self._nudge()
        return Checkpoint(job, Outcome.COMPLETE, queued=queued)

    def _prepared(self, match: Match, run: RunRecord, event: dict[str, Any]) -> QueuedRun:
        """The new run with what its version says of it: what it is found by, and whether it waits before it starts."""
        program = self._readable(match.version_id)
        if program is not None:
            with knowing(program.secrecy.redactor):
                run.terms = program.search_terms.values(event, program.vars)
            run.priority = program.priority
        if match.is_paused:
            return QueuedRun(run, Wait.Kind.PAUSED)
        if program is None or program.limit is None:
            return QueuedRun(run)
        run.slot_key = program.limit.key_for(event, program.vars)
        return QueuedRun(run, Wait.Kind.SLOT, {"limit": program.limit.limit, "policy": program.limit.policy})

    def warm_up(self) -> None:
        """Load what the first runs would wait for: plug-ins, some published versions, PostgreSQL's plans.

        Raises psycopg.Error.
        """
        connectors.names()
        for version_id in self.journal.published(WARM_VERSIONS):
            self._readable(version_id)
        self.rules.match([{"event": event_scope(None)}], [None])
        self.journal.read([])
        self.journal.write([])

    def _readable(self, version_id: int) -> Program | None:
        try:
            return self._program_of(version_id)
        except (DefinitionError, RuleError, TemplateError, LookupError):
            return None

    def _advance(self, job: ClaimedJob, stored: StoredRun | None, inactive: dict[int, Any]) -> Checkpoint:
        if stored is None:
            return Checkpoint(job, Outcome.COMPLETE)
        if stored.record.status in FINAL_RUN_STATES:
            return Checkpoint(job, Outcome.COMPLETE, stored.record, _cut_off(stored))
        if said := inactive.get(stored.record.version_id):
            return _given_up(job, stored, said)
        return self._walk(job, stored.record, job_event_scope(job), stored)

    def _walk(self, job: ClaimedJob, run: RunRecord, event: dict[str, Any], stored: StoredRun | None) -> Checkpoint:
        program = self._program(run)
        if program is None:
            return Checkpoint(job, Outcome.COMPLETE, run)
        run.slug = program.workflow
        walk = self._walks[job.id] = Walk(job, run, program, event, stored, max_inline_bytes=self._most_bytes)
        return walk.proceed()

    def _program(self, run: RunRecord) -> Program | None:
        """The run's program; or None, with the run failed, when its version can no longer be read."""
        try:
            return self._program_of(run.version_id)
        except (DefinitionError, RuleError, TemplateError, LookupError) as error:
            log.warning("run %s: version %s cannot be run: %s", run.id, run.version_id, error)
            if run.status != RunStatus.RUNNING:
                run.start()
            run.fail({"code": "broken_definition", "message": f"This version cannot be run: {error}"})
            return None

    def _load(self, version_id: int) -> Program:
        document, terms = self.journal.definition(version_id)
        program = prepare(parse(document))
        return program if terms is None else on_terms(program, msgspec.convert(terms, Terms))

    # --- writing ------------------------------------------------------------------------------------------------------

    def _verdicts(self, checkpoints: list[Checkpoint]) -> dict[uuid.UUID, Verdict]:
        """Write all at once; if that cannot be, one by one, so that none takes another with it."""
        try:
            return self.journal.write(checkpoints)
        except Exception as error:
            if database.is_away(error):
                raise
            if len(checkpoints) > 1:
                return {job: verdict for each in checkpoints for job, verdict in self._verdicts([each]).items()}
            return self._refused(checkpoints[0], error)

    def _refused(self, checkpoint: Checkpoint, error: Exception) -> dict[uuid.UUID, Verdict]:
        """A checkpoint cannot be stored: its run fails, and its steps are kept without what they hold."""
        job, run, walk = checkpoint.job, checkpoint.run, self._walks.get(checkpoint.job.id)
        log.error("job %s: its checkpoint cannot be stored: %s", job.id, error)
        if run is None or walk is None:  # nothing of ours is in it; its lease runs out and it is tried again
            return {job.id: Verdict.LOST}
        walk.cancel()
        run.status = RunStatus.RUNNING  # what the walk came to counts for nothing
        run.fail({"code": "not_storable", "message": "A step's result cannot be stored."})
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
                return self.journal.write([Checkpoint(job, Outcome.COMPLETE, run, kept)])
            except Exception as again:
                if database.is_away(again):
                    raise
                log.exception("job %s: nor can the reason", job.id)
        return {job.id: Verdict.LOST}

    def _settle(self, checkpoint: Checkpoint, verdict: Verdict, inactive: dict[int, Any]) -> None:
        job, run = checkpoint.job, checkpoint.run
        if run is not None and run.status in FINAL_RUN_STATES and (run.parent_id or run.slot_key is not None):
            self._nudge()
        walk = self._walks.get(job.id)
        if walk is None:
            return
        walk.run.new = False
        if verdict is Verdict.CANCELLED:
            walk.cancel()
        if verdict is Verdict.LOST:
            log.warning("job %s: lease lost, its work is dropped", job.id)
        elif walk.cancelled and checkpoint.outcome is Outcome.HOLD:
            if not walk.pending_effects:
                self._moving[job.id] = walk  # to complete the job
            return
        elif checkpoint.outcome is Outcome.HOLD:
            self._begin(walk, inactive.get(walk.run.version_id))
            if walk.is_paused:
                self._moving[job.id] = walk
            return
        self._moving.pop(job.id, None)
        self._walks.pop(job.id).close()

    def _begin(self, walk: Walk, said: Any) -> None:
        """Start its effects; when its run-as user is not active, each fails before it begins."""
        starting, walk.effects_to_start = walk.effects_to_start, []
        for effect in starting:
            if said is None:
                self._start(EffectCall(walk.job, effect, walk, self.journal.worker))
            else:
                walk.deliver_result(effect, EffectOutcome(error=ConnectorError(**inactive_error(said))))
                self._moving[walk.job.id] = walk


#: Sources that only the platform itself hands in: their headers say who called, and how deep.
_INSIDE = ("call:", "run:", "model:")


def _cut_off(stored: StoredRun) -> list[StepRecord]:
    """The attempts that nobody will hear of any more."""
    running = [step for step in stored.steps.values() if step.status == StepStatus.RUNNING]
    for step in running:
        step.interrupt()
    return running


def _given_up(job: ClaimedJob, stored: StoredRun, said: Any) -> Checkpoint:
    """A run whose run-as user is not active begins no further step, not even one that would catch an error."""
    run, steps = stored.record, _cut_off(stored)
    for step in stored.steps.values():
        if step.status == StepStatus.WAITING:
            step.cancel()
            steps.append(step)
    if run.status != RunStatus.RUNNING:
        run.start()
    run.slug = said.slug
    run.fail(inactive_error(said))
    cancelled_waits = [path for path, wait in stored.waits.items() if wait.is_open]
    return Checkpoint(job, Outcome.COMPLETE, run, steps, cancelled_waits=cancelled_waits)


def _new_run(job: ClaimedJob, event: dict[str, Any], match: Match) -> RunRecord:
    headers = event["headers"] if event["source"].startswith(_INSIDE) else {}
    return RunRecord(
        id=str(uuid7()),
        workflow_id=match.workflow_id,
        version_id=match.version_id,
        event_id=str(job.event_id),
        trace_id=job.trace_id or "",
        slug=match.slug,
        parent_id=headers.get("automate-run"),
        parent_path=headers.get("automate-path", ""),
        depth=int(headers.get("automate-depth", 0)),
        origin=host_events.trigger_kind(event["source"]),
        new=True,
    )
