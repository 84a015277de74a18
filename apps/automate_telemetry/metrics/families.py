"""Metric families made of the readings. A label has few values: workflows, codes, models and lanes are the top ones.

A family that counts begins again at midnight (UTC), as a counter of a process that was restarted.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from automate_connectors.models import Connection
from automate_core.models import ServiceWebhook, Wait
from automate_operations.disks import Disk
from automate_operations.statistics import buckets
from automate_telemetry.metrics.readings import Pools, Queue, Readings, Runs, Spend, Times

TOP_LANES = 10
#: Upper bounds of buckets in seconds: powers of two of milliseconds, where buckets of the statistics end.
BOUNDS = tuple(2**exponent / 1000 for exponent in range(4, 25))


def make_families(readings: Readings, *, workflows: int) -> Iterator[Metric]:
    """Every family, with or without samples. At most `workflows` workflows are named."""
    yield from _queue(readings.queue)
    yield from _runs(readings.runs, workflows)
    yield _gauge(
        "workflows_stopped",
        "Published workflows that start no runs because of their run-as user.",
        readings.stopped_workflows,
    )
    yield _gauge("audit_faults", "Faults that the last verification of the audit trail found.", readings.audit_faults)
    yield _gauge(
        "audit_verified_seconds", "Time since the audit trail was last verified.", readings.audit_verified_seconds
    )
    yield from _waits(readings)
    yield from _pools(readings.pools)
    yield from _connections(readings)
    yield from _spend(readings.spend)
    yield _gauge(
        "llm_budgets_refusing",
        "Budgets that refused a model call in their present period.",
        readings.refusing_budgets,
    )
    yield from _disks(readings.disks)
    yield from _retention(readings)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    """A gauge without labels, and without a sample for None."""
    family = GaugeMetricFamily(f"automate_{name}", text)
    if value is not None:
        family.add_metric([], value)
    return family


def _gauges(name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = GaugeMetricFamily(f"automate_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counters(
    name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], float]], created: float
) -> Metric:
    family = CounterMetricFamily(f"automate_{name}", f"{text} Counted since midnight (UTC).", labels=labels)
    for values, value in samples:
        family.add_metric(values, value, created=created)
    return family


# --- queue ------------------------------------------------------------------------------------------------------------


def _queue(queue: Queue) -> Iterator[Metric]:
    ready, oldest = (
        sum(lane.jobs for lane in queue.lanes),
        max((lane.oldest_seconds for lane in queue.lanes), default=0),
    )
    yield _gauge("queue_ready_jobs", "Jobs that are due and that no worker has claimed.", ready)
    yield _gauge("queue_oldest_job_seconds", "Age of the oldest of these jobs: the latency of a claim now.", oldest)
    yield _gauge("queue_lanes", "Lanes with such jobs.", len(queue.lanes))
    top = {
        *heapq.nlargest(TOP_LANES, queue.lanes, key=lambda lane: lane.jobs),
        *heapq.nlargest(TOP_LANES, queue.lanes, key=lambda lane: lane.oldest_seconds),
    }
    lanes = sorted(top, key=lambda lane: lane.lane)
    yield _gauges(
        "queue_lane_ready_jobs",
        f"Ready jobs of the {TOP_LANES} longest and the {TOP_LANES} oldest lanes.",
        ["lane"],
        [([str(lane.lane)], lane.jobs) for lane in lanes],
    )
    yield _gauges(
        "queue_lane_oldest_job_seconds",
        "Age of the oldest ready job of these lanes.",
        ["lane"],
        [([str(lane.lane)], lane.oldest_seconds) for lane in lanes],
    )
    yield _gauge("queue_leased_jobs", "Jobs that a worker holds.", queue.leased)
    yield _gauge("queue_expired_leases", "Jobs whose worker does not renew its lease.", queue.expired_leases)
    yield _gauge("queue_quarantined_jobs", "Jobs that crashed a worker and run alone.", queue.quarantined)
    yield _gauge("queue_dead_jobs", "Jobs that failed permanently.", queue.dead)
    yield _gauge("workers", "Workers that reported lately.", queue.workers.alive)
    yield _gauge("worker_slots", "Job slots of these workers.", queue.workers.slots)
    yield _gauge("worker_slots_in_use", "Job slots that hold a job, as of the last report.", queue.workers.held)
    yield _gauge(
        "database_oldest_transaction_seconds",
        "Age of the oldest open transaction, which vacuum cannot pass.",
        queue.transaction_seconds,
    )
    yield _gauge("captured_changes", "Captured model changes that are not events yet.", queue.captured_changes)


# --- runs -------------------------------------------------------------------------------------------------------------


def _runs(runs: Runs, most: int) -> Iterator[Metric]:
    count = partial(_counters, created=runs.day)
    results = ("succeeded", "failed", "cancelled")
    totals = Counter({result: sum(getattr(each, result) for each in runs.workflows) for result in results})
    yield count("runs", "Ended runs.", ["result"], [([result], totals[result]) for result in results])
    top = heapq.nlargest(most, runs.workflows, key=lambda each: (each.runs, each.slug))
    yield count(
        "workflow_runs",
        "Ended runs of the workflows with most runs today.",
        ["workflow", "result"],
        [([each.slug, result], getattr(each, result)) for each in top for result in results],
    )
    yield count(
        "run_errors",
        "Failed runs by the code of their error, the most frequent codes of today.",
        ["code"],
        [([each.code], each.count) for each in runs.errors],
    )
    yield _histogram("run_duration_seconds", "Time from the start to the end of runs.", "took", runs.times)
    yield _histogram(
        "run_queue_seconds",
        "Time from the event to the start of its run: the latency of claims.",
        "queued",
        runs.times,
    )
    yield _gauge("uncounted_runs", "Ended runs that are not in these counts yet.", runs.uncounted)


def _histogram(name: str, text: str, measure: str, times: Iterable[Times]) -> Metric:
    """A histogram; its sum is made of the middles of the buckets, a tenth off at most."""
    counts = {each.bucket: each.count for each in times if each.measure == measure}
    sizes: list[tuple[str, float]] = []
    for bound in (*BOUNDS, math.inf):
        below = math.inf if bound == math.inf else round(math.log2(bound * 1000)) * buckets.A_DOUBLING
        sizes.append(
            ("+Inf" if bound == math.inf else f"{bound:g}", sum(n for bucket, n in counts.items() if bucket < below))
        )
    total = sum(buckets.seconds(bucket) * count for bucket, count in counts.items())
    text = f"{text} Counted since midnight (UTC)."
    return HistogramMetricFamily(f"automate_{name}", text, buckets=sizes, sum_value=total)


# --- everything else --------------------------------------------------------------------------------------------------


def _waits(readings: Readings) -> Iterator[Metric]:
    counts = {each.kind: each.count for each in readings.others.waits}
    oldest = {each.kind: each.seconds for each in readings.others.oldest_waits}
    kinds = Wait.Kind.values
    yield _gauges(
        "open_waits", "Open waits by their reason.", ["kind"], [([kind], counts.get(kind, 0)) for kind in kinds]
    )
    yield _gauges(
        "oldest_wait_seconds",
        "Age of the oldest open wait by its reason.",
        ["kind"],
        [([kind], oldest.get(kind, 0)) for kind in kinds],
    )


def _pools(pools: Pools) -> Iterator[Metric]:
    for name, text, measure in (
        ("pool_waiting_steps", "Handed-out steps that no process of the pool performs yet.", "waiting"),
        ("pool_performing_steps", "Steps that a process of the pool performs.", "performing"),
        ("pool_oldest_waiting_step_seconds", "Age of the oldest step that waits for the pool.", "oldest_seconds"),
    ):
        yield _gauges(name, text, ["pool"], [([each.pool], getattr(each, measure)) for each in pools.steps])
    yield _gauges(
        "pool_consumers",
        "Processes of the pool that reported lately; absent where the executor does not report them.",
        ["pool"],
        [([each.pool], each.alive) for each in pools.consumers],
    )
    yield _gauges(
        "pool_slots",
        "Steps that these processes perform at once.",
        ["pool"],
        [([each.pool], each.slots) for each in pools.consumers],
    )


def _connections(readings: Readings) -> Iterator[Metric]:
    others = readings.others
    found = {each.health: each.count for each in others.connections}
    states = Connection.Health.values
    yield _gauges(
        "connections", "Connections by health.", ["health"], [([each], found.get(each, 0)) for each in states]
    )
    yield _counters(
        "rejected_deliveries",
        "Rejected deliveries.",
        ["reason"],
        [([each.reason], each.count) for each in others.rejected],
        readings.runs.day,
    )
    yield _gauge("polls", "Polls of active workflows.", others.polls.count)
    yield _gauge("polls_failing", "Polls whose last call failed.", others.polls.failing)
    yield _gauge("poll_lag_seconds", "How late the most overdue poll is.", others.polls.lag_seconds)
    registered = {each.state: each for each in others.service_webhooks}
    yield _gauges(
        "service_webhooks",
        "Service webhooks by state.",
        ["state"],
        [([state], registered[state].count if state in registered else 0) for state in ServiceWebhook.State.values],
    )
    yield _gauge(
        "service_webhooks_failing",
        "Service webhooks whose last call failed.",
        sum(each.failing for each in others.service_webhooks),
    )


def _disks(disks: Sequence[Disk]) -> Iterator[Metric]:
    free = [([each.use], float(each.free)) for each in disks]
    total = [([each.use], float(each.total)) for each in disks]
    yield _gauges("disk_free_bytes", "Free space where this process writes.", ["use"], free)
    yield _gauges("disk_size_bytes", "Size of that disk.", ["use"], total)


def _spend(spend: Sequence[Spend]) -> Iterator[Metric]:
    labels = ["provider", "model"]
    yield _gauges(
        "llm_cost_today_dollars",
        "Cost of model calls of the site's day, reservations of open calls included.",
        labels,
        [([each.provider, each.model], each.cost) for each in spend],
    )
    yield _gauges(
        "llm_calls_today",
        "Model calls of the site's day.",
        labels,
        [([each.provider, each.model], each.calls) for each in spend],
    )
    yield _gauges(
        "llm_tokens_today",
        "Tokens of these calls.",
        [*labels, "direction"],
        [
            ([each.provider, each.model, direction], value)
            for each in spend
            for direction, value in (("in", each.tokens_in), ("out", each.tokens_out))
        ],
    )


def _retention(readings: Readings) -> Iterator[Metric]:
    newest, stages = readings.others.pruning, readings.stages
    done = stages if newest is None or not newest.is_open else newest.stage
    yield _gauge("retention_running", "1 while a retention pass is in progress.", int(bool(newest and newest.is_open)))
    yield _gauge("retention_progress_ratio", "Share of the pass that is done; 1 between passes.", done / stages)
    yield _gauge(
        "retention_last_finished_timestamp_seconds",
        "Time at which the last complete pass ended.",
        readings.others.pruned_at,
    )
    yield _gauges(
        "retention_deleted_rows",
        "Rows that the newest pass has deleted so far.",
        ["kind"],
        [([kind], count) for kind, count in sorted((newest.counts if newest else {}).items())],
    )
