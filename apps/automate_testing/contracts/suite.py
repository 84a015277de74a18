"""The shared part of a connector's suite: its cases, and the calls made from them."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from automate_connectors.adapters.base import Action, ActionVersionError, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.context import Context
from automate_connectors.invocation import invoke
from automate_egress import HttpResponse
from automate_testing.cases import Case
from automate_testing.contracts.calls import Call, make_instance, observe
from automate_testing.contracts.samples import made_up_cases, made_up_config, secret_names
from automate_testing.contracts.traces import CANARY
from automate_testing.fakes import MemoryFiles, ScriptedHttp, ScriptedNetwork, SentRequest, context

type Script = tuple[HttpResponse | Exception, ...]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call of a case, and its result."""

    case: Case
    call: Call
    http: ScriptedHttp
    context: Mapping[str, Any]
    failed_at: int = 0  #: the index of the request that a failure answered
    failure: HttpResponse | Exception | None = None  #: what it was answered with

    @property
    def output(self) -> Any:
        """The output, read back from JSON. Fails when there is none."""
        assert self.call.error is None, f"{self.case} fails: {self.call.error}"
        return json.loads(self.call.value)

    @property
    def error(self) -> ConnectorError:
        """The error. Fails when there is none, or one that the connector did not raise itself."""
        error = self.call.error
        assert isinstance(error, ConnectorError), (
            f"{self.case}: the connector took {failure_name(self.failure)} for success and gave"
            f" {_start(self.call.value)}; raise ConnectorError"
        )
        assert error.code != "unexpected_error", (
            f"{self.case}: {failure_name(self.failure)} ends with a bare {error.message}; raise ConnectorError in its"
            " place"
        )
        return error

    @property
    def used_files(self) -> bool:
        """Whether it read or wrote a file."""
        files = self.context.get("files")
        return isinstance(files, MemoryFiles) and bool(files.opened or files.created)

    @property
    def reached_out(self) -> bool:
        """Whether it used the ways out that it was handed."""
        network = self.context.get("network")
        return bool(self.http.requests or (isinstance(network, ScriptedNetwork) and network.connections))


