"""The contract of executors, on a database: steps of real runs are performed by consumer processes, which are killed.

    @pytest.mark.django_db(transaction=True)
    class TestMyBrokerSteps(HandedOutStepContractTest):
        executor_cls = MyBrokerExecutor

It needs pytest-django and a site whose settings the consumers use, too; the executor must be installed there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import F
from django.test import override_settings

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.engine.executor import Executor, Message
from automate_core.models import ExecutionRun, HandedOutStep
from automate_core.worker.worker import Worker
from automate_pools.consumers import ConsumerReports
from automate_testing.contracts.executors.suite import POOL, Bench, ExecutorSuite, declaration
from automate_testing.contracts.traces import CANARY

_SLUG = "contract-pool"
_STEPS = f"""
name: Contract
slug: {_SLUG}
triggers: [{{kind: manual}}]
steps:
  - key: call
    action: http.request
    runs_on: {POOL}
    inputs: {{method: POST, url: 'https://contract.example/', json: {{note: {CANARY}}}}}
  - {{key: after, action: data.set, inputs: {{status: '{{{{ steps.call.output.status }}}}'}}}}
"""


class HandedOutStepContractTest(ExecutorSuite):
    """What becomes of a handed-out step. Mark the class with `pytest.mark.django_db(transaction=True)`."""

    def test_contract_step_performed(self, executor: Executor) -> None:
        """A step is performed once, by a consumer, and its run continues with the output."""
        with self._site(executor) as site:
            site.consumers.start()
            run = _start()
            site.consumers.wait_for("effect", 1, "no consumer performed the step")
            _wait_for_end(site, run)
            [effect] = site.consumers.calls("effect")
            assert effect["params"]["json"] == {"note": CANARY}, "the step was performed with other inputs"
            assert not HandedOutStep.objects.exists(), "the step is still handed out after its outcome"

    def test_contract_step_data_stay(self, executor: Executor) -> None:
        """No message holds data of the run."""
        with self._site(executor) as site:
            _start()
            step = str(HandedOutStep.objects.get().pk)
            stored = self.stored(site.pool)
            assert any(step in text for text in stored), "the message of the step is not at the broker"
            assert not any(CANARY in text for text in stored), "the broker holds inputs of the step"

    def test_contract_step_delivered_twice(self, executor: Executor) -> None:
        """A message that is delivered again leads to one call, while the first is performed and afterwards."""
        with self._site(executor) as site:
            site.consumers.hold()
            site.consumers.start()
            site.consumers.start()
            run = _start()
            row = HandedOutStep.objects.get()
            site.consumers.wait_for("effect", 1, "no consumer performed the step")
            self.send_well(site.pool, Message(row.pk, row.token))
            site.consumers.release()
            _wait_for_end(site, run)
            self.send_well(site.pool, Message(row.pk, row.token))
            site.consumers.wait(lambda: not self.stored(site.pool))
            assert len(site.consumers.calls("effect")) == 1, "the step was performed twice"

    def test_contract_step_message_lost(self, executor: Executor) -> None:
        """A step whose message the broker lost is sent again, and performed once."""
        with self._site(executor) as site:
            run = _start()
            self.lose(site.pool)
            site.consumers.start()
            _let_pass()
            _drain()
            site.consumers.wait_for("effect", 1, "no consumer performed the step that was sent again")
            _wait_for_end(site, run)
            assert len(site.consumers.calls("effect")) == 1, "the step was performed twice"

    def test_contract_step_consumer_killed(self, executor: Executor) -> None:
        """A step whose consumer was killed in the middle of its call is handed out again, and performed again."""
        with self._site(executor) as site:
            site.consumers.hold()
            site.consumers.start()
            run = _start()
            site.consumers.wait_for("effect", 1, "no consumer performed the step")
            row = HandedOutStep.objects.get()
            assert row.claimed_at is not None, "the step is performed without a claim"
            site.consumers.kill()
            site.consumers.release()
            _let_pass()
            _drain()
            again = HandedOutStep.objects.get()
            assert (again.token, again.claimed_at) == (row.token + 1, None), "the step was not handed out again"
            site.consumers.start()
            first, second = site.consumers.wait_for("effect", 2, "no consumer performed the step again")
            assert (first["path"], first["attempt"]) == (second["path"], second["attempt"]), "it is another attempt"
            _wait_for_end(site, run)

    @contextlib.contextmanager
    def _site(self, executor: Executor) -> Iterator[Bench]:
        """A pool of this site, and a published workflow whose step runs in it."""
        with self.bench(executor, database=str(connection.settings_dict["NAME"])) as bench:
            pools = {POOL: declaration(bench.pool)}
            with override_settings(AUTOMATE_POOLS=pools):
                ConsumerReports("contract", [POOL], slots=1).report()
                _publish()
                yield bench


def _publish() -> None:
    users: Any = get_user_model()._default_manager
    owner = users.create_superuser(f"contract-{uuid.uuid4().hex[:8]}", "", None)
    made = workflows.save_definition(yaml_files.read_workflow(_STEPS), owner=owner)
    workflows.publish(made, author=owner)


def _start() -> uuid.UUID:
    """Start a run, and hand out its step."""
    from automate_core.api import start

    start(_SLUG)
    _drain()
    run = ExecutionRun.objects.latest("id")
    assert run.status == "waiting", f"the run is {run.status}: {run.error}"
    return run.pk


def _drain() -> None:
    Worker(concurrency=2, drain=True, name="contract").run()


def _let_pass() -> None:
    HandedOutStep.objects.update(due_at=F("due_at") - dt.timedelta(hours=1))


def _wait_for_end(site: Bench, run: uuid.UUID) -> None:
    def is_over() -> bool:
        if HandedOutStep.objects.exists():
            return False
        _drain()
        return ExecutionRun.objects.filter(pk=run, status="succeeded").exists()

    assert site.consumers.wait(is_over), f"the run does not continue: {site.consumers.output()}"
