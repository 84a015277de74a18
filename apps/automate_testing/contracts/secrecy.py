"""Checks that a connection's secrets are sent to the other side, and appear nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_egress import EgressTimeoutError, HttpResponse
from automate_testing.cases import Case
from automate_testing.contracts.samples import secret_names
from automate_testing.contracts.suite import Attempt, ConnectorSuite
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import ScriptedHttp, answer

_OTHER = "other-canary-9f8e7d6c5b4a"  #: stands for secrets that may be in a URL
_STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
#: What a connector may log, print or raise a secret on.
FAILURES: tuple[HttpResponse | Exception, ...] = (
    *(answer(status, {"error": "wrong"}) for status in _STATUSES),
    answer(200, b"<html>"),
    EgressTimeoutError("too long"),
)


_SHORTEST_BODY = 8  #: `{"a": 1}`; less may be in a log by chance


class ConnectorSecrecy(ConnectorSuite):
    """Checks of outputs, errors, log lines and printed text, of good calls and of failing ones."""

    def test_contract_no_secret_in_output(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in an output."""
        for attempt in self._all(adapter):
            output = attempt.call.value or b""
            assert not contains_secret(output.decode()), f"{attempt.case}: an output shows a secret"

    def test_contract_no_secret_in_logs(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in a line of context["log"], nor in a record of `logging`."""
        for attempt in self._all(adapter):
            assert not contains_secret(str(attempt.context.get("lines"))), (
                f"{attempt.case}: a line of the log shows a secret"
            )
            assert not contains_secret(attempt.call.traces.logged), (
                f"{attempt.case}: a record of `logging` shows a secret"
            )

    def test_contract_no_secret_printed(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is printed, or in a warning."""
        for attempt in self._all(adapter):
            assert not contains_secret(attempt.call.traces.printed), (
                f"{attempt.case}: a secret is printed, or in a warning"
            )

    def test_contract_no_secret_in_files(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is written to a file, also to one that is removed again."""
        for attempt in self._all(adapter):
            assert not contains_secret(attempt.call.traces.filed), (
                f"{attempt.case}: a secret is written to a file, which others may read and a killed process leaves"
            )

    def test_contract_no_answer_in_logs(self, adapter: ConnectorAdapter) -> None:
        """The body of an answer is neither logged by `logging` nor printed: the site's log would hold its data."""
        for case in self.calls(adapter):
            bodies = [each.text for each in case.script if isinstance(each, HttpResponse)]
            traces = self.attempt(adapter, case).call.traces
            shown = f"{traces.logged} {traces.printed}".replace("\\", "")
            for body in bodies:
                is_shown = len(body) >= _SHORTEST_BODY and (body in shown or repr(_value_of(body)) in shown)
                assert not is_shown, (
                    f"{case}: the body of an answer is logged or printed, and the site's log keeps it longer than the"
                    " run; log ids and statuses, or lines of the run by context['log']"
                )

    def test_contract_no_secret_in_errors(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in an error's message, nor in the errors behind it."""
        for attempt in self._all(adapter):
            assert not contains_secret(error_text(attempt.call.error)), f"{attempt.case}: an error shows a secret"
        for status in (401, 403, 422, 500, 503):
            for attempt in self.failures(adapter, answer(status, {"error": f"{CANARY} is not let in"})):
                error = attempt.call.error
                assert not contains_secret(str(error)), (
                    f"{attempt.case}: the error's message quotes the answer to HTTP {status}, and services quote tokens"
                    " in theirs; give the status, or a part of the answer that cannot hold one"
                )

    def test_contract_no_secret_in_details(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in an error's details, which people see."""
        for attempt in self._all(adapter):
            error = attempt.call.error
            details = str(error.details) if isinstance(error, ConnectorError) else ""
            assert not contains_secret(details), f"{attempt.case}: the details of an error show a secret"

    def test_contract_no_secret_in_url(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in the URL of a request: servers and proxies write URLs to their logs."""
        unknown = set(self.secrets_in_url) - secret_names(adapter)
        assert not unknown, f"`secrets_in_url` names {', '.join(sorted(unknown))}, which is no secret of a connection"
        for case in self.calls(adapter):
            self._check_urls(str(case), self.attempt(adapter, self._without_canaries(case)).http)
        if adapter.can_check:
            http, case = ScriptedHttp(self.check_answers), Case(action="", connection=self.connection(adapter))
            given = self.make_context(http, self._without_canaries(case).connection)
            self.observe(lambda: adapter.check_connection(given), "check_connection")
            self._check_urls("check_connection", http)

    def _without_canaries(self, case: Case) -> Case:
        """The case, with another value of the secrets that the service requires in the URL."""
        named = {name: _OTHER for name in self.secrets_in_url if name in case.connection}
        return replace(case, connection={**case.connection, **named})

    def _check_urls(self, what: str, http: ScriptedHttp) -> None:
        for request in http.requests:
            assert not contains_secret(f"{request.url} {request.params}"), (
                f"{what}: the URL of a {request.method} has a secret, and servers log URLs; send it in a header, or, if"
                " the service requires it in the URL, name its setting in `secrets_in_url`"
            )

    def _all(self, adapter: ConnectorAdapter) -> Iterator[Attempt]:
        for case in self.calls(adapter):
            yield self.attempt(adapter, case)
        for failure in FAILURES:
            yield from self.failures(adapter, failure)


def _value_of(body: str) -> Any:
    """Return the value of a body of JSON, which may be logged as Python writes it; the text of another one."""
    try:
        return json.loads(body)
    except ValueError:
        return body
