"""Statistics: every way in which a run ends is counted once, and failures of one kind stand together."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_core import control, database, pausing
from automate_core.authoring import NotPermittedError
from automate_core.models import (
    EndedRun,
    ExecutionRun,
    FailedRun,
    FailureCount,
    FailureGroup,
    OutboxJob,
    QueueLevel,
    RunCount,
    RunTime,
    Wait,
)
from automate_core.outbox import OutboxStore
from automate_core.statistics import buckets, counting, failures, keeping, levels
from automate_core.trials import starting
from automate_core.trials.starting import Request
from automate_governance.models import AuditEntry
from tests.core.walks import settle

pytestmark = pytest.mark.django_db(transaction=True)

SET = "  - {key: a, action: data.set, inputs: {n: '{{ event.payload.n }}'}}"
STOP = """  - kind: for_each
    key: each
    items: [1, 2]
    steps:
      - {key: look, action: data.set, inputs: {n: "{{ item }}"}}
      - {kind: stop, key: refuse, outcome: failed, message: 'Order {{ event.payload.n }} of "{{ event.payload.who }}" is late'}"""
WAIT = "  - {kind: wait, key: w, duration: 1h}"
LIMITED = "concurrency: {limit: 1, policy: skip}"


def truth():
    """What the runs themselves say, row by row."""
    counts, times = Counter(), Counter()
    for run in ExecutionRun.objects.exclude(cause="test").filter(finished_at__isnull=False).select_related("event"):
        since = run.event.received_at if run.cause == "trigger" and run.event else run.created_at
        took = {"queued": run.started_at and run.started_at - since}
        if run.status != "cancelled":
            took["took"] = run.started_at and run.finished_at - run.started_at
        for span in ("hour", "day"):
            at = run.finished_at.replace(minute=0, second=0, microsecond=0)
            at = at.replace(hour=0) if span == "day" else at
            counts[run.workflow_id, span, at, run.status] += 1
            for measure, value in took.items():
                if value is not None:
                    milliseconds = max(value / dt.timedelta(milliseconds=1), 1)
                    times[run.workflow_id, span, at, measure, milliseconds] += 1
    return counts, times


def counted():
    """What was added up."""
    counts = Counter()
    for row in RunCount.objects.all():
        for status in ("succeeded", "failed", "cancelled"):
            counts[row.workflow_id, row.span, row.at, status] += getattr(row, status)
    return +counts, {
        (row.workflow_id, row.span, row.at, row.measure, row.bucket): row.count for row in RunTime.objects.all()
    }


def check():
    """Both say the same: every duration lies in its bucket."""
    (counts, times), (rolled, rolled_times) = truth(), counted()
    assert rolled == counts
    in_buckets = Counter()
    for (*where, milliseconds), number in times.items():
        [bucket] = [b for b in range(200) if 2 ** (b / 4) <= milliseconds * (1 + 1e-12) and milliseconds < 2 ** ((b + 1) / 4)]
        in_buckets[(*where, bucket)] += number
    assert rolled_times == in_buckets
    return counts


def test_every_way_to_end_is_counted_once(publish, deliver, drain, later, owner):
    tested = publish(SET, slug="sets")
    stops = publish(STOP, slug="stops")
    waits = publish(WAIT, slug="waits")
    publish(WAIT, slug="limited", head=LIMITED)
    paused = publish(SET, slug="paused")
    pausing.pause(paused, owner)
    for number in range(3):
        deliver({"n": number, "who": f"customer {number}"})
        settle(drain)  # each: one succeeds, one fails, one waits an hour, one waits for its workflow; two are skipped
    starting.start(tested, Request(mode="dry", scope="whole", payload={"n": 1}), by=owner)
    pausing.resume(paused, owner, "discard")
    control.retry(ExecutionRun.objects.filter(workflow=stops).first(), by=owner)
    first, second, third = ExecutionRun.objects.filter(workflow=waits).order_by("id")
    control.cancel(first, by=owner)
    later(4000)
    OutboxStore().wake_due()
    _leased(second, worker="gone", attempts=99, lease_until=timezone.now() - dt.timedelta(seconds=5))
    crashed = _leased(third, worker="mad", crashes=2, lease_until=timezone.now() + dt.timedelta(seconds=50))
    assert OutboxStore().rescue().dead == 1 and OutboxStore().crashed("mad", "signal 9") == [crashed]
    settle(drain)
    assert ExecutionRun.objects.filter(cause="test", status="succeeded").count() == 1, "and is counted nowhere"
    assert not EndedRun.objects.exists()
    ends = Counter()
    for (_, span, _, status), number in check().items():
        ends[status] += number if span == "hour" else 0
    assert ends == {"succeeded": 4, "failed": 6, "cancelled": 6}
    before = counted()
    groups = {group.code: group for group in FailureGroup.objects.all()}
    assert {code: group.path for code, group in groups.items()} == {"stopped": "each/refuse", "job_dead": ""}
    assert sum(groups["stopped"].counts.values_list("count", flat=True)) == groups["stopped"].runs.count() == 4
    call_command("automate_rollup", "--rebuild")
    assert counted() == before and check()
    assert sum(groups["stopped"].counts.values_list("count", flat=True)) == groups["stopped"].runs.count() == 4


def _leased(run, **values):
    [job] = OutboxJob.objects.filter(run=run, status="ready")
    OutboxJob.objects.filter(pk=job.pk).update(status="leased", **values)
    return job.pk
