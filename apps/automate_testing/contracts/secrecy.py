"""Checks that a connection's secrets are sent to the other side, and appear nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_egress import EgressTimeoutError, HttpResponse
from automate_testing.contracts.suite import Attempt, ConnectorSuite
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import answer

_STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
#: What a connector may log, print or raise a secret on.
_FAILURES: tuple[HttpResponse | Exception, ...] = (
    *(answer(status, {"error": "wrong"}) for status in _STATUSES),
    answer(200, b"<html>"),
    EgressTimeoutError("too long"),
)


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

    def _all(self, adapter: ConnectorAdapter) -> Iterator[Attempt]:
        for case in self.calls(adapter):
            yield self.attempt(adapter, case)
        for failure in _FAILURES:
            yield from self.failures(adapter, failure)
