"""Checks of single calls about a trigger: what they show of secrets, what they repeat, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.context import Context
from automate_connectors.triggers.contract import TriggerKind
from automate_egress import EgressBlockedError, EgressConnectionError, EgressTimeoutError, HttpResponse
from automate_plugins.fields import FieldSpec
from automate_testing.contracts.calls import Call
from automate_testing.contracts.samples import is_secret_setting, secret_names
from automate_testing.contracts.suite import check_sent_once, failure_name
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import ScriptedHttp, SentRequest, answer

type Failure = HttpResponse | Exception

LEAST_LENGTH = 12  #: characters of a secret that no other text contains by chance
MOST_POSITIONS = 4  #: requests of a call that are answered with each failure in turn
_BROKEN = (EgressTimeoutError("too long"), EgressConnectionError("broken"))
_STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
#: What a call may log, print or raise a secret on.
FAILURES: tuple[Failure, ...] = (
    *(answer(status, {"error": "wrong"}) for status in _STATUSES),
    answer(200, b"<html>"),
    answer(200, {}),
    EgressBlockedError("not an address that workflows may reach"),
    *_BROKEN,
)
#: What a call may be tempted to repeat.
TEMPORARY: tuple[Failure, ...] = (
    answer(500),
    answer(503),
    answer(429),
    answer(429, {}, {"retry-after": "2"}),
    answer(401),
    *_BROKEN,
)


@dataclass(frozen=True, kw_only=True)
class TriggerAttempt:
    """A call about a trigger, its requests, and its context."""

    what: str
    call: Call
    context: Context
    requests: list[SentRequest]
    secrets: frozenset[str] = frozenset()  #: of the connection
    failed_at: int = 0
    failure: Failure | None = None

    @property
    def sent(self) -> str:
        """The requests as text, without their headers."""
        return "\n".join(f"{each.method} {each.url} {each.params} {each.json} {each.data}" for each in self.requests)

    def traces(self) -> Mapping[str, str]:
        """Return what the call left, as text, by the place where it is."""
        error, traces = self.call.error, self.call.traces
        details = error.details if isinstance(error, ConnectorError) else ""
        return {
            "written to the log": str(self.context.get("lines")),
            "in a record of `logging`": traces.logged,
            "printed, or in a warning": traces.printed,
            "written to a file": traces.filed,
            "in an error": f"{error_text(error)} {details}",
        }


class Perform(Protocol):
    """Makes a call from the start; `failure` answers its request at `position` and each later one."""

    def __call__(self, failure: Failure | None = None, position: int = 0) -> TriggerAttempt: ...


class RecordingHttp:
    """A `context["http"]` that lists its requests. From `position` on, `failure` answers in place of the service."""

    def __init__(self, service: Any, failure: Failure | None = None, position: int = 0) -> None:
        self.requests: list[SentRequest] = []
        self._service, self._position = service, position
        self._failing = ScriptedHttp([failure]) if failure is not None else None

    def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        """Return the response. Has the signature of `automate_egress.HttpSession.request`."""
        sent = {name: more.get(name) for name in ("params", "json", "data")}
        self.requests.append(SentRequest(method=method, url=url, headers=dict(more.get("headers") or {}), **sent))
        has_failed = self._failing is not None and len(self.requests) > self._position
        http: Any = self._failing if has_failed else self._service
        response: HttpResponse = http.request(method, url, **more)
        return response


def plant_secrets(adapter: ConnectorAdapter, context: Context) -> frozenset[str]:
    """Return the secrets of the connection, the short ones replaced by the canary, as words contain them by chance.

    A trigger kind declares no settings: the names tell which are secrets.
    """
    connection: dict[str, Any] = context["connection"]
    secret, found = secret_names(adapter), set()
    for name, value in connection.items():
        is_named = not adapter.config_fields and name.isidentifier() and is_secret_setting(FieldSpec(name=name))
        if isinstance(value, str) and value and (name in secret or is_named):
            connection[name] = value if len(value) >= LEAST_LENGTH else CANARY
            found.add(connection[name])
    return frozenset(found)


def failing_attempts(perform: Perform, failures: Iterable[Failure]) -> Iterator[TriggerAttempt]:
    """Yield the call with each failure in place of each of its answers in turn."""
    positions = min(len(perform().requests), MOST_POSITIONS)
    for failure in failures:
        for position in range(positions):
            attempt = perform(failure, position)
            if len(attempt.requests) > position:
                yield attempt


def check_secrecy(perform: Perform, more: Mapping[str, str] | None = None) -> None:
    """Assert that no call shows a secret, whatever it is answered with. `more` are the names of others, by value."""
    for attempt in (perform(), *failing_attempts(perform, FAILURES)):
        on = f" on {failure_name(attempt.failure)}" if attempt.failure is not None else ""
        secrets = {**(more or {}), **dict.fromkeys(attempt.secrets, "a secret of the connection")}
        if made := getattr(attempt.call.value, "secret", ""):  # by the service, in a registration
            secrets[made] = "the secret"
        for place, text in attempt.traces().items():
            for secret, name in secrets.items():
                assert not contains_secret(text, secret), f"{attempt.what}: {name} is {place}{on}"


def check_single_attempts(perform: Perform) -> None:
    """Assert that no call repeats a request that failed, or waits to do so."""
    for attempt in failing_attempts(perform, TEMPORARY):
        if attempt.failure is not None:
            sent, slept = attempt.requests, attempt.call.slept
            check_sent_once(attempt.what, sent, attempt.failed_at, attempt.failure, slept)


def state_of(adapter: ConnectorAdapter) -> dict[str, str]:
    """Return what the instance and its classes hold, as text by name; that of a trigger kind for the kind itself."""
    plugin = getattr(adapter, "kind", adapter)
    own = [
        cls
        for cls in type(plugin).__mro__
        if not issubclass(ConnectorAdapter, cls) and not issubclass(TriggerKind, cls)
    ]
    held = [
        *((cls.__name__, vars(cls)) for cls in reversed(own)),
        (type(plugin).__name__, getattr(plugin, "__dict__", {})),
    ]
    return {
        f"{owner}.{name}": repr(value)
        for owner, names in held
        for name, value in dict(names).items()
        if not name.startswith("__") and not callable(value)
    }


def check_unchanged(what: str, before: Mapping[str, str], adapter: ConnectorAdapter) -> None:
    """Assert that calls since `before` left nothing on the instance or its classes."""
    changed = sorted(name for name, value in state_of(adapter).items() if before.get(name) != value)
    assert not changed, (
        f"{what}: {', '.join(changed)} changes with a call; one instance serves all connections and threads, so keep"
        " what belongs to a trigger in the cursor of a poll, or in the data of a registration"
    )


def check_no_kept_secret(what: str, adapter: ConnectorAdapter, secrets: Iterable[str]) -> None:
    """Assert that the instance and its classes hold no secret of a call."""
    for name, value in state_of(adapter).items():
        is_kept = any(contains_secret(value, secret) for secret in secrets)
        assert not is_kept, f"{what}: {name} keeps a secret of a call"
