"""The shared part of an executor's suites: its broker, a pool, and its consumer processes."""

from __future__ import annotations

import contextlib
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from automate_core.engine.executor import Executor, Message, Pool
from automate_testing.contracts.calls import Call, make_instance, observe
from automate_testing.contracts.executors.processes import Consumers

POOL = "contract"


@dataclass(frozen=True)
class Bench:
    """A pool whose broker is ready, and its consumer processes, of which none runs yet."""

    pool: Pool
    consumers: Consumers


class ExecutorSuite:
    """What the suites need of an executor. An executor that is local needs `executor_cls` alone."""

    executor_cls: type[Executor]
    options: Mapping[str, Any] = {}  #: good options of a pool, where `open_broker` gives none
    call_seconds: float = 10.0  #: `send` takes no longer
    receive_seconds: float = 300.0  #: a running consumer has received a message by then, also on a busy machine

    @pytest.fixture
    def executor(self) -> Executor:
        """The executor, made the way the registry makes it."""
        return make_instance(self.executor_cls)

    def open_broker(self, folder: Path) -> Mapping[str, Any]:
        """Return the options of a pool with an empty broker. `folder` is empty and deleted after the check."""
        return self.options

    def close_broker(self) -> None:
        """End what `open_broker` began."""

    def stored(self, pool: Pool) -> Sequence[str]:
        """Return all messages that the broker stores for the pool as texts, those being performed included."""
        raise NotImplementedError("override `stored`, which returns the messages at the broker as texts")

    def lose(self, pool: Pool) -> None:
        """Delete all messages at the broker."""
        raise NotImplementedError("override `lose`, which deletes the messages at the broker")

    def consumer(self, pool: Pool) -> Sequence[str]:
        """Return what starts a consumer of the pool: the name of a module that is run, and its arguments."""
        raise NotImplementedError("override `consumer`, which returns the consumer's module and its arguments")

    def consumer_environment(self, pool: Pool) -> Mapping[str, str]:
        """Return further environment variables of the consumer."""
        return {}

    def consumer_settings(self, pool: Pool) -> Mapping[str, Any]:
        """Return Django settings of the consumer, as JSON has them."""
        return {}

    @contextlib.contextmanager
    def bench(self, executor: Executor, *, database: str = "") -> Iterator[Bench]:
        """A pool with its broker for the duration of the block. Skips the check for a local executor."""
        if executor.is_local:
            pytest.skip("the workers perform the steps themselves: nothing is sent")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for each in ("broker", "consumers"):
                (folder / each).mkdir()
            pool = Pool(POOL, executor, dict(self.open_broker(folder / "broker")), 30.0)
            changed = {**self.consumer_settings(pool), "AUTOMATE_POOLS": {POOL: declaration(pool)}}
            variables = {**self.consumer_environment(pool), "AUTOMATE_CONTRACT_SETTINGS": json.dumps(changed)}
            if database:
                variables["AUTOMATE_CONTRACT_DATABASE"] = database
            command = self.consumer(pool)
            consumers = Consumers(folder / "consumers", command, variables, seconds=self.receive_seconds)
            try:
                yield Bench(pool, consumers)
            finally:
                consumers.kill()
                self.close_broker()

    def send(self, pool: Pool, *messages: Message) -> Call:
        """Call `send` under its deadline."""
        return observe(
            lambda: pool.executor.send(pool, messages),
            seconds=self.call_seconds,
            what="send",
            guarded=False,
            plugin=self.executor_cls,
        )

    def send_well(self, pool: Pool, *messages: Message) -> None:
        """Send, and fail for an error."""
        check_sent(self.send(pool, *messages))


def check_sent(call: Call) -> None:
    """Fail for a call of `send` that raised an error."""
    error = call.error
    assert error is None, f"send fails with a broker that is ready: {type(error).__name__}: {error}"


def new_message(token: int = 1) -> Message:
    """A message for a step that no table knows."""
    return Message(uuid.uuid4(), token)


def declaration(pool: Pool) -> dict[str, Any]:
    """The pool as AUTOMATE_POOLS declares it."""
    return {"executor": pool.executor.code, **pool.options}
