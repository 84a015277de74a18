"""The figures of a scrape. Each statement is driven by an index, or reads a table as small as the configuration.

Counts begin at midnight (UTC), when the row of a new day begins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from django.apps import apps
from django.db import transaction
from django.utils import timezone

from automate_core import database
from automate_core.engine.effects.executor_pools import LIVE_SECONDS, PoolError, declared_pools
from automate_core.events import stops
from automate_core.models import Wait, Workflow
from automate_core.outbox.status import OLDEST_TRANSACTION_SECONDS, alive_seconds
from automate_governance.audit import verification
from automate_llm import budgets
from automate_llm.models import LLMBudget
from automate_operations.disks import Disk, written_disks
from automate_operations.retention.stages import ALL_STAGES

SECONDS = 5.0  #: that a statement may take
MOST_READY = 1_000_000  #: jobs that are counted; a longer queue shows as this many
MOST = 100_000  #: the same for waits of one kind, and for everything else that is counted row by row
MOST_CODES = 50
MOST_MODELS = 20
MOST_POOLS = 50

# The planner knows too little of tables that have just grown (docs/adr/0004): rows are found by keys.
_OPTIONS = """
SELECT set_config('statement_timeout', %(timeout)s, true) AS timeout, set_config('jit', 'off', true) AS jit,
    set_config('enable_seqscan', 'off', true) AS scans
"""

QUEUE = f"""
WITH ready AS MATERIALIZED (
    SELECT lane, count(*) AS jobs,
        greatest(extract(epoch FROM automate_now() - min(available_at)), 0)::float8 AS oldest_seconds
    FROM (SELECT lane, available_at FROM automate_core_outboxjob
        WHERE status = 'ready' AND NOT suspect AND available_at <= automate_now() LIMIT {MOST_READY}) jobs
    GROUP BY lane
)
SELECT json_build_object(
    'lanes', (SELECT coalesce(json_agg(ready ORDER BY lane), '[]') FROM ready),
    'leased', (SELECT count(*) FROM automate_core_outboxjob WHERE status = 'leased'),
    'expired_leases', (SELECT count(*) FROM automate_core_outboxjob
        WHERE status = 'leased' AND lease_until < automate_now()),
    'quarantined', (SELECT count(*) FROM (SELECT FROM automate_core_outboxjob
        WHERE status = 'ready' AND suspect LIMIT {MOST}) jobs),
    'dead', (SELECT count(*) FROM (SELECT FROM automate_core_outboxjob WHERE status = 'dead' LIMIT {MOST}) jobs),
    'workers', (SELECT json_build_object('alive', count(*), 'slots', coalesce(sum(slots), 0),
            'held', coalesce(sum(held), 0))
        FROM automate_core_workerstate WHERE seen_at > automate_now() - %(alive)s * interval '1 second'),
    'transaction_seconds', ({OLDEST_TRANSACTION_SECONDS}),
    'captured_changes', (SELECT count(*) FROM (SELECT FROM automate_core_capturedchange LIMIT {MOST}) changes)
)::text AS found
"""  # noqa: S608 - our own texts

RUNS = f"""
SELECT json_build_object(
    'day', extract(epoch FROM %(day)s::timestamptz)::float8,
    'workflows', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT workflow.slug, count.succeeded, count.failed, count.cancelled
        FROM automate_core_runcount count JOIN automate_core_workflow workflow ON workflow.id = count.workflow_id
        WHERE count.span = 'day' AND count.at = %(day)s) counted),
    'times', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT measure, bucket, sum(count) AS count FROM automate_core_runtime
        WHERE span = 'day' AND measure IN ('took', 'queued') AND at = %(day)s
        GROUP BY measure, bucket) counted),
    'errors', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT failures.code, sum(count.count) AS count
        FROM automate_core_failurecount count JOIN automate_core_failuregroup failures ON failures.id = count.group_id
        WHERE count.at >= %(day)s GROUP BY failures.code ORDER BY 2 DESC, 1 LIMIT {MOST_CODES}) counted),
    'uncounted', (SELECT count(*) FROM (SELECT FROM automate_core_endedrun LIMIT {MOST}) ended)
)::text AS found
"""  # noqa: S608 - our own texts

OTHERS = f"""
SELECT json_build_object(
    'waits', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT kind, count FROM unnest(%(kinds)s::text[]) AS kinds(kind) CROSS JOIN LATERAL (
            SELECT count(*) AS count FROM (SELECT FROM automate_core_wait
                WHERE status = 'open' AND kind = kinds.kind LIMIT {MOST}) waits) waits) counted),
    'oldest_waits', (SELECT coalesce(json_agg(found), '[]') FROM (
        SELECT kind, greatest(extract(epoch FROM automate_now() - created_at), 0)::float8 AS seconds
        FROM unnest(%(kinds)s::text[]) AS kinds(kind) CROSS JOIN LATERAL (
            SELECT created_at FROM automate_core_wait
            WHERE status = 'open' AND kind = kinds.kind ORDER BY id LIMIT 1) wait) found),
    'connections', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT health, count(*) AS count FROM automate_connectors_connection GROUP BY health) counted),
    'rejected', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT reason, sum(count) AS count FROM automate_core_refuseddeliveries
        WHERE day = %(date)s GROUP BY reason) counted),
    'polls', (SELECT json_build_object('count', count(*), 'failing', count(*) FILTER (WHERE poll.failures > 0),
            'lag_seconds', coalesce(greatest(extract(epoch FROM automate_now() - min(poll.next_at)
                FILTER (WHERE poll.lease_until IS NULL OR poll.lease_until < automate_now())), 0), 0)::float8)
        FROM automate_core_pollstate poll JOIN automate_core_workflow workflow ON workflow.id = poll.workflow_id
        WHERE workflow.status = 'active'),
    'service_webhooks', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT state, count(*) AS count, count(*) FILTER (WHERE failures > 0) AS failing
        FROM automate_core_servicewebhook GROUP BY state) counted),
    'pruning', (SELECT json_build_object('is_open', ended_at IS NULL, 'stage', stage, 'counts', counts)
        FROM automate_core_pruning WHERE workflow = '' ORDER BY id DESC LIMIT 1),
    'pruned_at', (SELECT extract(epoch FROM max(ended_at))::float8 FROM automate_core_pruning WHERE workflow = '')
)::text AS found
"""  # noqa: S608 - our own texts

POOLS = f"""
SELECT json_build_object(
    'steps', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT pool, count(*) FILTER (WHERE claimed_at IS NULL) AS waiting, count(claimed_at) AS performing,
            coalesce(greatest(extract(epoch FROM
                automate_now() - min(created_at) FILTER (WHERE claimed_at IS NULL)), 0), 0)::float8 AS oldest_seconds
        FROM (SELECT pool, claimed_at, created_at FROM automate_core_handedoutstep LIMIT {MOST}) steps
        GROUP BY pool ORDER BY 2 DESC, 1 LIMIT {MOST_POOLS}) counted),
    'consumers', (SELECT coalesce(json_agg(counted), '[]') FROM (
        SELECT pool, count(*) AS alive, sum(slots) AS slots FROM automate_core_poolconsumer
        WHERE seen_at > automate_now() - %(alive)s * interval '1 second'
        GROUP BY pool ORDER BY 2 DESC, 1 LIMIT {MOST_POOLS}) counted)
)::text AS found
"""  # noqa: S608 - our own texts

SPEND = f"""
SELECT provider, model, count(*) AS calls, sum(tokens_in)::float8 AS tokens_in, sum(tokens_out)::float8 AS tokens_out,
    coalesce(sum(cost), 0)::float8 AS cost
