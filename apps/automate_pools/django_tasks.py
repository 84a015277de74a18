"""The `tasks` executor: any backend of `django.tasks`."""

from __future__ import annotations

import os
import socket  # noqa: TID251 - for this host's name alone
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, task, task_backends
from django.tasks.exceptions import InvalidTaskBackend
from django.utils.connection import ConnectionDoesNotExist

from automate_core.engine.executor import Executor, ExecutorError, Message, Pool
from automate_plugins import text
from automate_pools import performer


@task
def perform_step(step_id: str, token: int) -> None:
    """The task that a backend runs for each message."""
    performer.perform_step(uuid.UUID(step_id), token, performer=f"{socket.gethostname()}-{os.getpid()}")


class TasksExecutor(Executor):
    """Options: `backend`, an alias in TASKS, and `queue`, one of its queues."""

    code = "tasks"
    name = text("Django tasks")
    description = text("Sends steps to a backend of TASKS. Options: backend and queue.")
    reports_consumers = False  # a backend does not say when its workers live

    def validate_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError."""
        if unknown := options.keys() - {"backend", "queue"}:
            raise ValueError(f"the executor tasks has the options backend and queue, not {', '.join(sorted(unknown))}.")

    def send(self, pool: Pool, messages: Sequence[Message]) -> None:
        """Enqueue one task for each message. Raises ExecutorError."""
        backend, queue = pool.options.get("backend", DEFAULT_TASK_BACKEND_ALIAS), pool.options.get("queue", pool.name)
        try:
            task_backends[backend]
        except (InvalidTaskBackend, ConnectionDoesNotExist) as error:
            raise ExecutorError(str(error)) from error
        try:
            chosen = perform_step.using(backend=backend, queue_name=queue)
            for message in messages:
                chosen.enqueue(str(message.step_id), message.token)
        except Exception as error:  # backends raise what their brokers do
            raise ExecutorError(f"{type(error).__name__}: {error}") from error
