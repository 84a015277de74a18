"""Checks that a call depends on its inputs alone: on no earlier call and no built-in address."""

from __future__ import annotations

import copy
import re
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.invocation import invoke
from automate_testing.cases import Case
from automate_testing.contracts.samples import made_up_cases, secret_names
from automate_testing.contracts.suite import ConnectorSuite
from automate_testing.contracts.traces import contains_secret
from automate_testing.fakes import ScriptedHttp, SentRequest

_OTHER = "other-canary-9f8e7d6c5b4a"
_OTHER_KEY = "key-of-another-step"
_OTHER_HOST = "contract.example.org"
_BOUNDARY = re.compile(r'boundary="?(?P<boundary>[^";,\s]+)', re.IGNORECASE)
_COMPARED = ("connection", "run", "step", "idempotency_key")


class ConnectorIsolation(ConnectorSuite):
    """Checks of what a call uses and of what it leaves behind."""

    def test_contract_inputs_untouched(self, adapter: ConnectorAdapter) -> None:
        """The inputs, the connection and the ids of a call are as they were when it ends."""
        for case in [case for case in self.cases if case.run] or made_up_cases(adapter):
            watched = _RecordingConnector(adapter)
            http = ScriptedHttp(case.script)
            given, params = self.make_context(http, copy.deepcopy(case.connection)), copy.deepcopy(case.params)
            action = self.action(adapter, case)
            self.observe(lambda p=params, g=given, a=action, w=watched: invoke(w, a, p, g), str(case))
            assert not watched.changed, f"{case} changes {', '.join(watched.changed)}"

    def test_contract_base_url(self, adapter: ConnectorAdapter) -> None:
        """Calls go to the host that the connection names, wherever that is."""
        for case in self.calls(adapter):
            host = _host(self._first_request(adapter, case).url)
            moved = {
                name: _with_other_host(value, host) for name, value in case.connection.items() if _names(value, host)
            }
            if moved and host not in str(case.params):
                there = replace(case, connection={**case.connection, **moved})
                for request in self.attempt(adapter, there).http.requests:
                    assert _host(request.url) != host, (
                        f"{case}: with {moved} in the connection, the request still goes to {request.url}; make the"
                        " address of context['connection']"
                    )

    def test_contract_secret_hosts(self, adapter: ConnectorAdapter) -> None:
        """A secret of the connection goes to the hosts of the connection and of the connector alone."""
        for case in self.calls(adapter):
            requests = self.attempt(adapter, case).http.requests
            named = [value for value in case.connection.values() if isinstance(value, str) and "://" in value]
            known = {_hostname(url) for url in (*named, *(request.url for request in requests[:1]))}
            known |= set(adapter.own_hosts(case.connection))
            for request in requests:
                sent = f"{request.url} {request.headers} {request.params} {request.json} {request.data}"
                assert not contains_secret(sent) or _hostname(request.url) in known, (
                    f"{case}: a secret of the connection is sent to a second host, {_hostname(request.url)}; send it"
                    " to the hosts of the connection alone, or name this one in `own_hosts`"
                )

    def _first_request(self, adapter: ConnectorAdapter, case: Case) -> SentRequest:
        requests = self.attempt(adapter, case).http.requests
        assert requests, f"{case}: a repeated call makes no request; one instance serves all threads, so keep no answer"
        return requests[0]

    def test_contract_attempts_are_alike(self, adapter: ConnectorAdapter) -> None:
        """Two attempts send the same requests."""
        for case in self.calls(adapter):
            pairs = ([self.attempt(adapter, case).http.requests for _ in range(2)] for _ in range(3))
            is_alike = any(first == second for first, second in pairs)  # a signed request names its second
            assert is_alike, f"{case}: a repeated attempt sends something else"

    def test_contract_idempotency_key(self, adapter: ConnectorAdapter) -> None:
        """Each POST carries the key of its step, so that a repeated one has no second effect."""
        for case in self.calls(adapter):
            first = self.attempt(adapter, case).http.requests
            other = self.attempt(adapter, case, idempotency_key=_OTHER_KEY).http.requests
            for request, another in zip(first, other, strict=False):
                own = {name.lower(): value for name, value in request.headers.items()}.get("idempotency-key")
                assert own in (None, "key-of-this-step"), f"{case}: the Idempotency-Key is {own!r}, not the step's own"
                is_keyless = request.method.upper() != "POST" or case.action in self.keyless_actions
                assert is_keyless or _without_boundary(request) != _without_boundary(another), (
                    f"{case} posts without context['idempotency_key'] (the boundary of a multipart body does not"
                    " count); if the service takes none, name the action in `keyless_actions`"
                )

    def test_contract_leaves_no_file(self, adapter: ConnectorAdapter) -> None:
        """A call leaves no file on the machine: files pass by context["files"]."""
        for case in self.calls(adapter):
            left = self.attempt(adapter, case).call.left_files
            assert not left, (
                f"{case}: leaves the file {', '.join(left)} behind; store files by context['files'], and use"
                " `with tempfile.TemporaryFile()` for what does not fit in memory"
            )

    def test_contract_environment(self, adapter: ConnectorAdapter) -> None:
        """A call reads no environment variable, which is the same for all connections."""
        own = {cls.__module__.partition(".")[0] for cls in type(adapter).__mro__[:-1]}
        for case in self.calls(adapter):
            read = self.attempt(adapter, case).call.environment
            found = sorted(name for module, name in read if module.partition(".")[0] in own)
            assert not found, (
                f"{case}: reads {', '.join(found)} of the environment; declare a config field and read"
                " context['connection'], or read Django's settings"
            )

    def test_contract_keeps_nothing(self, adapter: ConnectorAdapter) -> None:
        """A call uses nothing of the one before it: neither its credentials nor its answer."""
        secret = secret_names(adapter)
        for case in self.calls(adapter):
            self.attempt(adapter, case)
            others = {name: _OTHER if name in secret else value for name, value in case.connection.items()}
            second = self.attempt(adapter, replace(case, connection=others))
            assert second.http.requests, f"{case}: the second call makes no request"
            assert not contains_secret(str(second.http.requests)), (
                f"{case}: the second call sends the first one's secret"
            )
            kept = f"{getattr(adapter, '__dict__', '')} {vars(type(adapter))}"
            is_kept = contains_secret(kept) or contains_secret(kept, _OTHER)
            assert not is_kept, f"{case}: the connector, which serves all threads, keeps a secret of a call"
            before = _sizes(adapter)
            self.attempt(adapter, case)
            grown = [name for name, size in _sizes(adapter).items() if size > before.get(name, size)]
            assert not grown, (
                f"{case}: {', '.join(grown)} of the connector grows with each call; one instance serves all threads, so"
                " keep what belongs to a call in variables of `execute`"
            )


