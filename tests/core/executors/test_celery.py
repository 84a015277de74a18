"""Real brokers and two real Celery workers: each step is performed once, and the workers are listed as consumers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from automate_core.models import ExecutionRun, HandedOutStep, PoolConsumer
from tests.conftest import ROOT
from tests.support.brokers import Missing, RabbitMQ, Redis
from tests.support.processes import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.extended]

RUNS = 8


@pytest.fixture(params=[Redis, RabbitMQ], ids=["redis", "rabbitmq"])
def broker(request, tmp_path):
    started = request.param(tmp_path / "broker")
    try:
        started.start()
    except Missing as missing:
        pytest.skip(str(missing))
    yield started
    started.kill()


@pytest.fixture
def workers(broker, environment, sink, tmp_path):
    """Start two Celery workers with two slots each, of that kind of Celery's pools."""
    started = []

    def start(kind):
        own = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "tests.faults.pool_settings",
            "AUTOMATE_TEST_BROKER_URL": broker.url,
            "AUTOMATE_EGRESS_ALLOW": sink.host,
        }
        command = [sys.executable, "-m", "celery", "-A", "automate_pools.celery_app", "worker"]
        for number in range(2):
            options = ["--pool", kind, "--concurrency", "2", "--hostname", f"worker-{number}@%h"]
            with (tmp_path / f"worker-{number}.log").open("w") as log:
                started.append(subprocess.Popen([*command, *options], cwd=ROOT, env=own, stdout=log, stderr=log))
        wait_for(lambda: PoolConsumer.objects.count() == 2 or any(each.poll() is not None for each in started))
        assert all(each.poll() is None for each in started), (tmp_path / "worker-0.log").read_text()
        return started

    yield start
    for each in started:
        each.kill()
        each.wait(60)


@pytest.mark.parametrize("kind", ["threads", "prefork"])
def test_celery_workers_perform_each_step_once(publish, deliver, drain, sink, settings, broker, workers, kind):
    settings.AUTOMATE_POOLS = {"default": {"executor": "celery", "broker": broker.url, "resend_seconds": 5}}
    publish(
        f"  - {{key: first, action: http.request, inputs: {{method: POST, url: '{sink.url}/{{{{ event.payload.number }}}}'}}}}"
    )
    for number in range(RUNS):
        deliver({"number": number})
    drain()
    assert HandedOutStep.objects.count() == RUNS and sink.calls == []
    started = workers(kind)
    assert set(PoolConsumer.objects.values_list("pool", "slots")) == {("default", 2)}
    wait_for(lambda: (drain(), ExecutionRun.objects.filter(status="succeeded").count() == RUNS)[1])
    assert len(sink.calls) == len({path for path, _, _ in sink.calls}) == RUNS
    for each in started:
        each.terminate()
    assert [each.wait(120) for each in started] == [0, 0]
    assert not PoolConsumer.objects.exists()
