"""Checks of the methods for setting up a connection: its test, and options of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from automate_connectors.adapters.base import REFUSED, ConnectorAdapter, ConnectorError
from automate_egress import EgressError, EgressTimeoutError, HttpResponse
from automate_plugins.fields import FieldSpec
from automate_testing.contracts.calls import Call
from automate_testing.contracts.secrecy import FAILURES
from automate_testing.contracts.suite import ConnectorSuite, Script, failure_name
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import ScriptedHttp, ScriptedNetwork, answer

_MOST = 1_000
#: What a good answer may turn out to be: a page, nothing, and JSON of other shapes.
_BAD_ANSWERS = tuple(
    answer(200, body, {"content-type": kind})
    for kind, bodies in (
        ("text/html", (b"<html><h1>It did not work</h1></html>", b"")),
        ("application/json", (b'{"unexpected": true}', b"{}", b"[]", b"null", b'["text"]')),
    )
    for body in bodies
)
_QUOTING = (401, 403, 422, 500, 503)
type SetupMethod = Callable[[Any], Any]


class ConnectorSetupMethods(ConnectorSuite):
    """Checks of the optional methods that reach out."""

    def test_contract_check_connection(self, adapter: ConnectorAdapter) -> None:
        """A test makes a call that changes nothing, gives a line, and raises ConnectorError for what does not work."""
        if not adapter.can_check:
            pytest.skip(f"{adapter.code} has no check_connection")
        lines = self._good("check_connection", adapter, adapter.check_connection, self.check_answers)
        self._failing("check_connection", adapter, adapter.check_connection, self.check_answers)
        for line in lines:
            assert isinstance(line, str) and line.strip(), (
                f"check_connection gives {line!r} in place of a line for people"
            )
        error = self._refused("check_connection", adapter, adapter.check_connection)
        assert error is None or error.code in REFUSED, (
            f"check_connection ends with {error.code!r} on HTTP 401: {', '.join(sorted(REFUSED))} say that the"
            " credentials are refused"
        )

    def test_contract_options(self, adapter: ConnectorAdapter) -> None:
        """Each field's `options` are given as (value, label), or with a ConnectorError."""
        names = _option_fields(adapter)
        if not names:
            pytest.skip(f"no field of {adapter.code} has options")
        for name, action in names.items():
            params = next((case.params for case in self.cases if case.action == action), {})

            def list_options(context: Any, name: str = name, params: dict[str, Any] = params) -> Any:
                return adapter.options(name, dict(params), context)

            what = f"options({name!r})"
            for found in self._good(what, adapter, list_options, self.options_answers.get(name, ())):
                is_list = isinstance(found, list | tuple) and len(found) <= _MOST
                assert is_list and all(map(_is_pair, found)), f"{what} gives {found!r}, not pairs of (value, label)"
            self._refused(what, adapter, list_options)
            self._failing(what, adapter, list_options, self.options_answers.get(name, ()))

    def _good(self, what: str, adapter: ConnectorAdapter, method: SetupMethod, declared: Script) -> list[Any]:
        """Return the results on the declared responses, or on made-up ones. Fails without any request."""
        scripts: list[Script] = [declared] if declared else [*self._made_up()]
        calls = [self._call_method(what, adapter, method, script) for script in scripts]
        values = [call.value for call, _ in calls if call.error is None]
        errors = [call.error for call, _ in calls if call.error is not None]
        assert values or not declared, f"{what} fails on its own answer: {errors[0] if errors else ''}"
        # A connector of another protocol has no server here that could give it a good answer.
        _, is_asking = self._call_method(what, adapter, method, scripts[0], only_http=True)
        assert values or not is_asking, (
            f"{what} never succeeds on made-up answers ({errors[0]}), so that nothing of its result is checked: declare"
            f" `{'check_answers' if what == 'check_connection' else 'options_answers'}`"
        )
        reached = any(reached for _, reached in calls)
        assert reached or what != "check_connection", f"{what} makes no request: it tells nothing of the connection"
        _, reached_again = self._call_method(what, adapter, method, scripts[0])
        assert reached_again or not calls[0][1], (
            f"{what}: a repeated call makes no request; one instance serves all connections, so keep no answer"
        )
        return values

    def _failing(self, what: str, adapter: ConnectorAdapter, method: SetupMethod, declared: Script) -> None:
        """Replace each answer: another shape is an error of the connector, and no failure shows a secret."""
        _, is_asking = self._call_method(what, adapter, method, declared or (answer(200, {}),), only_http=True)
        for position in range(len(declared) or 1) if is_asking else ():
            for bad in (*_BAD_ANSWERS, *FAILURES):
                self._call_method(what, adapter, method, (*declared[:position], bad))
            for status in _QUOTING:
                quoting = answer(status, {"error": f"{CANARY} is not let in"})
                http = ScriptedHttp((*declared[:position], quoting))
                given = self.make_context(http, self.connection(adapter))
                given["network"] = ScriptedNetwork()
                error = self.observe(lambda given=given: method(given), what).error
                assert not contains_secret(f"{error} {getattr(error, 'message', '')}"), (
                    f"{what}: the error's message quotes the answer to HTTP {status}, and services quote tokens in"
                    " theirs; give the status, or a part of the answer that cannot hold one"
                )

    def _refused(self, what: str, adapter: ConnectorAdapter, method: SetupMethod) -> ConnectorError | None:
        """Return the error on HTTP 401, if it makes requests; failures are errors that show no secret."""
        refused: ConnectorError | None = None
        for failure in (answer(503, b"<html>"), EgressTimeoutError("too long"), answer(401, {"error": "who"})):
            call, reached = self._call_method(what, adapter, method, (failure,), only_http=True)
            if not reached:
                continue
            is_soft = isinstance(failure, HttpResponse) and failure.status == 503  # which says nothing of credentials
            error = call.error
            assert is_soft or error is not None, f"{what} takes {_name(failure)} for success"
            assert (
                not isinstance(failure, HttpResponse) or failure.status != 401 or not getattr(error, "retryable", 0)
            ), f"{what}: HTTP 401 cannot be retried"
            refused = error if isinstance(error, ConnectorError) else None
        return refused

    def _call_method(
        self, what: str, adapter: ConnectorAdapter, method: SetupMethod, script: Script, *, only_http: bool = False
    ) -> tuple[Call, bool]:
        """Return (the call, whether it made a request).

        Fails for an error that is not the connector's own, for a visible secret and for a changing request.
        """
        http, network = ScriptedHttp(script), ScriptedNetwork()
        given = self.make_context(http, self.connection(adapter))
        given["network"] = network
        call = self.observe(lambda: method(given), what)
        traces = call.traces
        shown = f"{call.value} {error_text(call.error)} {given.get('lines')} {traces.logged} {traces.printed}"
        shown += traces.filed
        assert not contains_secret(shown), f"{what} shows a secret"
        error, last = call.error, script[-1] if script else None
        assert error is None or isinstance(error, ConnectorError | EgressError), (
            f"{what} raises {type(error).__name__} on {_name(last)}: {error}; check the answer, and raise"
            ' ConnectorError(..., code="invalid_answer")'
        )
        changing = {request.method.upper() for request in http.requests} & {"PUT", "PATCH", "DELETE"}
        assert not changing, f"{what} changes something: it sends {', '.join(changing)}"
        return call, bool(http.requests or (network.connections and not only_http))

    def _made_up(self) -> list[Script]:
        return [*(case.script for case in self.cases), (answer(200, {}),), (answer(200, []),)]


def _option_fields(adapter: ConnectorAdapter) -> dict[str, str]:
    """Return names of options, each with the first action that uses it; "" for settings of the connection."""
    found: dict[str, str] = {}

    def add(specs: tuple[FieldSpec, ...], action: str) -> None:
        for spec in specs:
            if spec.options:
                found.setdefault(spec.options, action)
            add(spec.columns, action)

    for action in adapter.actions:
        add(action.fields or (), action.name)
    add(adapter.config_fields, "")
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _name(failure: HttpResponse | Exception | None) -> str:
    if isinstance(failure, HttpResponse) and failure.status < 400:
        return f"the answer {failure.text[:100] or 'without a body'}"
    return failure_name(failure)
