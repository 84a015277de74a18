"""Checks of a connector's successful calls."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, Effect
from automate_connectors.invocation import describe_call
from automate_testing.cases import ANYTHING
from automate_testing.contracts.calls import call_again, look_for_bypasses
from automate_testing.contracts.samples import made_up_cases, secret_names
from automate_testing.contracts.suite import Attempt, ConnectorSuite
from automate_testing.fakes import ScriptedHttp, ScriptedNetwork, SentRequest, answer


class ConnectorResults(ConnectorSuite):
    """Checks of calls that succeed."""

    def test_contract_makes_a_request(self, adapter: ConnectorAdapter) -> None:
        """Each declared case of an action that reaches outside makes a request by context["http"]."""
        self.calls(adapter)

    def test_contract_guarded_session(self, adapter: ConnectorAdapter) -> None:
        """Nothing goes around the guarded session: no socket, HTTP library or program of its own."""
        look_for_bypasses(type(adapter))
        for case in self.probes(adapter):
            self.attempt(adapter, case)
            self.attempt(adapter, case, (answer(503),))

    def test_contract_guarded_network(self, adapter: ConnectorAdapter) -> None:
        """A case that is not run uses context["network"], and fails with an error that may be retried."""
        for case in self.cases:
            if not case.run and self.action(adapter, case).effect is Effect.EFFECTFUL:
                attempt = self.attempt(adapter, case, network=ScriptedNetwork())
                assert attempt.reached_out, f"{case} uses neither context['http'] nor context['network']"
                assert attempt.error.retryable, f"{case}: a server that is not there may be back later"

    def test_contract_returns_in_time(self, adapter: ConnectorAdapter) -> None:
        """Calls return as soon as the other side has answered: nothing waits without an end."""
        call_again(type(adapter))
        for case in self.probes(adapter):
            self.attempt(adapter, case)
        if adapter.can_check:
            given = self.make_context(ScriptedHttp(self.check_answers), self.connection(adapter))
            self.observe(lambda: adapter.check_connection(given), "check_connection")

    def test_contract_output_is_json(self, adapter: ConnectorAdapter) -> None:
        """A good answer gives an output that is JSON."""
        for attempt in self._declared(adapter):
            assert attempt.output is not ANYTHING

    def test_contract_output_as_declared(self, adapter: ConnectorAdapter) -> None:
        """The output is the one that the case names."""
        for attempt in self._declared(adapter):
            case = attempt.case
            assert case.output in (ANYTHING, attempt.output), f"{case}: the output is {attempt.output}"

    def test_contract_outputs(self, adapter: ConnectorAdapter) -> None:
        """The outputs that an action declares are in its output, in their kinds."""
        for attempt in self._declared(adapter):
            for spec in self.action(adapter, attempt.case).outputs:
                output = attempt.output
                assert isinstance(output, dict), f"{attempt.case} declares outputs, and gives {output!r}"
                assert spec.name in output, f"{attempt.case} declares the output {spec.name!r}, and gives none"
                problem = spec.problem(output[spec.name])
                assert problem is None, f"{attempt.case}: the output {problem}"

    def test_contract_requests_as_declared(self, adapter: ConnectorAdapter) -> None:
        """The requests are those that the case names."""
        for attempt in self._declared(adapter):
            case, sent = attempt.case, attempt.http.requests
            for index, wanted in enumerate(case.requests or ((case.request,) if case.request else ())):
                assert index < len(sent), f"{case}: the connector made no request {index + 1}, which the case names"
                found = asdict(sent[index])
                differing = [name for name in wanted if found.get(name) != wanted[name]]
                assert not differing, f"{case}: request {index + 1} " + "; ".join(
                    f"has the {name} {found.get(name)!r}, and the case names {wanted[name]!r}" for name in differing
                )
            assert not case.requests or len(sent) == len(case.requests), (
                f"{case}: the connector made {len(sent)} requests, and the case names {len(case.requests)}"
            )
            assert len(sent) >= len(case.answers), (
                f"{case}: the connector made {len(sent)} requests, and the case has {len(case.answers)} answers; ask on"
                " until there is no further page"
            )

    def test_contract_content_type(self, adapter: ConnectorAdapter) -> None:
        """The body of a request is what its Content-Type says."""
        for attempt in self._declared(adapter):
            for request in attempt.http.requests:
                problem = _body_problem(request)
                assert not problem, f"{attempt.case}: the {request.method} of {request.url} {problem}"

    def test_contract_pure(self, adapter: ConnectorAdapter) -> None:
        """A pure action gives the same output twice, makes no request, and does not change its inputs."""
        found = [case for case in self.cases if self.action(adapter, case).effect is Effect.PURE]
        if not found:
            pytest.skip(f"no case of a pure action of {adapter.code}")
        for case in found:
            once, again = self.attempt(adapter, case), self.attempt(adapter, case)
            assert once.output == again.output, f"{case} is not pure: it gives something else each time"

    def test_contract_stays_inside(self, adapter: ConnectorAdapter) -> None:
        """Actions that are pure or transactional make no request."""
        for attempt in self._declared(adapter):
            effect = self.action(adapter, attempt.case).effect
            assert effect is Effect.EFFECTFUL or not attempt.reached_out, f"{attempt.case} is {effect}, and reaches out"

    def test_contract_describe(self, adapter: ConnectorAdapter) -> None:
        """An adapter with `describe` says in a line what a call would do, without a secret and without a request."""
        if not adapter.can_describe:
            pytest.skip(f"{adapter.code} does not describe itself")
        secret = secret_names(adapter)
        for case in self.cases or made_up_cases(adapter):
            http, params = ScriptedHttp(), copy.deepcopy(case.params)
            config = {n: copy.deepcopy(value) for n, value in case.connection.items() if n not in secret}
            action, given = self.action(adapter, case), self.make_context(http, config)
            call = self.observe(
                lambda a=action, p=params, g=given: describe_call(adapter, a, p, g),
                f"describe of {case}",
            )
            if isinstance(call.error, ConnectorError):
                assert call.error.code != "unexpected_error", f"{case}: {call.error.message}"
                assert not self.cases or not case.run, f"describe refuses {case}: {call.error.message}"
            else:
                summary = call.value.get("summary")
                assert summary and isinstance(summary, str), f"{case}: `summary` is one line for people"
            assert not http.requests, f"{case}: a description makes a request"
            assert params == case.params, f"{case}: a description changes the inputs"

    def _declared(self, adapter: ConnectorAdapter) -> list[Attempt]:
        """The declared cases that are run, of any effect, or else those that are made up and make requests."""
        declared = [case for case in self.cases if case.run]
        return [self.attempt(adapter, case) for case in declared or self.calls(adapter)]


def _body_problem(request: SentRequest) -> str:
    """Return in which way the body is not what its Content-Type says, or ""."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    label, _, more = headers.get("content-type", "").lower().partition(";")
    is_json = label.strip().endswith(("/json", "+json"))
    body = request.data
    if label and request.json is not None and not is_json:
        return f"sends JSON, and its Content-Type says {label}"
    if is_json and isinstance(body, Mapping):
        return f"sends a form, and its Content-Type says {label}"
    if not isinstance(body, str | bytes) or not body:
        return ""
    if is_json:
        try:
            json.loads(body)
        except ValueError:
            return f"sends a body that is not JSON, and its Content-Type says {label}"
    boundary = more.partition("boundary=")[2].split(";")[0].strip().strip('"').encode()
    plain = (body.encode() if isinstance(body, str) else body).lower()
    if label.startswith("multipart/") and not (boundary and b"--" + boundary in plain):
        return "sends a multipart body without the boundary that its Content-Type names"
    return ""
