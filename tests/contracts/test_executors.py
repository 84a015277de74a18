"""The built-in executors pass the contract of executors, with consumer processes that are killed."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest
import redis

from automate_core.engine.threads_executor import ThreadsExecutor
from automate_pools.celery_pool import CeleryExecutor, queue_of
from automate_pools.django_tasks import TasksExecutor
from automate_testing.contracts import ExecutorContractTest, HandedOutStepContractTest
from tests.support.brokers import Redis
from tests.support.folder_tasks import read_tasks

pytestmark = pytest.mark.process


class OverFolder:
    """The executor `tasks` over a backend that keeps tasks as files."""

    executor_cls = TasksExecutor

    @pytest.fixture(autouse=True)
    def _settings(self, settings):
        self.settings = settings

    def open_broker(self, folder):
        backend = {"BACKEND": "tests.support.folder_tasks.FolderBackend", "QUEUES": []}
        self.settings.TASKS = {"default": backend | {"OPTIONS": {"folder": str(folder)}}}
        return {"backend": "default"}

    def consumer_settings(self, pool):
        return {"TASKS": self.settings.TASKS}

    def folder(self):
        return self.settings.TASKS["default"]["OPTIONS"]["folder"]

    def stored(self, pool):
        return read_tasks(self.folder())

    def lose(self, pool):
        for path in Path(self.folder()).iterdir():
            path.unlink()

    def consumer(self, pool):
        return ["tests.support.folder_tasks", self.folder()]


class TestThreads(ExecutorContractTest):
    executor_cls = ThreadsExecutor


class TestTasks(OverFolder, ExecutorContractTest):
    away_options = {"backend": "unknown"}
    bad_options = ({"speed": 1},)


def extended(name):
    """A check of handed-out steps as one that takes long."""

    @pytest.mark.extended
    def check(self, executor):
        getattr(HandedOutStepContractTest, name)(self, executor)

    return check


@pytest.mark.django_db(transaction=True)
class TestTasksSteps(OverFolder, HandedOutStepContractTest):
    """The step whose consumer is killed stands for the others."""

    test_contract_step_performed = extended("test_contract_step_performed")
    test_contract_step_delivered_twice = extended("test_contract_step_delivered_twice")
    test_contract_step_message_lost = extended("test_contract_step_message_lost")


class OverRedis:
    """The executor `celery` with a Redis of the check, and Celery workers."""

    executor_cls = CeleryExecutor
    away_options = {"broker": "redis://127.0.0.1:1/0"}
    bad_options = ({}, {"broker": 7}, {"app": "shop.celery.app", "broker": "redis://127.0.0.1:1/0"})
    call_seconds = 60.0

    def open_broker(self, folder):
        self.redis = Redis(folder / "redis")
        self.redis.start()
        return {"broker": self.redis.url}

    def close_broker(self):
        self.redis.kill()

    def stored(self, pool):
        client = redis.Redis(port=self.redis.port)
        waiting = client.lrange(queue_of(pool), 0, -1)
        taken = [json.loads(each)[0] for each in client.hvals("unacked")]
        messages = [*(json.loads(each) for each in waiting), *taken]
        return [base64.b64decode(each["body"]).decode() + json.dumps(each["headers"]) for each in messages]

    def lose(self, pool):
        redis.Redis(port=self.redis.port).flushall()

    def consumer(self, pool):
        worker = ["worker", "--pool", "threads", "--concurrency", "2", "--loglevel", "WARNING"]
        return ["celery", "-A", "automate_pools.celery_app", *worker]


needs_redis = pytest.mark.skipif(
    not (shutil.which("redis-server") or shutil.which("valkey-server")), reason="needs redis-server"
)


@pytest.mark.extended
@needs_redis
class TestCelery(OverRedis, ExecutorContractTest):
    pass


@pytest.mark.extended
@needs_redis
@pytest.mark.django_db(transaction=True)
class TestCelerySteps(OverRedis, HandedOutStepContractTest):
    pass
