"""What must hold after every fault, as SQL and comparisons of sets: one function for each invariant.

I14 and I20 are about rates and sizes over time: the long forms measure them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import psycopg

from automate_core import states
from automate_core.engine.retry import LONGEST_RETRY_AFTER
from tests.faults.history import changes

CRASH_LIMIT = 3
INSTANT = timedelta(microseconds=1)
EDGES = {"job": states.JOB_EDGES, "run": states.RUN_EDGES, "step": states.STEP_EDGES, "wait": states.WAIT_EDGES}


@dataclass
class Evidence:
    """What the outside saw: every answer to a delivery, every call of the sink, every worker that was told to stop.

    `quiet` says that all work should have ended by now. `most_attempts` is AUTOMATE_MAX_ATTEMPTS of the workers.
    `most_claims` is above 1 where a pool performs the steps.
    """

    answers: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    calls: Callable[[], list[tuple[str, str, Any]]] = list
    stopped: dict[str, datetime] = field(default_factory=dict)
    quiet: bool = True
    most_attempts: int = 5
    most_claims: int = 1  #: of one attempt, by performers of a pool

    def answered(self, delivery: str, status: int, trace_id: str) -> None:
        """A delivery was answered."""
        self.answers[delivery].append((status, trace_id))

    @property
    def acknowledged(self) -> set[str]:
        """The trace ids that were promised. Callable while senders are at work."""
        known = list(self.answers.values())
        return {trace_id for answers in known for status, trace_id in list(answers) if status == 202}


type Check = Callable[[psycopg.Connection[Any], Evidence], None]


def check(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """Run all of them. Raises AssertionError with everything that does not hold."""
    broken = []
    for each in CHECKS:
        try:
            each(connection, evidence)
        except AssertionError as error:
            broken.append(f"{each.__name__}: {error}")
    assert not broken, "\n".join(broken)


def _none(connection: psycopg.Connection[Any], statement: str, *values: Any) -> None:
    """No row may come."""
    rows = connection.execute(statement, values).fetchall()
    assert not rows, f"{len(rows)} rows, such as {rows[:3]}"


def i1_durable_accept(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """What was acknowledged is there, with a job."""
    promised = list(evidence.acknowledged)
    rows = connection.execute(
        "SELECT trace_id FROM automate_core_event event WHERE trace_id = ANY(%s)"
        " AND EXISTS (SELECT FROM automate_core_outboxjob WHERE event_id = event.id)",
        [promised],
    )
    lost = set(promised) - {row[0] for row in rows}
    assert not lost, f"{len(lost)} acknowledged events are lost, such as {sorted(lost)[:3]}"


def i2_atomic_accept(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """No event without a job, no job without its event."""
    _none(
        connection,
        "SELECT id FROM automate_core_event event"
        " WHERE NOT EXISTS (SELECT FROM automate_core_outboxjob WHERE event_id = event.id)",
    )
    _none(
        connection,
        "SELECT id FROM automate_core_outboxjob job WHERE event_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM automate_core_event WHERE id = job.event_id)",
    )


def i3_one_event_for_one_key(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """One event for a delivery, and each answer names it."""
    _none(
        connection,
        "SELECT source, delivery_key FROM automate_core_event WHERE delivery_key IS NOT NULL"
        " GROUP BY 1, 2 HAVING count(*) > 1",
    )
    for delivery, answers in evidence.answers.items():
        named = {trace_id for status, trace_id in answers if status == 202}
        assert len(named) <= 1, f"delivery {delivery} was answered with {named}"


def i4_no_loss(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A run that has not ended has something that will go on with it; after quiet, everything has ended."""
    _none(
        connection,
        """SELECT id, status FROM automate_core_executionrun run WHERE status IN ('queued', 'running', 'waiting')
        AND NOT EXISTS (SELECT FROM automate_core_outboxjob WHERE run_id = run.id AND status IN ('ready', 'leased'))
        AND NOT EXISTS (SELECT FROM automate_core_wait WHERE run_id = run.id AND status = 'open')
        AND NOT EXISTS (SELECT FROM automate_core_executionrun child WHERE to_jsonb(child)->>'parent_id' = run.id::text
            AND child.status IN ('queued', 'running', 'waiting'))""",
    )
    if evidence.quiet:
        _none(connection, "SELECT id, status FROM automate_core_outboxjob WHERE status IN ('ready', 'leased')")
        _none(
            connection,
            "SELECT id, status FROM automate_core_executionrun WHERE status IN ('queued', 'running')"
            " OR status = 'waiting' AND NOT EXISTS"
            " (SELECT FROM automate_core_wait WHERE run_id = automate_core_executionrun.id AND status = 'open')",
        )


