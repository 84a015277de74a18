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
import psycopg

from automate_core.definition import DefinitionError, parse
from automate_core.engine.effects import EffectCall
from automate_core.engine.journal import Checkpoint, Journal, Outcome, QueuedRun, RunRecord, StoredRun, Verdict
from automate_core.engine.program import Program, prepare
from automate_core.engine.walk import EffectOutcome, Walk
from automate_core.ids import uuid7
from automate_core.lookups import TemplateError
from automate_core.matching import Match, RuleEngine
from automate_core.models import OutboxJob
from automate_core.outbox import ClaimedJob
from automate_core.rules import RuleError
from automate_core.states import FINAL_RUN_STATES, RunStatus, StepStatus

log = logging.getLogger(__name__)

CACHED_PROGRAMS = 2_000

type Result = tuple[EffectCall, EffectOutcome]


class ExecutionEngine:
    """The walks of one worker. `start` hands an effect to a thread and returns at once."""

    def __init__(self, journal: Journal, rules: RuleEngine, start: Callable[[EffectCall], None]) -> None:
        self.journal = journal
        self.rules = rules
        self._start = start
        self._program_of = lru_cache(CACHED_PROGRAMS)(self._load)  # a version never changes
        self._walks: dict[uuid.UUID, Walk] = {}
        self._unopened: list[ClaimedJob] = []
        self._unwritten: list[Checkpoint] = []

    @property
    def held(self) -> list[ClaimedJob]:
        """The jobs that are not settled. Callable from any thread."""
        return [*self._unopened, *(walk.job for walk in list(self._walks.values()))]

    def feed(self, results: Iterable[Result]) -> None:
        """Go on with the runs whose effects have ended. What they have to write, the next turn writes.

        The outcome of an attempt that the walk no longer waits for is dropped: its lease was lost meanwhile, and the
        attempt counts as interrupted.
        """
        for call, outcome in results:
            walk = self._walks.get(call.job_id)
            if walk is not None and walk.pending is call.effect:
                self._unwritten.append(walk.proceed(outcome))

    def turn(self, jobs: Sequence[ClaimedJob]) -> tuple[bool, float | None]:
        """Walk claimed jobs, write all checkpoints, start effects.

        Answers whether that made further jobs ready, and in how many seconds the next of its waits is due. Raises
        psycopg.OperationalError; a later turn then does what is left.
        """
        self._unopened.extend(jobs)
        self._unwritten.extend(self._open(self._unopened))
        self._unopened = []
        if not self._unwritten:
            return False, None
        verdicts = self._verdicts(self._unwritten)
        checkpoints, self._unwritten = self._unwritten, []
        for checkpoint in checkpoints:
            self._settle(checkpoint, verdicts[checkpoint.job.id])
        waits = [wait.due_in for checkpoint in checkpoints for wait in checkpoint.waits]
        return any(checkpoint.queued for checkpoint in checkpoints), min(waits, default=None)

    def abandon(self) -> None:
        """Forget everything that is held. Nothing is written: the leases run out and the journal decides."""
        self._walks, self._unopened, self._unwritten = {}, [], []

    # --- walking ------------------------------------------------------------------------------------------------------

    def _open(self, jobs: Sequence[ClaimedJob]) -> list[Checkpoint]:
        """The first checkpoints of claimed jobs; of one that cannot be walked, none: its lease runs out."""
        try:
            return self._open_all(jobs)
        except psycopg.Error:
            raise
        except Exception:
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
            events = [_event(job) for job in dispatch]
            matches = self.rules.match([{"event": event} for event in events])
            checkpoints += [self._dispatch(*each) for each in zip(dispatch, events, matches, strict=True)]
        if advance:
            stored = self.journal.read([job.run_id for job in advance if job.run_id])
            checkpoints += [self._advance(job, stored.get(job.run_id) if job.run_id else None) for job in advance]
        return checkpoints

    def _dispatch(self, job: ClaimedJob, event: dict[str, Any], matches: list[Match]) -> Checkpoint:
        if len(matches) != 1:
            queued = [QueuedRun(match.workflow_id, match.version_id) for match in matches]
            return Checkpoint(job, Outcome.COMPLETE, queued=queued)
        [match] = matches
        run = RunRecord(
            id=str(uuid7()),
            workflow_id=match.workflow_id,
            version_id=match.version_id,
            event_id=str(job.event_id),
            trace_id=job.trace_id or "",
            new=True,
        )
        return self._walk(job, run, event, None)

    def _advance(self, job: ClaimedJob, stored: StoredRun | None) -> Checkpoint:
        if stored is None or stored.record.status in FINAL_RUN_STATES:
            return Checkpoint(job, Outcome.COMPLETE)
        return self._walk(job, stored.record, _event(job), stored)

    def _walk(self, job: ClaimedJob, run: RunRecord, event: dict[str, Any], stored: StoredRun | None) -> Checkpoint:
        program = self._program(run)
        if program is None:
            return Checkpoint(job, Outcome.COMPLETE, run)
        walk = self._walks[job.id] = Walk(job, run, program, event, stored)
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
        return prepare(parse(self.journal.definition(version_id)))

    # --- writing ------------------------------------------------------------------------------------------------------

    def _verdicts(self, checkpoints: list[Checkpoint]) -> dict[uuid.UUID, Verdict]:
        """Write all at once; if that cannot be, one by one, so that none takes another with it."""
        try:
            return self.journal.write(checkpoints)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - a plug-in's values may fail to encode in any way
            if len(checkpoints) > 1:
                return {job: verdict for each in checkpoints for job, verdict in self._verdicts([each]).items()}
            return self._refused(checkpoints[0], error)

    def _refused(self, checkpoint: Checkpoint, error: Exception) -> dict[uuid.UUID, Verdict]:
        """A checkpoint cannot be stored: its run fails, and its steps are kept without what they hold."""
        job, run, walk = checkpoint.job, checkpoint.run, self._walks.get(checkpoint.job.id)
        log.error("job %s: its checkpoint cannot be stored: %s", job.id, error)
        if run is None or walk is None:  # nothing of ours is in it; its lease runs out and it is tried again
            return {job.id: Verdict.LOST}
        walk.pending = None
        run.status = RunStatus.RUNNING  # what the walk came to counts for nothing
        run.fail({"code": "not_storable", "message": "A step's result cannot be stored."})
        steps = [
            replace(step, status=StepStatus.FAILED, input=None, output=None, error=run.error)
            for step in checkpoint.steps
        ]
        for kept in (steps, []):
            try:
                return self.journal.write([Checkpoint(job, Outcome.COMPLETE, run, kept)])
            except psycopg.OperationalError:
                raise
            except Exception:
                log.exception("job %s: nor can the reason", job.id)
        return {job.id: Verdict.LOST}

    def _settle(self, checkpoint: Checkpoint, verdict: Verdict) -> None:
        job = checkpoint.job
        walk = self._walks.get(job.id)
        if walk is None:
            return
        walk.run.new = False
        if verdict is Verdict.HELD and walk.pending is not None:
            self._start(EffectCall(job.id, walk.pending, walk.scope["run"], walk.run.workflow_id))
            return
        if verdict is Verdict.LOST:
            log.warning("job %s: lease lost, its work is dropped", job.id)
        del self._walks[job.id]


def _event(job: ClaimedJob) -> dict[str, Any]:
    """What expressions see as `event`; an empty one for a run without an event."""
    return {
        "payload": msgspec.json.decode(job.payload) if job.payload else None,
        "type": job.type or "",
        "source": job.source or "",
        "headers": msgspec.json.decode(job.headers) if job.headers else {},
        "id": str(job.event_id) if job.event_id else "",
        "time": job.received_at or "",
    }
