"""The metrics: who may read them, what they say, and how little the database does for it."""

from __future__ import annotations

import datetime as dt
import re
import sys

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from automate_core import database
from automate_core.models import WorkerState
from automate_governance.models import StoredSecret
from automate_telemetry import metrics as telemetry
from automate_telemetry.metrics import collector, readings
from tests.conftest import ROOT
from tests.support.metrics import fill_metrics, hand_out
from tests.support.runs import ended_runs, published_workflows

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef0123456789abcdef"
STATEMENTS = 6  #: options, the clock, and one for each subject


@pytest.fixture(autouse=True)
def _token(settings):
    settings.AUTOMATE_METRICS_TOKEN = TOKEN


def scrape(token=TOKEN, **headers):
    if token:
        headers["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Client().get("/metrics", **headers)


def samples(answer=None):
    """The value of each sample by its name and labels: `name{a=b}`."""
    answer = answer or scrape()
    assert answer.status_code == 200, answer.content
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


# --- access -----------------------------------------------------------------------------------------------------------


def test_metrics_are_closed_by_default(settings):
    del settings.AUTOMATE_METRICS_TOKEN
    assert scrape().status_code == 404


@pytest.mark.parametrize("given", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "Türe"])
def test_wrong_token_is_rejected_without_a_query(given, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = scrape(given)
    assert answer.status_code == 401 and answer["WWW-Authenticate"] == 'Bearer realm="metrics"'
    assert TOKEN not in answer.text


def test_token_may_be_a_reference(owner, settings, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_SCRAPER", TOKEN)
    settings.AUTOMATE_METRICS_TOKEN = "env:SCRAPER"
    assert scrape().status_code == 200
    assert scrape("env:SCRAPER").status_code == 401, "the reference is no token"
    settings.AUTOMATE_METRICS_TOKEN = "database:scraper"
    assert scrape().status_code == 503, "there is no such secret"
    secret = StoredSecret(name="scraper", owner=owner)
    secret.put("another token of the tests")
    secret.save()
    assert (scrape("another token of the tests").status_code, scrape().status_code) == (200, 401)


@pytest.mark.parametrize(
    ("address", "forwarded", "trusted", "status"),
    [
        ("10.1.2.3", None, (), 200),
        ("::ffff:10.1.2.3", None, (), 200),
        ("10.2.0.1", None, (), 401),
        ("10.1.2.3", "192.0.2.1", (), 401),  # through a proxy that nobody declared
        ("10.1.2.3", "10.1.9.9", (), 401),
        ("10.1.2.3", "192.0.2.1", ("10.1.2.3",), 401),  # the project does not apply what the proxy says
        ("10.1.2.3", "10.1.2.3", ("10.9.9.9",), 200),  # as `automate()` leaves it
    ],
)
def test_networks_may_read_without_token(settings, address, forwarded, trusted, status):
    settings.AUTOMATE_METRICS_TOKEN = ""
    settings.AUTOMATE_METRICS_NETWORKS = ["10.1.0.0/16"]
    settings.AUTOMATE_TRUSTED_PROXIES = trusted
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert scrape("", REMOTE_ADDR=address, **headers).status_code == status


def test_failures_say_what_is_missing(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(readings, "SPEND", "SELECT not_a_column FROM automate_llm_llmusage WHERE day = %(day)s")
        answer = scrape()
        assert answer.status_code == 503 and "not_a_column" not in answer.text
    for name in [name for name in sys.modules if name.startswith(("prometheus_client", f"{telemetry.__name__}.co"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)  # Python's mark for a module that there is not
    assert "django-automate[metrics]" in scrape().text


# --- what they say ----------------------------------------------------------------------------------------------------


def test_runs_are_counted_by_result_workflow_and_code(owner, settings):
    flow, other, quiet = published_workflows(owner, "Flow", "Other", "Quiet")
    ended_runs(flow, 3, took=2)
    ended_runs(flow, 2, status="failed", code="http_404")
    ended_runs(other, 4, took=90)
    ended_runs(quiet, 1, hours_ago=48)
    settings.AUTOMATE_METRICS_WORKFLOWS = 2
    found = samples()
    assert {name: value for name, value in found.items() if name.startswith("automate_runs_total")} == {
        "automate_runs_total{result=succeeded}": 7,
        "automate_runs_total{result=failed}": 2,
        "automate_runs_total{result=cancelled}": 0,
    }
    assert found["automate_workflow_runs_total{result=failed,workflow=flow}"] == 2
    assert found["automate_run_errors_total{code=http_404}"] == 2
    assert not any("quiet" in name for name in found)
    buckets = {name: value for name, value in found.items() if name.startswith("automate_run_duration_seconds")}
    assert buckets["automate_run_duration_seconds_bucket{le=1.024}"] == 0
    assert buckets["automate_run_duration_seconds_bucket{le=4.096}"] == 5
    assert (
        buckets["automate_run_duration_seconds_bucket{le=+Inf}"] == buckets["automate_run_duration_seconds_count"] == 9
    )
    assert buckets["automate_run_duration_seconds_sum"] == pytest.approx(5 * 2 + 4 * 90, rel=0.15)
    settings.AUTOMATE_METRICS_WORKFLOWS = 1
    assert "automate_workflow_runs_total{result=failed,workflow=flow}" in samples()
    assert not any("workflow=other" in name for name in samples())


def test_the_queue_is_shown_by_lane(owner):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO automate_core_outboxjob (id, kind, status, event_id, priority, lane, available_at, attempts,"
            " crashes, suspect, worker, token, last_error, lease_until)"
            " SELECT gen_random_uuid(), 'dispatch', state, gen_random_uuid(), 0, lane,"
            " automate_now() - make_interval(secs => lane), 0, 0, false, '', 0, '', due"
            " FROM (SELECT 'ready' AS state, lane, NULL::timestamptz AS due FROM generate_series(1, 50) lane"
            " UNION ALL SELECT 'ready', 7, NULL FROM generate_series(1, 5)"
            " UNION ALL SELECT 'leased', 1, automate_now() - interval '1 s' UNION ALL SELECT 'dead', 1, NULL) jobs"
        )
    WorkerState.objects.create(name="a", slots=40, held=3, started_at=database.now())
    gone = WorkerState.objects.create(name="gone", slots=40, held=9, started_at=database.now())
    WorkerState.objects.filter(pk=gone.pk).update(seen_at=database.now() - dt.timedelta(hours=1))
    found = samples()
    assert found["automate_queue_ready_jobs"] == 55 and found["automate_queue_lanes"] == 50
    assert found["automate_queue_oldest_job_seconds"] >= 50
    assert found["automate_queue_lane_ready_jobs{lane=7}"] == 6
    assert found["automate_queue_lane_oldest_job_seconds{lane=50}"] >= 50
    assert sum(name.startswith("automate_queue_lane_ready_jobs") for name in found) <= 20
    assert [found[f"automate_{name}"] for name in ("queue_leased_jobs", "queue_expired_leases", "queue_dead_jobs")] == [
        1, 1, 1,
    ]  # fmt: skip
    assert [found[f"automate_{name}"] for name in ("workers", "worker_slots", "worker_slots_in_use")] == [1, 40, 3]


def test_everything_else_is_shown(owner):
    now = fill_metrics(owner)
    found = samples()
    assert found["automate_open_waits{kind=approval}"] == 2 and found["automate_open_waits{kind=timer}"] == 0
    assert found["automate_oldest_wait_seconds{kind=approval}"] >= 60
    assert found["automate_connections{health=failing}"] == 1 and found["automate_connections{health=working}"] == 0
    assert found["automate_rejected_deliveries_total{reason=signature}"] == 5
    assert "automate_rejected_deliveries_total{reason=size}" not in found
    assert (found["automate_polls"], found["automate_polls_failing"]) == (1, 1)
    assert found["automate_poll_lag_seconds"] >= 120
    assert found["automate_retention_running"] == 1 and found["automate_retention_progress_ratio"] == 0.5
    assert found["automate_retention_deleted_rows{kind=steps}"] == 30
    assert found["automate_retention_last_finished_timestamp_seconds"] == pytest.approx(now.timestamp(), abs=1)
    assert found["automate_llm_cost_today_dollars{model=m,provider=openai}"] == 0.25
    assert found["automate_llm_tokens_today{direction=in,model=m,provider=openai}"] == 100
    assert not any("model=old" in name for name in found)
    assert found["automate_llm_budgets_refusing"] == 0
    assert 0 < found["automate_disk_free_bytes{use=temporary}"] < found["automate_disk_size_bytes{use=temporary}"]


def test_pools_are_shown_with_backlog_and_consumers(owner, settings):
    fill_metrics(owner)
    settings.AUTOMATE_POOLS = {
        "gpu": {"executor": "celery", "broker": "redis://127.0.0.1:1/0"},
        "idle": {"executor": "celery", "broker": "redis://127.0.0.1:1/0"},
        "batch": {"executor": "tasks"},
        "near": {"executor": "threads"},
    }
    found = samples()
    of = {name: value for name, value in found.items() if name.startswith("automate_pool_")}
    assert {name: value for name, value in of.items() if "seconds" not in name} == {
        "automate_pool_waiting_steps{pool=gpu}": 2,
        "automate_pool_waiting_steps{pool=idle}": 0,
        "automate_pool_waiting_steps{pool=batch}": 0,
        "automate_pool_performing_steps{pool=gpu}": 1,
        "automate_pool_performing_steps{pool=idle}": 0,
        "automate_pool_performing_steps{pool=batch}": 0,
        "automate_pool_consumers{pool=gpu}": 1,
        "automate_pool_consumers{pool=idle}": 0,
        "automate_pool_slots{pool=gpu}": 4,
        "automate_pool_slots{pool=idle}": 0,
    }
    assert of["automate_pool_oldest_waiting_step_seconds{pool=gpu}"] >= 120
    settings.AUTOMATE_POOLS = {}
    assert samples()["automate_pool_consumers{pool=gpu}"] == 1, "steps wait for a pool that is not declared"


def test_number_of_pools_is_limited(owner):
    for number in range(readings.MOST_POOLS + 5):
        hand_out(f"pool-{number}")
    assert sum(name.startswith("automate_pool_waiting_steps") for name in samples()) == readings.MOST_POOLS


def test_labels_with_hostile_values_are_escaped(owner):
    [flow] = published_workflows(owner, "Flow")
    ended_runs(flow, 1, status="failed", code='a"b\\c\nautomate_workers 99')
    found = samples()
    assert found['automate_run_errors_total{code=a"b\\c\nautomate_workers 99}'] == 1
    assert found["automate_workers"] == 0


def test_openmetrics_is_served_to_those_who_ask_for_it(owner):
    [flow] = published_workflows(owner, "Flow")
    ended_runs(flow, 1)
    answer = scrape(HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    families = list(openmetrics.text_string_to_metric_families(answer.text))
    created = [sample for each in families for sample in each.samples if sample.name == "automate_runs_created"]
    midnight = database.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    assert {sample.value for sample in created} == {midnight}
    assert scrape()["Cache-Control"].startswith("max-age=0")


def test_a_host_may_register_the_collector(owner):
    registry = CollectorRegistry(auto_describe=True)
    registry.register(collector.AutomateCollector())
    assert registry.get_sample_value("automate_workers") == 0


def test_the_docs_list_all_metrics():
    page = (ROOT / "docs/metrics.md").read_text()
    listed = re.findall(r"^\| `(automate_\w+)` \| (.*?) \|", page, re.M)
    served = re.findall(r"^# TYPE (\w+) ", scrape().text, re.M)
    assert [name for name, _ in listed] == [name for name in served if not name.endswith("_created")]


# --- cost -------------------------------------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_grow(owner):
    with CaptureQueriesContext(connection) as empty:
        samples()
    flows = published_workflows(owner, *(f"Flow{number}" for number in range(12)))
    for flow in flows:
        ended_runs(flow, 2, status="failed", code=f"code_{flow.pk}")
    with CaptureQueriesContext(connection) as full:
        samples()
    assert len(full) == len(empty) <= STATEMENTS + 4, [each["sql"][:80] for each in full]


_OLD_ROWS = """
INSERT INTO automate_core_outboxjob (id, kind, status, event_id, priority, lane, available_at, attempts, crashes,
    suspect, worker, token, last_error)
SELECT gen_random_uuid(), 'dispatch', 'completed', gen_random_uuid(), 0, 1, now(), 0, 0, false, '', 0, ''
FROM generate_series(1, 5000);
INSERT INTO automate_core_wait (id, run_id, path, kind, status, created_at, seq)
SELECT gen_random_uuid(), gen_random_uuid(), 'a', 'timer', 'resolved', now(), 0 FROM generate_series(1, 5000);
INSERT INTO automate_core_runcount (workflow_id, span, at)
SELECT n, 'day', date_trunc('day', now(), 'UTC') - interval '3 days' FROM generate_series(1, 5000) n;
INSERT INTO automate_core_runtime (workflow_id, span, at, measure, bucket, count)
SELECT n, 'day', date_trunc('day', now(), 'UTC') - interval '3 days', 'took', 1, 1 FROM generate_series(1, 5000) n;
INSERT INTO automate_core_failurecount (group_id, at, count)
SELECT n, date_trunc('day', now(), 'UTC') - interval '3 days', 1 FROM generate_series(1, 5000) n;
INSERT INTO automate_llm_llmusage (workflow, path, attempt, call, at, day, provider, model, status, tokens_in,
    tokens_out, is_estimated)
SELECT '', n::text, 1, 1, now(), current_date - 3, 'p', 'm', 'answered', 1, 1, true FROM generate_series(1, 5000) n
"""


def _rows_read(plan):
    """The rows that the scans of a plan have looked at."""
    here = 0
    if "Relation Name" in plan:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        here = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return here + sum(_rows_read(each) for each in plan.get("Plans", ()))


def test_no_statement_reads_what_is_over(owner, monkeypatch):
    database.run(None, "SELECT 1 AS one", {})
    with connection.cursor() as cursor:
        cursor.execute(_OLD_ROWS)
    plans = {}

    def explain(given, statement, values):
        rows = run(given, statement, values)
        if "FROM automate" in statement:
            [row] = run(given, f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
            plans[statement] = row[0][0]["Plan"]
        return rows

    run = database.run
    monkeypatch.setattr(database, "run", explain)
    readings.read_all()
    assert len(plans) == 5
    assert {statement[:60]: _rows_read(plan) for statement, plan in plans.items() if _rows_read(plan) > 200} == {}
