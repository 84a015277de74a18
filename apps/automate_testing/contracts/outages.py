"""Checks of failures: of the other side, and of the connection to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import formatdate

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_egress import (
    EgressBlockedError,
    EgressCancelledError,
    EgressConnectionError,
    EgressTimeoutError,
    HttpResponse,
)
from automate_testing.contracts.suite import Attempt, ConnectorSuite, Script, check_sent_once, failure_name
from automate_testing.contracts.traces import contains_secret
from automate_testing.fakes import answer

MANY = 200  #: requests by which a cancelled call must have ended
_TITLE = "It did not work"
_PAGE = f"<html><h1>{_TITLE}</h1></html>".encode()
_SHAPES = (b'{"unexpected": true}', b"{}", b"[]", b"null")
_REFUSED = (400, 401, 403, 422)  #: always errors
_MISSING = (404, 409, 410)  #: which may mean that there is nothing to do
_DOWN = (500, 502, 503, 504)
_DETAILED = (400, 502)  #: with bodies of several kinds


class ConnectorOutages(ConnectorSuite):
    """Checks of calls that fail."""

    def test_contract_timeout(self, adapter: ConnectorAdapter) -> None:
        """A time-out is an error that may be retried."""
        for attempt in self.failures(adapter, EgressTimeoutError("it took too long")):
            _may_be_retried(attempt)

    def test_contract_connection_error(self, adapter: ConnectorAdapter) -> None:
        """A connection that breaks is an error that may be retried."""
        for attempt in self.failures(adapter, EgressConnectionError("it broke")):
            _may_be_retried(attempt)

    def test_contract_blocked(self, adapter: ConnectorAdapter) -> None:
        """An address that may not be reached is an error that cannot pass by repeating."""
        for attempt in self.failures(adapter, EgressBlockedError("not an address that workflows may reach")):
            _is_final(attempt)

    def test_contract_rate_limit(self, adapter: ConnectorAdapter) -> None:
        """429 is an error that may be retried, after the time that Retry-After asks for."""
        for attempt in self.failures(adapter, answer(429, {"error": "slow down"}, {"retry-after": "7"})):
            _may_be_retried(attempt)
            assert attempt.error.retry_after == 7, (
                f"{attempt.case}: the service asked for 7 seconds in Retry-After, and the error's retry_after is"
                f" {attempt.error.retry_after!r}; pass on retry_after=response.retry_after"
            )

    def test_contract_retry_after_date(self, adapter: ConnectorAdapter) -> None:
        """A date in Retry-After is read or left out, and no reason to crash; `response.retry_after` reads it."""
        moment = formatdate(time.time() + 3_600, usegmt=True)
        for attempt in self.failures(adapter, answer(429, {"error": "slow down"}, {"retry-after": moment})):
            wait = attempt.error.retry_after
            _may_be_retried(attempt)
            assert wait is None or 3_000 <= wait <= 3_601, (
                f"{attempt.case}: the date in Retry-After is an hour ahead, and the error's retry_after is {wait};"
                " pass on retry_after=response.retry_after"
            )

    def test_contract_server_error(self, adapter: ConnectorAdapter) -> None:
        """500, 502, 503 and 504 are errors that may be retried, whatever their body is."""
        for attempt in self._statuses(adapter, _DOWN):
            _may_be_retried(attempt)

    def test_contract_client_error(self, adapter: ConnectorAdapter) -> None:
        """400, 401, 403 and 422 are errors that cannot pass by repeating; so are 404, 409 and 410, if they are any."""
        for attempt in self._statuses(adapter, _REFUSED):
            _is_final(attempt)
        for attempt in self._statuses(adapter, _MISSING):
            if attempt.call.error is not None:
                _is_final(attempt)

    def test_contract_bad_answer(self, adapter: ConnectorAdapter) -> None:
        """A page in place of JSON, or JSON of another shape, is an error of the connector, or a text that it takes."""
        for body in (_PAGE, b"", *(_SHAPES if self.cases else ())):
            for attempt in self.failures(adapter, _as_json(body) if body in _SHAPES else answer(200, body)):
                error = attempt.call.error
                is_own = isinstance(error, ConnectorError) and error.code != "unexpected_error"
                assert error is None or is_own, (
                    f"{attempt.case}: the answer {body.decode() or 'without a body'} ends with a bare {error}; check"
                    ' the answer, and raise ConnectorError(..., code="invalid_answer")'
                )
                if body is _PAGE and self.cases:
                    self._takes_no_page(adapter, attempt)

    def test_contract_error_details(self, adapter: ConnectorAdapter) -> None:
        """An error has a message for people, a code for rules, and details that are JSON."""
        for status in (429, 503, 422):
            for attempt in self.failures(adapter, answer(status, {"error": "wrong"})):
                error = attempt.error
                what = f"{attempt.case}: the error for HTTP {status}"
                assert error.message and isinstance(error.message, str), f"{what} has no message for people"
                assert error.code and isinstance(error.code, str), f"{what} has no code"
                assert _is_json(error.details), f"{what} has details that are not a mapping of JSON values"

    def test_contract_single_attempt(self, adapter: ConnectorAdapter) -> None:
        """A request that failed is not sent again in the same call, nor waited for: the engine does both."""
        broken = (EgressTimeoutError("too long"), EgressConnectionError("broken"))
        slow_down = answer(429, {}, {"retry-after": "2"})
        for failure in (answer(500), answer(503), answer(429), slow_down, *broken, answer(401, {"error": "who"})):
            for attempt in self.failures(adapter, failure):
                sent, slept = attempt.http.requests, attempt.call.slept
                check_sent_once(str(attempt.case), sent, attempt.failed_at, failure, slept)

    def test_contract_cancellation(self, adapter: ConnectorAdapter) -> None:
        """A cancelled request ends the call with an error, and a cancelled call does not go on asking."""
        for attempt in self.failures(adapter, EgressCancelledError("cancelled")):
            _is_final(attempt)
            assert len(attempt.http.requests) == attempt.failed_at + 1, (
                f"{attempt.case}: the connector went on asking after its request was cancelled; let the error pass"
            )
        for case in self.calls(adapter):
            script: Script = (*case.script * MANY, EgressCancelledError("cancelled"))
            attempt = self.attempt(adapter, case, script, cancelled=lambda: True)
            assert len(attempt.http.requests) < MANY, (
                f"{case}: the cancelled call made {MANY} requests; ask context['cancelled']() in loops"
            )

    def test_contract_endless_pages(self, adapter: ConnectorAdapter) -> None:
        """A service that gives its first page again and again does not keep a call going without an end."""
        for case in self.calls(adapter):
            if len(case.answers) > 1:
                script: Script = (*case.answers[:1] * self.most_pages, EgressCancelledError("cancelled"))
                attempt = self.attempt(adapter, case, script)
                assert len(attempt.http.requests) <= self.most_pages, (
                    f"{case}: the service repeats its first page, and the connector asked {self.most_pages} times and"
                    " more; raise ConnectorError for a cursor that it has seen, or stop after a number of pages"
                )

    def _takes_no_page(self, adapter: ConnectorAdapter, attempt: Attempt) -> None:
        """Assert that an output made from an HTML page contains its text, or that the response is not read."""
        case, taken = attempt.case, attempt.call.value
        was_json = case.script[attempt.failed_at].headers.get("content-type") == "application/json"
        if taken is None or not was_json or case.action in self.any_answer_actions:
            return
        is_unread = taken == self.attempt(adapter, case).call.value
        assert is_unread or contains_secret(taken.decode(), _PAGE.decode()) or _TITLE in taken.decode(), (
            f"{case}: the connector took a page of HTML in place of JSON for success and gave {taken.decode()[:200]};"
            " let the error of response.json() pass, or name the action in `any_answer_actions`"
        )

    def _statuses(self, adapter: ConnectorAdapter, statuses: tuple[int, ...]) -> Iterator[Attempt]:
        for status in statuses:
            for response in _bodies(status) if status in _DETAILED else (answer(status, {"error": "wrong"}),):
                yield from self.failures(adapter, response)


def _may_be_retried(attempt: Attempt) -> None:
    assert attempt.error.retryable, (
        f"{attempt.case}: the connector marked {failure_name(attempt.failure)} as not retryable; the same call may"
        " succeed later, so raise it with retryable=True"
    )


def _is_final(attempt: Attempt) -> None:
    assert not attempt.error.retryable, (
        f"{attempt.case}: the connector marked {failure_name(attempt.failure)} as retryable; repeating the same call"
        " cannot help, so raise it with retryable=False"
    )


def _as_json(body: bytes) -> HttpResponse:
    return answer(200, body, {"content-type": "application/json"})


def _bodies(status: int) -> tuple[HttpResponse, ...]:
    return answer(status, {"error": "wrong"}), answer(status, {}), answer(status, _PAGE), answer(status, b"")


def _is_json(details: object) -> bool:
    try:
        json.dumps(details)
    except (TypeError, ValueError):
        return False
    return isinstance(details, dict)