def i5_one_owner(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A claim takes a ready job, and raises its token by one; nothing else touches the token."""
    for change in changes(connection, "job"):
        if change.claims:
            before, after = change.before or {}, change.after
            assert (before["status"], after["status"]) == ("ready", "leased"), f"claimed while {before}: {after}"
            assert after["token"] == before["token"] + 1, f"the token went from {before} to {after}"
            assert after["lease_until"], f"claimed without a lease: {after}"


def i6_fencing(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A finished run was finished by the worker that held its job last, of the several jobs that a run may have had."""
    _none(
        connection,
        """WITH ended AS (
            SELECT id, min(position) AS position FROM fault_history
            WHERE kind = 'run' AND after->>'status' = 'succeeded' GROUP BY id
        ), held AS (
            SELECT DISTINCT ON (ended.id) ended.id, job.after->>'worker' AS worker
            FROM ended JOIN fault_history job ON job.kind = 'job' AND job.after->>'run_id' = ended.id::text
            WHERE job.after->>'worker' <> ''
            ORDER BY ended.id, job.position < ended.position AND job.after->>'status' = 'leased' DESC, job.position DESC
        )
        SELECT run.id, run.worker, held.worker FROM automate_core_executionrun run JOIN held ON held.id = run.id
        WHERE run.worker <> held.worker""",
    )


def i7_matched_once(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """One event makes at most one run of a workflow."""
    _none(
        connection,
        "SELECT event_id, workflow_id FROM automate_core_executionrun WHERE cause = 'trigger'"
        " GROUP BY 1, 2 HAVING count(*) > 1",
    )


def i8_step_results_once(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """At most one success of a step, nothing after it, and attempts without a gap."""
    _none(
        connection,
        """SELECT run_id, path FROM automate_core_steprun GROUP BY 1, 2
        HAVING count(*) FILTER (WHERE status = 'succeeded') > 1 OR max(attempt) <> count(*) OR min(attempt) <> 1
            OR max(attempt) FILTER (WHERE status = 'succeeded') < max(attempt)""",
    )


def i9_attempts_counted_at_claim(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A claim counts, before any work."""
    for change in changes(connection, "job"):
        if change.claims:
            before, after = change.before or {}, change.after
            assert after["attempts"] == before["attempts"] + 1, f"a claim that was not counted: {before} to {after}"


def i10_poison(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """Attempts and crashes stay within their limits, and a dead job says why."""
    _none(
        connection,
        "SELECT id, attempts, crashes FROM automate_core_outboxjob"
        " WHERE attempts > %s OR crashes > %s OR (status = 'dead' AND last_error = '')",
        evidence.most_attempts,
        CRASH_LIMIT,
    )
    _none(
        connection,
        "SELECT run.id FROM automate_core_executionrun run JOIN automate_core_outboxjob job ON job.run_id = run.id"
        " WHERE job.status = 'dead' AND (run.status NOT IN ('failed', 'cancelled')"
        " OR run.status = 'failed' AND run.error IS NULL)",
    )


def i11_monotone_states(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """Only along the edges that docs/state-machines.md draws, of which a checkpoint may take several; final is final."""
    for kind, edges in EDGES.items():
        for change in changes(connection, kind):
            if change.before is not None and change.before["status"] != change.after["status"]:
                was, became = change.before["status"], change.after["status"]
                assert became in _reachable(edges, was), f"{kind} {change.id} went from {was} to {became}"


def _reachable(edges: states.Edges, source: str) -> set[str]:
    found: set[str] = set()
    waiting = list(edges[source])
    while waiting:
        if (state := waiting.pop()) not in found:
            found.add(state)
            waiting.extend(edges[state])
    return found


def i12_backoff(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """The delay before a repeat lies in the bounds of its step's policy, or is what the other side asked for."""
    rows = connection.execute(
        """SELECT wait.path, version.definition, step.error->>'retry_after',
            extract(epoch FROM wait.due_at - wait.created_at)::float8,
            (SELECT count(*) FROM automate_core_steprun failed WHERE failed.run_id = wait.run_id
                AND failed.path = wait.path AND failed.status = 'failed' AND failed.seq <= wait.seq)
        FROM automate_core_wait wait
        JOIN automate_core_executionrun run ON run.id = wait.run_id
        JOIN automate_core_workflowversion version ON version.id = run.version_id
        JOIN automate_core_steprun step ON step.run_id = wait.run_id AND step.path = wait.path AND step.seq = wait.seq
        WHERE wait.kind = 'retry'"""
    ).fetchall()
    for path, definition, asked, delay, failures in rows:
        policies = [step.get("retry", {}) for step in _steps(definition) if step["key"] == _key(path)]
        policy = {"base": 2.0, "factor": 2.0, "cap": 900.0, **policies[0]}
        backoff = min(policy["cap"], policy["base"] * policy["factor"] ** (failures - 1))
        wanted = min(float(asked or 0), LONGEST_RETRY_AFTER)
        assert max(backoff / 2, wanted) - 0.01 <= delay <= max(backoff, wanted) + 0.01, (
            f"{path} waits {delay} s after {failures} failures: {policy}, asked for {asked}"
        )


def _key(path: str) -> str:
    return re.sub(r"\[.*\]$", "", path.rpartition("/")[2])


def _steps(document: Any) -> Iterator[dict[str, Any]]:
    """Every mapping with a key in a definition."""
    if isinstance(document, dict):
        if "key" in document:
            yield document
        for value in document.values():
            yield from _steps(value)
    elif isinstance(document, list):
        for value in document:
            yield from _steps(value)


def i13_limits(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """At no time more admitted runs of a key than its workflow's versions allow."""
    limits = connection.execute(
        "SELECT workflow_id, max((definition->'concurrency'->>'limit')::int) FROM automate_core_workflowversion"
        " WHERE definition->'concurrency' IS NOT NULL GROUP BY 1"
    ).fetchall()
    most, going_on = dict(limits), defaultdict[tuple[int, str], set[Any]](set)
    for change in changes(connection, "run"):
        run = change.after
        if run["slot_key"] is None or run["workflow_id"] not in most:
            continue
        together = going_on[run["workflow_id"], run["slot_key"]]
        if run["admitted"] and run["status"] not in states.FINAL_RUN_STATES:
            together.add(change.id)
        else:
            together.discard(change.id)
        assert len(together) <= most[run["workflow_id"]], f"{len(together)} at once: {change}"


_STEP_OF_RUN = "automate_core_steprun step JOIN automate_core_executionrun run ON run.id = step.run_id"
_INHERITS = "run.inherited_keys->step.path->>'key' = step.idempotency_key"


def i15_idempotency_key(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """One key for a step, no other step's, and no more calls with it than attempts.

    A re-run may send the key that it inherits for the step, which is that of the same step of the run that it repeats.
    """
    _none(
        connection,
        "SELECT run_id, path FROM automate_core_steprun GROUP BY 1, 2 HAVING count(DISTINCT idempotency_key) > 1",
    )
    _none(
        connection,
        f"""SELECT step.idempotency_key FROM {_STEP_OF_RUN} WHERE {_INHERITS} IS NOT TRUE
        GROUP BY 1 HAVING count(DISTINCT (step.run_id, step.path)) > 1""",
    )
    _none(
        connection,
        f"""SELECT step.run_id, step.path FROM {_STEP_OF_RUN} WHERE {_INHERITS} AND NOT EXISTS (
            SELECT FROM automate_core_steprun first WHERE first.run_id = run.retried_from_id
            AND first.path = step.path AND first.idempotency_key = step.idempotency_key)""",
    )
    made = Counter(key for _, key, _ in evidence.calls() if key)
    rows = connection.execute("SELECT idempotency_key, count(*) FROM automate_core_steprun GROUP BY 1").fetchall()
    attempts = dict(rows)
    for key, count in made.items():
        assert count <= attempts.get(key, 0) * evidence.most_claims, (
            f"{count} calls with the key {key}, {attempts.get(key, 0)} attempts"
        )


def i16_shutdown(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A worker that was told to stop claims nothing more; a second is allowed for the claim that is under way."""
    for change in changes(connection, "job"):
        if change.claims and change.after["worker"] in evidence.stopped:
            told = evidence.stopped[change.after["worker"]]
            assert change.at <= told + timedelta(seconds=1), f"{change.after['worker']} claimed after SIGTERM"


def i17_clocks(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """Nothing is taken from a living holder before the lease ends, whatever a worker's clock says."""
    for change in changes(connection, "job"):
        before = change.before or {}
        taken = before.get("status") == "leased" and change.after["status"] == "ready" and not before.get("suspect")
        if taken and change.after["suspect"]:
            lease = datetime.fromisoformat(before["lease_until"])
            assert change.clock >= lease, f"taken back at {change.clock}, leased until {lease}"


def i18_schedules(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """Each time of a schedule up to the last that fired has its one event; only what was seen too late may lack it."""
    from automate_core.triggers.schedules import ON_TIME, slots_after  # the long forms set Django up later

    schedules = connection.execute(
        "SELECT workflow.slug, schedule.key, schedule.times FROM automate_core_schedule schedule"
        " JOIN automate_core_workflow workflow ON workflow.id = schedule.workflow_id"
    ).fetchall()
    for slug, key, times in schedules:
        rows = connection.execute(
            "SELECT payload->>'scheduled_for', received_at FROM automate_core_event WHERE source = %s AND type = %s",
            [f"schedule:{slug}", key],
        ).fetchall()
        fired = [datetime.fromisoformat(slot) for slot, _ in rows]
        assert len(fired) == len(set(fired)), f"{slug} {key} fired twice for one time"
        if not fired:
            continue
        last = max(fired)
        since = datetime.fromisoformat(times["anchor"]).astimezone(UTC) if "anchor" in times else min(fired)
        due = list(takewhile(last.__ge__, slots_after(times, since - INSTANT)))
        assert set(fired) <= set(due), f"{slug} {key} fired at {sorted(set(fired) - set(due))[:3]}: not its times"
        seen = {datetime.fromisoformat(slot): at for slot, at in rows}
        for slot in set(due) - set(fired):
            following = min(later for later in fired if later > slot)
            assert times["missed"] != "all" and seen[following] - slot > ON_TIME, f"{slug} {key} missed {slot}"


def i19_cancel_wins(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """No step of a cancelled run starts after it was."""
    _none(
        connection,
        "SELECT step.run_id, step.path FROM automate_core_steprun step"
        " JOIN automate_core_executionrun run ON run.id = step.run_id"
        " WHERE run.status = 'cancelled' AND step.started_at > run.finished_at",
    )


def i21_trace(connection: psycopg.Connection[Any], evidence: Evidence) -> None:
    """A trace id leads from the event to its runs, and every run that ended well has its steps."""
    _none(
        connection,
        "SELECT run.id FROM automate_core_executionrun run JOIN automate_core_event event ON event.id = run.event_id"
        " WHERE run.cause = 'trigger' AND run.trace_id <> event.trace_id",
    )
    _none(
        connection,
        "SELECT id FROM automate_core_executionrun run WHERE status = 'succeeded'"
        " AND NOT EXISTS (SELECT FROM automate_core_steprun WHERE run_id = run.id)",
    )


CHECKS: tuple[Check, ...] = (
    i1_durable_accept,
    i2_atomic_accept,
    i3_one_event_for_one_key,
    i4_no_loss,
    i5_one_owner,
    i6_fencing,
    i7_matched_once,
    i8_step_results_once,
    i9_attempts_counted_at_claim,
    i10_poison,
    i11_monotone_states,
    i12_backoff,
    i13_limits,
    i15_idempotency_key,
    i16_shutdown,
    i17_clocks,
    i18_schedules,
    i19_cancel_wins,
    i21_trace,
)