class _RecordingConnector(ConnectorAdapter):
    """A connector that compares the inputs of another one before and after a call."""

    def __init__(self, adapter: ConnectorAdapter) -> None:
        self._adapter = adapter
        self.code, self.name = adapter.code, adapter.name
        self.changed: list[str] = []

    def execute(self, action: str, params: dict[str, Any], context: Mapping[str, Any]) -> Any:
        """Call the other one."""
        handed = {"its params": params, **{f"context[{name!r}]": context.get(name) for name in _COMPARED}}
        before = copy.deepcopy(handed)
        try:
            return self._adapter.execute(action, params, context)  # type: ignore[arg-type]
        finally:
            self.changed = [name for name, value in handed.items() if value != before[name]]


def _without_boundary(request: SentRequest) -> SentRequest:
    """The request with another boundary of its multipart body: services take no key from a boundary."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    match = _BOUNDARY.search(headers.get("content-type", ""))
    if match is None:
        return request
    boundary = match["boundary"]
    data = request.data.encode() if isinstance(request.data, str) else request.data
    if isinstance(data, bytes | bytearray):
        data = bytes(data).replace(boundary.encode(), b"boundary")
    plain = {name: value.replace(boundary, "boundary") for name, value in headers.items()}
    return replace(request, headers=plain, data=data)


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _hostname(url: str) -> str:
    return urlsplit(url).hostname or ""


def _names(value: Any, host: str) -> bool:
    return bool(host) and isinstance(value, str) and (value == host or (_host(value) == host and "://" in value))


def _with_other_host(value: str, host: str) -> str:
    return value.replace(host, _OTHER_HOST, 1)


def _sizes(adapter: ConnectorAdapter) -> dict[str, int]:
    """How much is in the collections of the instance, its classes and their modules."""
    classes = type(adapter).__mro__
    modules = [sys.modules[name] for name in {cls.__module__ for cls in classes} if name in sys.modules]
    held = [
        (type(adapter).__name__, vars(adapter)),
        *((cls.__name__, vars(cls)) for cls in classes),
        *((module.__name__, vars(module)) for module in modules),
    ]
    return {
        f"{owner}.{name}": len(value)
        for owner, names in reversed(held)
        for name, value in dict(names).items()
        if isinstance(value, list | dict | set | deque | bytearray)
    }
