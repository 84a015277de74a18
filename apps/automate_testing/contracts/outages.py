"""What a connector makes of failures: of the other side, and of the way there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_egress import (
    EgressBlockedError,
    EgressCancelledError,
    EgressConnectionError,
    EgressTimeoutError,
    HttpResponse,
)
from automate_testing.contracts.suite import Attempt, ConnectorSuite, Script
from automate_testing.fakes import answer

MANY = 200  #: requests by which a cancelled call must have ended
_PAGE = b"<html><h1>It did not work</h1></html>"
_REFUSED = (400, 401, 403, 422)  #: always errors
_MISSING = (404, 409, 410)  #: which may mean that there is nothing to do
_DOWN = (500, 502, 503, 504)
_DETAILED = (400, 502)  #: with bodies of several kinds


class ConnectorOutages(ConnectorSuite):
    """Checks of calls that fail."""

    def test_contract_timeout(self, adapter: ConnectorAdapter) -> None:
        """A time-out is an error that may be retried."""
        for attempt in self.failures(adapter, EgressTimeoutError("it took too long")):
            assert attempt.error.retryable, f"{attempt.case}: a time-out may be retried"

    def test_contract_connection_error(self, adapter: ConnectorAdapter) -> None:
        """A connection that breaks is an error that may be retried."""
        for attempt in self.failures(adapter, EgressConnectionError("it broke")):
            assert attempt.error.retryable, f"{attempt.case}: a broken connection may be retried"

    def test_contract_blocked(self, adapter: ConnectorAdapter) -> None:
        """An address that may not be reached is an error that cannot pass by repeating."""
        for attempt in self.failures(adapter, EgressBlockedError("not an address that workflows may reach")):
            assert not attempt.error.retryable, f"{attempt.case}: a blocked address cannot be retried"

    def test_contract_rate_limit(self, adapter: ConnectorAdapter) -> None:
        """429 is an error that may be retried, after the time that Retry-After asks for."""
        for attempt in self.failures(adapter, answer(429, {"error": "slow down"}, {"retry-after": "7"})):
            assert attempt.error.retryable, f"{attempt.case}: 429 may be retried"
            assert attempt.error.retry_after == 7, f"{attempt.case}: Retry-After is handed on"

    def test_contract_retry_after_date(self, adapter: ConnectorAdapter) -> None:
        """A date in Retry-After is read or left out, and no reason to crash; `response.retry_after` reads it."""
        moment = formatdate(time.time() + 3_600, usegmt=True)
        for attempt in self.failures(adapter, answer(429, {"error": "slow down"}, {"retry-after": moment})):
            wait = attempt.error.retry_after
            assert attempt.error.retryable, f"{attempt.case}: 429 may be retried"
            assert wait is None or 3_000 <= wait <= 3_601, (
                f"{attempt.case}: Retry-After is a date in an hour, not {wait}"
            )

    def test_contract_server_error(self, adapter: ConnectorAdapter) -> None:
        """500, 502, 503 and 504 are errors that may be retried, whatever their body is."""
        for attempt, status in self._statuses(adapter, _DOWN):
            assert attempt.error.retryable, f"{attempt.case}: HTTP {status} may be retried"

    def test_contract_client_error(self, adapter: ConnectorAdapter) -> None:
        """400, 401, 403 and 422 are errors that cannot pass by repeating; so are 404, 409 and 410, if they are any."""
        for attempt, status in self._statuses(adapter, _REFUSED):
            assert not attempt.error.retryable, f"{attempt.case}: HTTP {status} cannot be retried"
        for attempt, status in self._statuses(adapter, _MISSING):
            is_fine = attempt.call.error is None
            assert is_fine or not attempt.error.retryable, f"{attempt.case}: HTTP {status} cannot be retried"

    def test_contract_bad_answer(self, adapter: ConnectorAdapter) -> None:
        """A page in place of JSON is an error of the connector, or a text that it takes."""
        for body in (_PAGE, b""):
            for attempt in self.failures(adapter, answer(200, body)):
                error = attempt.call.error
                is_own = isinstance(error, ConnectorError) and error.code != "unexpected_error"
                assert error is None or is_own, f"{attempt.case}: an answer that is not JSON ends with {error}"

    def test_contract_error_details(self, adapter: ConnectorAdapter) -> None:
        """An error has a message for people, a code for rules, and details that are JSON."""
        for status in (429, 503, 422):
            for attempt in self.failures(adapter, answer(status, {"error": "wrong"})):
                error = attempt.error
                assert error.message and isinstance(error.message, str), f"{attempt.case}: an error has a message"
                assert error.code and isinstance(error.code, str), f"{attempt.case}: an error has a code"
                assert _is_json(error.details), f"{attempt.case}: the details are a mapping of JSON values"

    def test_contract_single_attempt(self, adapter: ConnectorAdapter) -> None:
        """A request that failed is not sent again in the same call: the engine retries, by the step's own rules."""
        broken = (EgressTimeoutError("too long"), EgressConnectionError("broken"))
        for failure in (answer(500), answer(503), answer(429), *broken):
            for attempt in self.failures(adapter, failure):
                sent = [replace(request, headers={}) for request in attempt.http.requests]
                count = sent.count(sent[attempt.failed_at])
                assert count == 1, f"{attempt.case} sends a failed request {count} times: retrying is the engine's"

    def test_contract_cancellation(self, adapter: ConnectorAdapter) -> None:
        """A cancelled request ends the call with an error, and a cancelled call does not go on asking."""
        for attempt in self.failures(adapter, EgressCancelledError("cancelled")):
            assert not attempt.error.retryable, f"{attempt.case}: a cancelled call is not retried"
            assert len(attempt.http.requests) == attempt.failed_at + 1, f"{attempt.case}: a cancelled call goes on"
        for case in self.calls(adapter):
            script: Script = (*case.script * MANY, EgressCancelledError("cancelled"))
            attempt = self.attempt(adapter, case, script, cancelled=lambda: True)
            assert len(attempt.http.requests) < MANY, f"{case}: a cancelled call goes on"

    def _statuses(self, adapter: ConnectorAdapter, statuses: tuple[int, ...]) -> Iterator[tuple[Attempt, int]]:
        for status in statuses:
            for response in _bodies(status) if status in _DETAILED else (answer(status, {"error": "wrong"}),):
                for attempt in self.failures(adapter, response):
                    yield attempt, status


def _bodies(status: int) -> tuple[HttpResponse, ...]:
    return answer(status, {"error": "wrong"}), answer(status, {}), answer(status, _PAGE), answer(status, b"")


def _is_json(details: object) -> bool:
    try:
        json.dumps(details)
    except (TypeError, ValueError):
        return False
    return isinstance(details, dict)