FROM automate_llm_llmusage WHERE day = %(day)s
GROUP BY provider, model ORDER BY cost DESC, calls DESC, provider, model LIMIT {MOST_MODELS}
"""  # noqa: S608 - our own texts


class Lane(msgspec.Struct, frozen=True):
    """The ready jobs of a lane, and the age of the oldest."""

    lane: int
    jobs: int
    oldest_seconds: float


class Workers(msgspec.Struct, frozen=True):
    """Workers that reported lately, their slots and the jobs in these."""

    alive: int
    slots: int
    held: int


class Queue(msgspec.Struct, frozen=True):
    """The queue: due jobs by lane, and the others by state."""

    lanes: list[Lane]
    leased: int
    expired_leases: int
    quarantined: int
    dead: int
    workers: Workers
    transaction_seconds: float | None
    captured_changes: int


class WorkflowRuns(msgspec.Struct, frozen=True):
    """The ended runs of a workflow."""

    slug: str
    succeeded: int
    failed: int
    cancelled: int

    @property
    def runs(self) -> int:
        """The number of all of them."""
        return self.succeeded + self.failed + self.cancelled


class Times(msgspec.Struct, frozen=True):
    """Runs of a measure ("took" or "queued") in a bucket of `statistics.buckets`."""

    measure: str
    bucket: int
    count: int


class Errors(msgspec.Struct, frozen=True):
    """Failed runs with a code."""

    code: str
    count: int


class Runs(msgspec.Struct, frozen=True):
    """What ended since `day`, a time in seconds since the epoch."""

    day: float
    workflows: list[WorkflowRuns]
    times: list[Times]
    errors: list[Errors]
    uncounted: int


class Waits(msgspec.Struct, frozen=True):
    """Open waits of a kind."""

    kind: str
    count: int


class OldestWait(msgspec.Struct, frozen=True):
    """The age of the oldest open wait of a kind."""

    kind: str
    seconds: float


class Connections(msgspec.Struct, frozen=True):
    """Connections with a health."""

    health: str
    count: int


class Rejected(msgspec.Struct, frozen=True):
    """Rejected deliveries of a day with a reason."""

    reason: str
    count: int


class Polls(msgspec.Struct, frozen=True):
    """Polls of active workflows; `lag_seconds` is the delay of the most overdue poll that is not running."""

    count: int
    failing: int
    lag_seconds: float


class ServiceWebhooks(msgspec.Struct, frozen=True):
    """Service webhooks in a state, and those of them whose last call failed."""

    state: str
    count: int
    failing: int


class RetentionPass(msgspec.Struct, frozen=True):
    """The newest retention pass, with the rows that it has deleted by kind."""

    is_open: bool
    stage: int
    counts: dict[str, int]


class Others(msgspec.Struct, frozen=True):
    """Waits, connections, deliveries, polls and retention."""

    waits: list[Waits]
    oldest_waits: list[OldestWait]
    connections: list[Connections]
    rejected: list[Rejected]
    polls: Polls
    service_webhooks: list[ServiceWebhooks]
    pruning: RetentionPass | None
    pruned_at: float | None


class PoolSteps(msgspec.Struct, frozen=True):
    """Handed-out steps of a pool, and the age of the oldest that is not performed yet."""

    pool: str
    waiting: int = 0
    performing: int = 0
    oldest_seconds: float = 0.0


class PoolConsumers(msgspec.Struct, frozen=True):
    """Processes of a pool that reported lately, and how many steps they take at once."""

    pool: str
    alive: int = 0
    slots: int = 0


class Pools(msgspec.Struct, frozen=True):
    """Pools with a backlog, and pools with consumers."""

    steps: list[PoolSteps]
    consumers: list[PoolConsumers]


class Spend(msgspec.Struct, frozen=True):
    """The model calls of the site's day."""

    provider: str
    model: str
    calls: int
    tokens_in: float
    tokens_out: float
    cost: float


