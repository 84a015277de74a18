"""The contract of executors: what `send` hands to the broker, and what the consumer makes of it, also under SIGKILL.

    class TestMyBroker(ExecutorContractTest):
        executor_cls = MyBrokerExecutor

The checks need no database: a stand-in takes the place of `perform_step` in the consumer's process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from django.db.models.sql.compiler import SQLCompiler

from automate_core import database
from automate_core.engine.executor import Executor, ExecutorError, Message, Pool, verify_executor
from automate_testing.contracts.calls import call_again, make_instance, observe
from automate_testing.contracts.executors.suite import POOL, ExecutorSuite, check_sent, new_message
from automate_testing.contracts.samples import NAME

MANY = 200  #: the most messages of one call


class ExecutorContractTest(ExecutorSuite):
    """What every executor keeps."""

    bad_options: tuple[Mapping[str, Any], ...] = ()  #: options that `validate_options` refuses
    away_options: Mapping[str, Any] | None = None  #: options of a broker that cannot be reached

    def test_contract_made_without_arguments(self, executor: Executor) -> None:
        """Its class is called without arguments, once for all threads."""
        make_instance(type(executor))

    def test_contract_identity(self, executor: Executor) -> None:
        """It is an Executor with a code, a name and flags."""
        assert isinstance(executor, Executor), "it is not an Executor"
        try:
            verify_executor(executor)
        except TypeError as error:
            raise AssertionError(str(error)) from error
        assert NAME.match(executor.code), "code is lower-case letters, digits, _ and -, beginning with a letter"
        for flag in ("is_local", "reports_consumers"):
            assert isinstance(getattr(executor, flag), bool), f"{flag} must be True or False"

    def test_contract_options(self, executor: Executor) -> None:
        """Good options are accepted; an unknown one, and each of `bad_options`, raises ValueError with a reason."""
        good = dict(self.away_options or self.options)
        error = self._validate(executor, good)
        assert error is None, f"validate_options refuses the options of the suite: {error}"
        for bad in ({**good, "contract_unknown": 1}, *self.bad_options):
            error = self._validate(executor, bad)
            assert error is not None, f"validate_options accepts {dict(bad)}; raise ValueError with a reason"
            assert isinstance(error, ValueError) and str(error), (
                f"validate_options raises {type(error).__name__} for {dict(bad)}; raise ValueError with a reason"
            )

    def test_contract_sends(self, executor: Executor) -> None:
        """`send` returns nothing, as soon as the broker has the message."""
        call_again(self.executor_cls)
        with self.bench(executor) as bench:
            message = new_message()
            call = self.send(bench.pool, message)
            check_sent(call)
            assert call.value is None, f"send must return nothing, not {type(call.value).__name__}"
            assert self._is_stored(bench.pool, message), "send returned, and the broker does not have the message"

    def test_contract_sends_all(self, executor: Executor) -> None:
        """Each message of a call is sent: 200 are handed over at once."""
        with self.bench(executor) as bench:
            messages = [new_message(number % 3 + 1) for number in range(MANY)]
            self.send_well(bench.pool, *messages)
            stored = "\n".join(self.stored(bench.pool))
            missing = sum(str(message.step_id) not in stored for message in messages)
            assert not missing, f"{missing} of {MANY} messages are not at the broker"

    def test_contract_ids_only(self, executor: Executor) -> None:
        """The broker holds the step's id and its token, and nothing of the run: `send` reads no table of the site."""
        with self.bench(executor) as bench:
            message = new_message(7)
            with _site_reads() as reads:
                call = self.send(bench.pool, message)
            assert not reads, f"send reads {reads[0]}: a message holds the step's id and its token, and nothing else"
            check_sent(call)
            texts = [text for text in self.stored(bench.pool) if str(message.step_id) in text]
            assert texts and all(str(message.token) in text.replace(str(message.step_id), "") for text in texts), (
                "the message lacks the step's id or its token"
            )

    def test_contract_broker_away(self, executor: Executor) -> None:
        """A broker that cannot be reached is an ExecutorError, so that the messages are sent again."""
        if executor.is_local or self.away_options is None:
            pytest.skip("declare `away_options`, the options of a broker that cannot be reached")
        pool = Pool(POOL, executor, dict(self.away_options), 30.0)
        error = self.send(pool, new_message()).error
        assert error is not None, "send succeeds without a broker: the message is lost; raise ExecutorError"
        assert isinstance(error, ExecutorError) and str(error), (
            f"send raises {type(error).__name__}: {error}; raise ExecutorError from it"
        )

    def test_contract_performs(self, executor: Executor) -> None:
        """The consumer calls `perform_step` with the id, the token and its own name, then removes the message."""
        with self.bench(executor) as bench:
            message = new_message(3)
            bench.consumers.start()
            self.send_well(bench.pool, message)
            call = bench.consumers.wait_for("perform", 1, "the consumer did not call perform_step")[0]
            assert call["step"] == str(message.step_id) and call["kinds"][0] == "UUID", (
                f"perform_step takes the step's id as a UUID, not {call['kinds'][0]} {call['step']}"
            )
            assert call["token"] == 3 and call["kinds"][1] == "int", (
                f"perform_step takes the token of the message, 3, not {call['token']!r}"
            )
            assert isinstance(call["performer"], str) and call["performer"], "performer names the process for people"
            assert bench.consumers.wait(lambda: not self._is_stored(bench.pool, message)), (
                "the message stays at the broker after it was performed"
            )

    def test_contract_kept_while_performed(self, executor: Executor) -> None:
        """The message stays at the broker until `perform_step` returns: a consumer that dies before its claim
        loses none.
        """
        with self.bench(executor) as bench:
            message = new_message()
            bench.consumers.hold()
            bench.consumers.start()
            self.send_well(bench.pool, message)
            bench.consumers.wait_for("perform", 1, "the consumer did not call perform_step")
            assert self._is_stored(bench.pool, message), (
                "the message was removed before perform_step returned: acknowledge it after the outcome"
            )

    def test_contract_killed(self, executor: Executor) -> None:
        """A consumer that is killed in the middle of a step blocks no other: the step is performed with its next
        token.
        """
        with self.bench(executor) as bench:
            message = new_message()
            bench.consumers.hold()
            bench.consumers.start()
            self.send_well(bench.pool, message)
            bench.consumers.wait_for("perform", 1, "no consumer called perform_step")
            bench.consumers.kill()
            bench.consumers.release()
            bench.consumers.start()
            self.send_well(bench.pool, replace(message, token=2))
            found = bench.consumers.wait(lambda: (str(message.step_id), 2) in _performed(bench.consumers.calls()))
            assert found, "no consumer called perform_step with the next token after another was killed"

    def test_contract_sent_again(self, executor: Executor) -> None:
        """A step that is sent again, with its token or the next one, reaches the consumer: nothing is left out by its
        id.
        """
        with self.bench(executor) as bench:
            message = new_message()
            bench.consumers.start()
            self.send_well(bench.pool, message)
            bench.consumers.wait_for("performed", 1, "no consumer called perform_step for the message")
            self.send_well(bench.pool, message, replace(message, token=2))
            found = bench.consumers.wait(lambda: (str(message.step_id), 2) in _performed(bench.consumers.calls()))
            assert found, "no consumer called perform_step for the message that was sent again"

    def test_contract_goes_on(self, executor: Executor) -> None:
        """An error of `perform_step`, as of a database that is away, does not end the consumer."""
        with self.bench(executor) as bench:
            bench.consumers.fail_once()
            bench.consumers.start()
            first, second = new_message(), new_message()
            self.send_well(bench.pool, first)
            bench.consumers.wait_for("failed", 1, "the consumer did not call perform_step")
            self.send_well(bench.pool, second)
            wanted = str(second.step_id)
            bench.consumers.wait(
                lambda: (wanted, 1) in _performed(bench.consumers.calls()) or not bench.consumers.is_alive()
            )
            assert (wanted, 1) in _performed(bench.consumers.calls()), (
                "after an error of perform_step, the consumer does not perform the next step"
            )

    def test_contract_reports(self, executor: Executor) -> None:
        """Consumers report by ConsumerReports that they live, or `reports_consumers` is False."""
        with self.bench(executor) as bench:
            if not executor.reports_consumers:
                pytest.skip("reports_consumers is False")
            bench.consumers.start()
            self.send_well(bench.pool, new_message())
            bench.consumers.wait_for("performed", 1, "the consumer did not report, nor call perform_step")
            found = bench.consumers.wait(lambda: bool(bench.consumers.calls("reports")))
            assert found, "the consumer did not report that it lives: start ConsumerReports, or say it does not"
            [report, *_] = bench.consumers.calls("reports")
            assert POOL in report["pools"] and report["slots"] >= 1, "the consumer reports another pool, or no slot"

    def _is_stored(self, pool: Pool, message: Message) -> bool:
        return any(str(message.step_id) in text for text in self.stored(pool))

    def _validate(self, executor: Executor, options: Mapping[str, Any]) -> Exception | None:
        call = observe(
            lambda: executor.validate_options(dict(options)),
            seconds=self.call_seconds,
            what="validate_options",
            plugin=type(executor),
        )
        return call.error


def _performed(calls: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(call["step"], call["token"]) for call in calls if call["call"] == "perform"}


@contextlib.contextmanager
def _site_reads() -> Iterator[list[str]]:
    """Lists the tables of the site that the block reads. Such a read fails."""
    found: list[str] = []
    execute = SQLCompiler.execute_sql

    def listed(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.query.model is not None and self.query.model._meta.app_label.startswith("automate_"):
            refuse(f"the table {self.query.model._meta.db_table}")
        return execute(self, *args, **kwargs)

    def refuse(what: str) -> None:
        found.append(what)
        raise RuntimeError(f"send reads {what}")

    def refused(*args: Any, **kwargs: Any) -> None:
        refuse("the site's database")

    with (
        mock.patch.object(SQLCompiler, "execute_sql", listed),
        mock.patch.object(database, "run", refused),
        mock.patch.object(database, "connect", refused),
    ):
        yield found
