"""Health: 200 or 503 for everybody, figures for those who operate the site. Liveness and readiness of a web process."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from automate_core import older_releases
from automate_core.api import emit, health, live, ready
from automate_core.models import WorkerState
from automate_core.worker import health as operations

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(stranger):
    stranger.groups.set(Group.objects.filter(name="Operators"))
    return stranger


def ask(user):
    request = RequestFactory().get("/automate/health/")
    request.user = user
    answer = health(request)
    return answer.status_code, json.loads(answer.content)


def seen(seconds_ago):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE automate_core_workerstate SET seen_at = automate_now() - %s * interval '1 second'", [seconds_ago]
        )


def test_it_is_healthy_while_a_worker_is_alive(operator, colleague):
    assert ask(AnonymousUser()) == (503, {"status": "failing"}), "there is no worker"
    WorkerState.objects.create(name="worker", slots=40, held=0, started_at="2026-01-01T00:00:00Z")
    emit("order.paid", {"order": 17}, key="17")
    for nobody_who_operates in (AnonymousUser(), colleague):
        assert ask(nobody_who_operates) == (200, {"status": "ok"})
    status, state = ask(operator)
    assert (status, state["database"], state["worker"], state["backlog"]) == (200, "ok", "ok", 1)
    assert state["worker_seen_seconds_ago"] < 30 and state["backlog_oldest_seconds"] >= 0
    seen(3_600)
    status, state = ask(operator)
    assert (status, state["status"], state["worker"]) == (503, "failing", "missing")
    assert state["worker_seen_seconds_ago"] >= 3_600


def test_a_database_that_fails_is_unhealthy(operator, monkeypatch):
    monkeypatch.setattr("automate_core.worker.health._LIVE_WORKERS", "SELECT 1 FROM not_migrated WHERE %(seconds)s > 0")
    assert ask(operator) == (503, {"status": "failing"})


def probe(view):
    return view(RequestFactory().get("/")).status_code


def test_a_web_process_without_workers_is_ready_once_it_is_migrated(monkeypatch, caplog):
    assert not WorkerState.objects.exists()
    monkeypatch.setattr(operations, "_is_migrated", False)
    newest = MigrationRecorder.Migration.objects.filter(app="automate_core").order_by("name").last()
    MigrationRecorder(connection).record_unapplied("automate_core", newest.name)
    assert probe(ready) == 503
    assert f"1 migrations are missing, such as automate_core.{newest.name}" in caplog.text
    MigrationRecorder(connection).record_applied("automate_core", newest.name)
    assert probe(ready) == 200
    with CaptureQueriesContext(connection) as queries:
        assert probe(ready) == 200
    assert [query["sql"] for query in queries] == ["SELECT 1"], "a probe costs one query"


def test_a_database_of_0_2_0_is_ready_and_an_older_one_is_not(monkeypatch, caplog):
    monkeypatch.setattr(operations, "_is_migrated", False)
    for app, name in older_releases.LAST.items():
        MigrationRecorder(connection).record_applied(app, name)
    assert probe(ready) == 200
    monkeypatch.setattr(operations, "_is_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE automate_core_heldevent")
    assert probe(ready) == 503 and older_releases.REFUSAL in caplog.text


def test_a_process_is_alive_without_a_database_but_not_ready(monkeypatch):
    def away(*_):
        raise OperationalError("the database is away")

    monkeypatch.setattr(operations, "_is_migrated", True)
    monkeypatch.setattr(operations.connection, "cursor", away)
    assert (probe(live), probe(ready)) == (200, 503)


@pytest.mark.parametrize(("state", "status"), [("off", 200), ("ok", 200), ("stopped", 503)])
def test_a_process_whose_managed_worker_ended_is_not_alive(monkeypatch, state, status):
    monkeypatch.setattr(operations, "_local_worker_state", lambda: "off")
    operations.register_local_worker(lambda: state)
    assert probe(live) == status
