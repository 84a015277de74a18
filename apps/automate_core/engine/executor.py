"""Executors: where effectful steps are performed. docs/adr/0013 has the protocol.

A step whose pool has a remote executor is handed out: the checkpoint commits a `HandedOutStep` with a token, a worker
sends `Message(step_id, token)` afterwards, and a performer elsewhere claims the row by that token
(`automate_pools.performer.perform_step`). The broker holds ids only and is never the truth: a message may be
lost, repeated or late.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from automate_plugins.registry import Registry


class ExecutorError(Exception):
    """Messages could not be sent. They are sent again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """Message for a handed-out step: its id and the token of the claim."""

    step_id: uuid.UUID
    token: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as the setting AUTOMATE_POOLS declares it. `options` are those of its executor."""

    name: str
    executor: Executor
    options: Mapping[str, Any]
    resend_seconds: float

    @property
    def is_local(self) -> bool:
        """Whether the threads of the workers perform its steps."""
        return self.executor.is_local


class Executor(ABC):
    """One way to reach performers. Found in the entry-point group `django_automate.executors`.

    `is_local`: the worker that walks the run performs the step in its own threads, and nothing is sent.
    `reports_consumers`: its performers call `executors.consumers.report` while they live, so that a pool without
    consumers can be noticed.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str] = ""  #: a sentence for the Plug-ins page
    is_local: ClassVar[bool] = False
    reports_consumers: ClassVar[bool] = True

    def validate_options(self, options: Mapping[str, Any]) -> None:  # noqa: B027 - optional
        """Check the options of a pool. Raises ValueError with a message for the operator."""

    @abstractmethod
    def send(self, pool: Pool, messages: Sequence[Message]) -> None:
        """Give the messages to the broker, and return once it has taken them. Raises ExecutorError.

        Called outside of any transaction. A message may be sent more than once.
        """


def verify_executor(executor: Executor) -> None:
    """Raises TypeError for an executor whose description is not complete."""
    for attribute in ("code", "name"):
        value = getattr(executor, attribute, None)
        if not isinstance(value, str) or not value:
            raise TypeError(f"{type(executor).__name__}.{attribute} must be a text")


executors: Registry[Executor] = Registry(
    "django_automate.executors",
    Executor,  # type: ignore[type-abstract]
    name_of=lambda entry, cls: cls.code,
    verify=verify_executor,
)
