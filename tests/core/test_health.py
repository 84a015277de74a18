"""The health view: 200 or 503 for everybody, figures for those who operate the site."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection
from django.test import RequestFactory

from automate_core.api import emit, health
from automate_core.models import WorkerState

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
    monkeypatch.setattr(
        "automate_core.operations.health._LIVE_WORKERS", "SELECT 1 FROM not_migrated WHERE %(seconds)s > 0"
    )
    assert ask(operator) == (503, {"status": "failing"})
