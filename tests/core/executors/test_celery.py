"""A real Celery worker and a real Redis: the step is performed there, and the worker is listed as a consumer."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from automate_core.models import ExecutionRun, PoolConsumer
from tests.conftest import ROOT
from tests.support.brokers import Redis
from tests.support.processes import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.process,
    pytest.mark.extended,
    pytest.mark.skipif(
        not (shutil.which("redis-server") or shutil.which("valkey-server")), reason="needs redis-server"
    ),
]


@pytest.fixture
def broker(tmp_path):
    started = Redis(tmp_path / "broker")
    started.start()
    yield started
    started.kill()


def test_celery_worker_performs_a_step(publish, run, drain, sink, settings, broker, environment, tmp_path):
    settings.AUTOMATE_POOLS = {"default": {"executor": "celery", "broker": broker.url, "resend_seconds": 5}}
    publish(f"  - {{key: first, action: http.request, inputs: {{method: POST, url: '{sink.url}/first'}}}}")
    assert run().status == "waiting"
    assert sink.calls == []
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "automate_core.executors.celery_app",
        "worker",
        "--pool",
        "threads",
    ]
    own = {
        **environment,
        "DJANGO_SETTINGS_MODULE": "tests.faults.pool_settings",
        "AUTOMATE_TEST_BROKER_URL": broker.url,
        "AUTOMATE_EGRESS_ALLOW": sink.host,
    }
    with (tmp_path / "celery.log").open("w") as log:
        worker = subprocess.Popen([*command, "--concurrency", "2"], cwd=ROOT, env=own, stdout=log, stderr=log)
    try:
        wait_for(lambda: sink.calls or worker.poll() is not None)
        assert sink.calls, (tmp_path / "celery.log").read_text()
        wait_for(lambda: PoolConsumer.objects.filter(pool="default", slots=2).exists())
        wait_for(lambda: (drain(), ExecutionRun.objects.get().status == "succeeded")[1])
    finally:
        worker.terminate()
        worker.wait(60)
    assert len(sink.calls) == 1
    assert not PoolConsumer.objects.exists()