class Readings(msgspec.Struct, frozen=True):
    """Everything that one scrape shows."""

    queue: Queue
    runs: Runs
    others: Others
    pools: Pools
    spend: list[Spend]
    disks: list[Disk] = []
    refusing_budgets: int | None = None  # None without the app of language models
    stopped_workflows: int = 0
    audit_faults: int | None = None  # of the last verification; None without one
    audit_verified_seconds: float | None = None  # since it ended
    stages: int = len(ALL_STAGES)


# Made here: msgspec resolves types at their first use, which two threads at once do not survive.
_queue, _runs, _others = msgspec.json.Decoder(Queue), msgspec.json.Decoder(Runs), msgspec.json.Decoder(Others)
_pools = msgspec.json.Decoder(Pools)


def read_all() -> Readings:
    """Read everything, in one read-only transaction on Django's connection, in a fixed number of statements.

    Raises django.db.Error or psycopg.Error, also where a statement takes longer than SECONDS.
    """
    with transaction.atomic():
        database.run(None, _OPTIONS, {"timeout": f"{SECONDS * 1000:.0f}"})
        alive = alive_seconds()
        day = database.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return Readings(
            queue=_document(QUEUE, {"alive": alive}, _queue),
            runs=_document(RUNS, {"day": day}, _runs),
            others=_document(OTHERS, {"kinds": list(Wait.Kind.values), "date": day.date()}, _others),
            pools=_with_declared(_document(POOLS, {"alive": LIVE_SECONDS}, _pools)),
            stopped_workflows=len(stops.stopped_workflows(Workflow.objects.all())),
            **_audit(),
            disks=written_disks(),
            refusing_budgets=_count_refusing_budgets(),
            spend=_read_spend(timezone.localdate(timezone=timezone.get_default_timezone())),
        )


def _document[T: msgspec.Struct](statement: str, values: Mapping[str, Any], decoder: msgspec.json.Decoder[T]) -> T:
    [row] = database.run(None, statement, values)
    return decoder.decode(row.found)


def _with_declared(found: Pools) -> Pools:
    """The pools, with zeros for declared ones.

    Consumers are those of pools whose executor reports them, or that are not declared.
    """
    try:
        declared = {name: pool for name, pool in declared_pools().items() if not pool.is_local}
    except PoolError:
        declared = {}
    steps, consumers = {each.pool: each for each in found.steps}, {each.pool: each for each in found.consumers}
    names = [*sorted(steps), *sorted(declared.keys() - steps)][:MOST_POOLS]
    reporting = [name for name in names if name not in declared or declared[name].executor.reports_consumers]
    return Pools(
        steps=[steps.get(name) or PoolSteps(name) for name in names],
        consumers=[consumers.get(name) or PoolConsumers(name) for name in reporting],
    )


def _read_spend(day: dt.date) -> list[Spend]:
    if not apps.is_installed("automate_llm"):
        return []
    return [Spend(*row) for row in database.run(None, SPEND, {"day": day})]


def _count_refusing_budgets() -> int | None:
    """Budgets that refused a call in their present period."""
    if not apps.is_installed("automate_llm"):
        return None
    return len(budgets.current_refusals(LLMBudget.objects.filter(refused__gt=0), budgets.today()))


def _audit() -> dict[str, Any]:
    last = verification.last_verification()
    if last is None:
        return {}
    seconds = max((database.now() - last.at).total_seconds(), 0)
    return {"audit_faults": verification.fault_count(last), "audit_verified_seconds": seconds}
