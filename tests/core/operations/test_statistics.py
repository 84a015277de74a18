"""Statistics: every way in which a run ends is counted once, and failures of one kind stand together."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_authoring import pausing
from automate_authoring.test_runs import start as starting
from automate_authoring.test_runs.start import Request
from automate_core import database
from automate_core.models import (
    EndedRun,
    ExecutionRun,
    FailureCount,
    FailureGroup,
    OutboxJob,
    QueueLevel,
    RunCount,
    RunTime,
    StepRun,
    Wait,
)
from automate_core.outbox.store import OutboxStore
from automate_core.runs import control
from automate_core.runs.waits import approvals
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from automate_operations.queries.latest_runs import read_latest_runs
from automate_operations.statistics import buckets, expiry, failures, levels, period_figures, periods
from tests.support.walks import Slow, settle

pytestmark = pytest.mark.django_db(transaction=True)

SET = "  - {key: a, action: data.set, inputs: {n: '{{ event.payload.n }}'}}"
STOP = """  - kind: for_each
    key: each
    items: [1, 2]
    steps:
      - {key: look, action: data.set, inputs: {n: "{{ item }}"}}
      - {kind: stop, key: refuse, outcome: failed, message: 'Order {{ event.payload.n }} of "{{ event.payload.who }}" is late'}"""
WAIT = "  - {kind: wait, key: w, duration: 1h}"
REVIEWED = """
name: Reviewed
slug: reviewed
triggers: [{endpoint: github}]
steps: [{key: pay, action: http.request, at_most_once: true, inputs: {method: POST, url: 'http://x.invalid/'}}]
"""
LIMITED = "concurrency: {limit: 1, policy: skip}"


def truth():
    """What the runs themselves say, row by row."""
    counts, times = Counter(), Counter()
    for run in ExecutionRun.objects.exclude(cause="test").filter(finished_at__isnull=False).select_related("event"):
        since = run.event.received_at if run.cause == "trigger" and run.event else run.created_at
        took = {"queued": run.started_at and run.started_at - since}
        if run.status != "cancelled":
            waited = sum(
                (wait.resolved_at - wait.created_at for wait in run.waits.filter(kind="timer")), dt.timedelta()
            )
            took["took"] = run.started_at and run.finished_at - run.started_at - waited
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
        [bucket] = [
            b for b in range(200) if 2 ** (b / 4) <= milliseconds * (1 + 1e-12) and milliseconds < 2 ** ((b + 1) / 4)
        ]
        in_buckets[(*where, bucket)] += number
    assert rolled_times == in_buckets
    return counts


@pytest.mark.extended
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
    starting.start_test(tested, Request(mode="dry", scope="whole", payload={"n": 1}), by=owner)
    pausing.resume(paused, owner, "discard")
    control.rerun(ExecutionRun.objects.filter(workflow=stops).first(), by=owner)
    first, second, third = ExecutionRun.objects.filter(workflow=waits).order_by("id")
    control.cancel(first, by=owner)
    later(4000)
    OutboxStore().wake_due()
    _leased(second, worker="gone", attempts=99, lease_until=timezone.now() - dt.timedelta(seconds=5))
    crashed = _leased(third, worker="mad", crashes=2, lease_until=timezone.now() + dt.timedelta(seconds=50))
    assert OutboxStore().rescue().dead == 1 and OutboxStore().charge_crash("mad", "signal 9") == [crashed]
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
    begun, day = timezone.now() - dt.timedelta(days=3), dt.timedelta(days=1)
    times = {"created_at": begun, "started_at": begun, "finished_at": begun + day}
    run = ExecutionRun.objects.create(
        workflow=stops, version=stops.published, trace_id="1" * 32, status="succeeded", **times
    )
    EndedRun.objects.create(run=run)
    call_command("automate_rollup", "--rebuild", "--since", f"{timezone.now() - day:%Y-%m-%d}")
    assert counted() == before, "what ended earlier is not counted anew, nor forgotten"
    call_command("automate_rollup")
    assert check() != before[0]


def _leased(run, **values):
    [job] = OutboxJob.objects.filter(run=run, status="ready")
    OutboxJob.objects.filter(pk=job.pk).update(status="leased", **values)
    return job.pk


def test_failures_of_one_kind_stand_together(publish, deliver, drain, owner, colleague):
    flow = publish(STOP, slug="stops")
    for number in range(3):
        deliver({"n": number, "who": f"customer {number}"})
    drain()
    [group] = FailureGroup.objects.all()
    runs = list(ExecutionRun.objects.order_by("finished_at", "id"))
    ends = [run.finished_at for run in runs]
    assert (group.workflow, group.path, group.code) == (flow, "each/refuse", "stopped")
    assert (group.first_at, group.last_at, group.last_run) == (ends[0], ends[-1], runs[-1].pk)
    assert group.message == runs[-1].error["message"] and group.counts.get().count == 3
    assert failures.retryable_runs(group).count() == 3

    assign_perm("view_workflow", colleague, flow)
    for act in (
        failures.retry_group,
        failures.mute_group,
        failures.unmute_group,
        failures.resolve_group,
        failures.reopen_group,
    ):
        with pytest.raises(NotPermittedError):
            act(group, by=colleague)
    failures.mute_group(group, by=owner)
    failures.resolve_group(group, by=owner)
    group.refresh_from_db()
    assert group.muted_at and group.resolved_at

    result = failures.retry_group(group, by=owner, version="newest")
    assert (result.done, result.left, dict(result.refused)) == (3, 0, {})
    assert failures.retry_group(group, by=owner).done == 0, "each is run again once"
    drain()
    group.refresh_from_db()
    assert group.resolved_at is None and group.muted_at, "what comes again is open again, but stays muted"
    assert (group.counts.get().count, failures.retryable_runs(group).count()) == (6, 3)
    failures.unmute_group(group, by=owner)
    verbs = list(AuditEntry.objects.filter(verb__startswith="failures.").order_by("at").values_list("verb", flat=True))
    assert verbs[:3] == ["failures.muted", "failures.resolved", "failures.retried"] and verbs[-1] == "failures.unmuted"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("HTTP 503 from api-2.example.com", "HTTP 504 from api-7.example.com", True),
        ('No customer "Ada"', "No customer 'Bob Sykes'", True),
        (
            "Order 0199c0de-0000-7000-8000-000000000001 is gone",
            "Order 0199C0DE-1111-7000-8000-0000000000ff is gone",
            True,
        ),
        ("commit 4bf92f3577b34da6 failed", "commit  00f067aa0ba902b7 failed", True),
        ("took 12.5 s at 10:30:00", "took 3 s at 7:05:01", True),
        ("the face is defaced", "the decade is defaced", False),
        ("Rate limited by provider", "Rate limited by proxy", False),
    ],
)
def test_messages_of_one_form(one, other, alike):
    marks = [failures.fingerprint(path, "code", text) for path, text in (("a/each[3]/b", one), ("a/each[12]/b", other))]
    assert (marks[0] == marks[1]) is alike
    assert failures.fingerprint("a/each/c", "code", one) != marks[0] != failures.fingerprint("a/each/b", "other", one)


def test_periods_are_covered_by_hours_and_days():
    for name in periods.BARS:
        for now in (dt.datetime(2026, 3, 1, 0, 0, 1, tzinfo=dt.UTC), dt.datetime(2026, 3, 1, 17, 20, tzinfo=dt.UTC)):
            period = periods.find_period(name, now)
            assert period.start <= now < period.end and period.end - now <= periods.HOUR
            assert len(list(period.starts())) == periods.BARS[name][0]
            for start, end in (period.before, (period.start, period.end)):
                reached = start
                for span, begin, stop in periods.ranges(start, end):
                    assert begin == reached and begin < stop
                    assert span == "hour" or periods.floor(begin, periods.DAY) == begin
                    reached = stop
                assert reached == end
            assert period.end - period.start == period.before[1] - period.before[0]


def test_what_is_read_is_what_was_added_up(publish, owner):
    flow, other = publish(SET), publish(SET, slug="other")
    now = database.now()
    for workflow, hours_ago, status, seconds in [
        (flow, 0, "succeeded", 0.5), (flow, 1, "failed", 2), (flow, 20, "succeeded", 60), (other, 2, "succeeded", 1),
        (flow, 30, "succeeded", 4), (flow, 5 * 24, "cancelled", 9), (other, 6 * 24, "failed", 9),
        (flow, 20 * 24, "succeeded", 5), (flow, 50 * 24, "failed", 5), (flow, 90 * 24, "failed", 5),
    ]:  # fmt: skip
        end = now - dt.timedelta(hours=hours_ago)
        run = ExecutionRun.objects.create(
            workflow=workflow, version=workflow.published, trace_id="1" * 32, status=status, finished_at=end,
            created_at=end - dt.timedelta(seconds=seconds + 0.25), started_at=end - dt.timedelta(seconds=seconds),
            error={"code": "no", "message": "No", "step": "a"} if status == "failed" else None,
        )  # fmt: skip
        EndedRun.objects.create(run=run)
    call_command("automate_rollup")
    check()
    for name in periods.BARS:
        period = periods.find_period(name, now)
        for wanted in (None, [flow.pk], []):
            runs = ExecutionRun.objects.filter(**({} if wanted is None else {"workflow__in": wanted}))
            inside = runs.filter(finished_at__gte=period.start)
            before = runs.filter(finished_at__gte=period.before[0], finished_at__lt=period.before[1])
            found, then = period_figures.read_counts(period, wanted)
            for statuses, of in ((Counter(inside.values_list("status", flat=True)), sum(found.values(), period_figures.Counts())),
                                 (Counter(before.values_list("status", flat=True)), then)):  # fmt: skip
                assert statuses == +Counter({each: getattr(of, each) for each in ("succeeded", "failed", "cancelled")})
            drawn = sum((bar.counts for bar in period_figures.read_bars(period, wanted)), period_figures.Counts())
            assert drawn == sum(found.values(), period_figures.Counts())
            times = period_figures.read_times(period, wanted)
            assert sum(times.took.values()) == inside.exclude(status="cancelled").count()
            assert sum(times.queued.values()) == inside.count()
            assert sum(times.took_before.values()) == before.exclude(status="cancelled").count()
            for most in times.by_workflow.values():
                assert abs(buckets.percentile(most, 1) / 60 - 1) < 0.1 or buckets.percentile(most, 1) < 11
            assert all(abs(buckets.seconds(bucket) / 0.25 - 1) < 0.1 for bucket in times.queued)
            points = period_figures.read_lines(period, wanted).get(0, [])
            assert len(points) in {0, len(list(period.starts(period.coarse)))}
            assert bool(points) == bool(times.took)
    # of what is old, hours go before days
    call_command("automate_prune")
    long_ago = {"at__lt": now - dt.timedelta(days=63)}
    assert list(RunCount.objects.filter(**long_ago).values_list("span", flat=True)) == ["day"]
    assert list(RunTime.objects.filter(**long_ago).values_list("span", flat=True).distinct()) == ["day"]
    assert FailureCount.objects.count() == 3
    assert not any(rows.exists() for rows in expiry.expired_rows(now))


def test_the_highest_levels_of_an_hour_are_kept(publish, deliver, owner):
    flow = publish(SET)
    run = ExecutionRun.objects.create(workflow=flow, version=flow.published, trace_id="1" * 32, status="waiting")
    Wait.objects.create(run=run, path="ask", kind="approval")
    for _ in range(2):
        deliver()
    for _ in range(2):  # the second time there is nothing
        levels.record_levels()
        level = QueueLevel.objects.get()
        assert level.ready == 2 and level.oldest_seconds >= 0
        assert set(RunCount.objects.values_list("span", "waiting")) == {("hour", 1), ("day", 1)}
        OutboxJob.objects.update(status="completed")
        Wait.objects.all().delete()
    [due] = database.run(None, f"SELECT {levels.DUE} AS due", {})
    assert due.due is False
    period = periods.find_period("24h", database.now())
    assert period_figures.read_levels(period).most == 2 and period_figures.read_bars(period, [flow.pk])[-1].waiting == 1


def test_the_command_says_what_it_cannot_do():
    for options, words in (({"since": "2026-01-01"}, "requires"), ({"since": "soon", "rebuild": True}, "since")):
        with pytest.raises(CommandError, match=words):
            call_command("automate_rollup", **options)
    call_command("automate_rollup", rebuild=True)


def test_the_time_of_a_dead_worker_is_no_working_time(publish):
    made, now = publish(SET, slug="died"), timezone.now()
    minute = dt.timedelta(minutes=1)
    run = ExecutionRun.objects.create(
        workflow=made, version=made.published, status="succeeded", trace_id="1" * 32, cause="retry",
        started_at=now - 2 * minute, finished_at=now,
    )  # fmt: skip
    for attempt, status, begin, end in (
        (1, "interrupted", now - 2 * minute, now - dt.timedelta(seconds=2)),
        (2, "succeeded", now - dt.timedelta(seconds=2), now),
    ):
        StepRun.objects.create(
            run=run, path="a", attempt=attempt, status=status, idempotency_key=f"k{attempt}", started_at=begin,
            finished_at=end,
        )  # fmt: skip
    assert read_latest_runs({made.pk})[made.pk][0].worked == pytest.approx(2)


@pytest.mark.parametrize("kind", ["approval", "callback", "form", "timer", "review", "paused", "reconnect"])
def test_the_time_of_people_and_services_is_no_working_time(publish, kind):
    made, now = publish(SET, slug="asked"), timezone.now()
    begun = now - dt.timedelta(hours=3)
    run = ExecutionRun.objects.create(
        workflow=made, version=made.published, status="succeeded", trace_id="1" * 32, started_at=begun, finished_at=now
    )
    wait = Wait.objects.create(run=run, path="ask", kind=kind, status="resolved", resolved_at=now)
    Wait.objects.filter(pk=wait.pk).update(created_at=begun + dt.timedelta(seconds=3))
    assert read_latest_runs({made.pk})[made.pk][0].worked == pytest.approx(3, abs=0.1)


def test_the_time_of_a_dead_worker_before_a_review_is_no_working_time(workflow, deliver, drain, owner):
    made = workflow(REVIEWED)
    deliver()
    slow = Slow()
    slow.begin()
    assert slow.paths() == ["pay"] and StepRun.objects.get().status == "running"
    for model in (ExecutionRun, StepRun):
        model.objects.update(started_at=F("started_at") - dt.timedelta(minutes=5))
    slow.crash()
    review = Wait.objects.get(kind="review")
    assert review.data["error"]["message"] == "The worker stopped during the attempt."
    approvals.resolve_review(review, by=owner, outcome="succeeded", output={})
    settle(drain)
    [run] = read_latest_runs({made.pk})[made.pk]
    assert run.status == "succeeded" and run.worked < 60
