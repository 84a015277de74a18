"""The `celery` executor: a Celery app's broker carries the messages, and its workers perform the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string  # noqa: TID251 - a path from the settings

from automate_core.engine.executor import Executor, ExecutorError, Message, Pool
from automate_plugins import text

if TYPE_CHECKING:
    from celery import Celery

TASK = "automate.perform_step"
BROKER_SECONDS = 5.0  #: until a broker that does not answer counts as away
_OPTIONS = frozenset({"app", "broker", "queue"})


class CeleryExecutor(Executor):
    """Options: `app`, the dotted path of the site's Celery app, or the URL of a `broker`; and the `queue`."""

    code = "celery"
    name = text("Celery")
    description = text("Sends steps to Celery. Options: app or broker, and queue.")

    def validate_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError."""
        if unknown := options.keys() - _OPTIONS:
            raise ValueError(
                f"the executor celery has the options app, broker and queue, not {', '.join(sorted(unknown))}."
            )
        if ("app" in options) == ("broker" in options):
            raise ValueError("the executor celery needs either app, the path of a Celery app, or the URL of a broker.")
        if not all(isinstance(value, str) and value for value in options.values()):
            raise ValueError("the options of the executor celery are texts.")

    def send(self, pool: Pool, messages: Sequence[Message]) -> None:
        """Publish one message for each step. Raises ExecutorError."""
        try:
            app = celery_app(pool)
            with app.producer_or_acquire() as producer:
                for message in messages:
                    app.send_task(
                        TASK,
                        args=[str(message.step_id), message.token],
                        queue=queue_of(pool),
                        producer=producer,
                        ignore_result=True,
                        retry=False,
                    )
        except Exception as error:  # each broker raises its own
            raise ExecutorError(f"{type(error).__name__}: {error}") from error


def queue_of(pool: Pool) -> str:
    """The queue of a pool of this executor."""
    return str(pool.options.get("queue") or f"automate-{pool.name}")


def celery_app(pool: Pool) -> Celery:
    """The Celery app of a pool. Raises ImportError when Celery is not installed, or the app's path is wrong."""
    if path := pool.options.get("app"):
        app: Celery = import_string(path)
        return app
    return make_app(pool.options["broker"])


@cache
def make_app(broker: str) -> Celery:
    """An app for a broker, with what the protocol needs: one message at a time, taken off the broker at its end."""
    try:
        from celery import Celery
    except ImportError as error:
        raise ImportError(text("Celery is not installed. Install django-automate[celery].")) from error
    app = Celery("automate", broker=broker, set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=BROKER_SECONDS,
        broker_transport_options={
            "socket_connect_timeout": BROKER_SECONDS,
            "socket_timeout": 30.0,
            "confirm_publish": True,
        },
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
    )
    return app
