"""`/healthz/` of the site: a worker of any process counts, whatever AUTOMATE_WORKER says; `/readyz/` needs none."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.test import Client

from automate_core.models import WorkerState
from automate_core.worker.managed import ManagedWorker

pytestmark = pytest.mark.django_db


def ask(path="/healthz/"):
    answer = Client().get(path)
    return answer.status_code, answer.json()


def test_it_fails_without_a_worker_of_any_process_while_the_web_server_stays_ready():
    assert ask() == (503, {"product": "django-automate", "database": "ok", "worker": "missing"})
    assert (ask("/readyz/")[0], ask("/livez/")[0]) == (200, 200), "deliveries are accepted, and nothing is restarted"
    WorkerState.objects.create(name="elsewhere", slots=40, held=0, started_at="2026-01-01T00:00:00Z")
    assert ask() == (200, {"product": "django-automate", "database": "ok", "worker": "ok"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE automate_core_workerstate SET seen_at = automate_now() - interval '40 seconds'")
    assert ask()[0] == 503
    assert ask("/readyz/")[0] == 200


def test_a_managed_worker_that_ended_is_named(monkeypatch):
    WorkerState.objects.create(name="elsewhere", slots=40, held=0, started_at="2026-01-01T00:00:00Z")
    monkeypatch.setattr(ManagedWorker, "state", "stopped")
    assert ask() == (503, {"product": "django-automate", "database": "ok", "worker": "stopped"})


def test_a_database_that_is_away_is_no_traceback(monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr("automate_site.views.live_workers", away)
    assert ask() == (503, {"product": "django-automate", "database": "away", "worker": "unknown"})