class ConnectorSuite:
    """`cases` are optional; values of secret fields in them are replaced by a canary."""

    adapter_cls: type[ConnectorAdapter]
    cases: tuple[Case, ...] = ()
    call_seconds: float = 10.0  #: a call takes no longer, since the other side answers at once
    keyless_actions: Collection[str] = ()  #: actions that POST to services which take no idempotency key
    untried_actions: Collection[str] = ()  #: declared actions that no case calls
    any_answer_actions: Collection[str] = ()  #: actions with a result of their own for an answer that is not JSON
    secrets_in_url: Collection[str] = ()  #: secret settings that the service requires in the URL
    most_pages: int = 1_000  #: a call makes no more requests, even if the service repeats a page
    bad_configs: tuple[dict[str, Any], ...] = ()  #: configurations that `validate_config` refuses
    replaces: str = ""  #: the code of a built-in connector that it is meant to replace
    check_answers: tuple[HttpResponse, ...] = ()  #: what the service answers to `check_connection` when all is well
    options_answers: Mapping[str, tuple[HttpResponse, ...]] = {}  #: the same for `options`, by name

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The connector, made the way the registry makes it."""
        return make_instance(self.adapter_cls)

    def make_context(self, http: ScriptedHttp, connection: dict[str, Any]) -> Context:
        """The context of each call; override it to add to it, such as a `user`."""
        return context(http, connection)

    def attempt(self, adapter: ConnectorAdapter, case: Case, script: Script = (), **more: Any) -> Attempt:
        """Call the case's action; the other side answers with `script`, or as the case says."""
        http = ScriptedHttp(script or case.script)
        given = self.make_context(http, copy.deepcopy(case.connection))
        given.update(more)
        given["files"] = MemoryFiles(case.files)
        action, params = self.action(adapter, case), copy.deepcopy(case.params)
        call = self.observe(lambda: invoke(adapter, action, params, given), str(case))
        return Attempt(case=case, call=call, http=http, context=given)

    def observe(self, act: Any, what: str) -> Call:
        """Make a call under the suite's deadline."""
        return observe(act, seconds=self.call_seconds, what=what, plugin=getattr(self, "adapter_cls", None))

    def calls(self, adapter: ConnectorAdapter) -> list[Case]:
        """The cases that make requests, their secrets replaced. Skips the test when none is declared or made up.

        Fails for a declared one that makes none, or fails on its own answer.
        """
        if self._found is None:
            self._found = self._calls(adapter)
        return self._found

    _found: list[Case] | None = None

    def _calls(self, adapter: ConnectorAdapter) -> list[Case]:
        declared = [case for case in self.cases if case.run and self.action(adapter, case).effect is Effect.EFFECTFUL]
        found = []
        for case in (_with_canaries(adapter, case) for case in declared or made_up_cases(adapter)):
            attempt = self.attempt(adapter, case)
            if declared:
                assert attempt.call.error is None, f"{case} fails on its own answer: {attempt.call.error}"
                is_used = attempt.reached_out or attempt.used_files
                assert is_used, f"{case} makes no request by context['http'], and uses no context['files']"
            if attempt.http.requests:
                found.append(case)
        if not found and not declared:
            pytest.skip(f"{adapter.code} makes no request with made-up inputs: declare `cases` to check its behaviour")
        return found

    def probes(self, adapter: ConnectorAdapter) -> list[Case]:
        """Some call of each kind: the declared cases that are run, or made-up ones, or one of no described action."""
        declared = [case for case in self.cases if case.run] or made_up_cases(adapter)
        return declared or ([] if adapter.actions else [Case(action="contract")])

    def failures(self, adapter: ConnectorAdapter, failure: HttpResponse | Exception) -> Iterator[Attempt]:
        """Each case, with `failure` in place of each of its answers in turn."""
        for case in self.calls(adapter):
            for position in range(len(case.script)):
                attempt = self.attempt(adapter, case, (*case.script[:position], failure))
                if len(attempt.http.requests) > position:
                    yield replace(attempt, failed_at=position, failure=failure)

    def action(self, adapter: ConnectorAdapter, case: Case) -> Action:
        """The action of a case, at its version. Fails when the connector has none of that name."""
        try:
            action = adapter.action(case.action)
            return action.at_version(case.version) if case.version else action
        except (LookupError, ActionVersionError) as error:
            raise AssertionError(str(error)) from None

    def connection(self, adapter: ConnectorAdapter) -> dict[str, Any]:
        """A connection of the cases, else a made-up one, its secrets replaced."""
        given = next((case.connection for case in self.cases if case.connection), None)
        return _with_canaries(adapter, Case(action="", connection=given or made_up_config(adapter))).connection


def failure_name(failure: HttpResponse | Exception | None) -> str:
    """Return the name of a failure, for messages."""
    if isinstance(failure, HttpResponse):
        return f"HTTP {failure.status}"
    return f"{type(failure).__name__}" if failure is not None else "a failure"


def check_sent_once(
    what: str, requests: Sequence[SentRequest], failed_at: int, failure: HttpResponse | Exception, slept: list[float]
) -> None:
    """Assert that a call neither repeats the request that `failure` answered nor waits to do so."""
    is_refused = failure_name(failure) == "HTTP 401"  # a new token may be tried, the same one is refused again
    sent = [request if is_refused else replace(request, headers={}) for request in requests]
    count = sent.count(sent[failed_at])
    assert count == 1, (
        f"{what}: after {failure_name(failure)} the connector sent the same request again,"
        f" {count} times in all; send it once and raise: retrying is the engine's"
    )
    waited = max(slept, default=0)
    assert waited < 1, (
        f"{what}: after {failure_name(failure)} the connector sleeps {waited:g} seconds; raise at"
        " once, with retry_after: waiting is the engine's, which serves other runs meanwhile"
    )


def _start(document: Any) -> str:
    return (document or b"").decode()[:200]


def _with_canaries(adapter: ConnectorAdapter, case: Case) -> Case:
    secret = secret_names(adapter)
    connection = {name: CANARY if name in secret else value for name, value in copy.deepcopy(case.connection).items()}
    return replace(case, connection=connection)
