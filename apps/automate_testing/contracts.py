"""Contract suites: inherit, name your class, and pytest checks that the platform can rely on it.

    class TestMyERP(ConnectorContractTest):
        adapter_cls = MyERPAdapter

Structural checks always run. Behavioural ones run against a scripted way out, on `cases` or, without any, on actions
that describe their inputs; where neither leads to a request they are skipped, and say why. `cases` may be JSON files:
`cases = load_cases("tests/fixtures")`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.invocation import foresee, invoke
from automate_egress import EgressCancelledError, EgressError, EgressTimeoutError, HttpResponse
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend
from automate_llm.providers.base import Capability, LLMProvider, LLMProviderError, TokenUsage
from automate_plugins.fields import FieldKind, FieldSpec, problems
from automate_testing.cases import ANYTHING, Case, load_cases
from automate_testing.fakes import ScriptedHttp, answer, context

__all__ = [
    "CANARY",
    "Case",
    "ConnectorContractTest",
    "LLMProviderContractTest",
    "SecretsBackendContractTest",
    "load_cases",
]

CANARY = "canary-a1b2c3d4e5f6"  #: stands for every secret; it may show up nowhere
MANY = 200  #: requests by which a cancelled call must have ended
_CODE = re.compile(r"^[a-z][a-z0-9_-]{0,49}$")


class ConnectorContractTest:
    """What every connector keeps. `cases` are optional; values of secret fields in them are replaced by a canary."""

    adapter_cls: type[ConnectorAdapter]
    cases: tuple[Case, ...] = ()

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The connector, made the way the registry makes it."""
        return self.adapter_cls()

    def make_context(self, http: ScriptedHttp, connection: dict[str, Any]) -> dict[str, Any]:
        """The context of each call; override it to add to it, such as a `user`."""
        return context(http, connection)

    # --- structure ----------------------------------------------------------------------------------------------------

    def test_contract_identity(self, adapter: ConnectorAdapter) -> None:
        """It is a ConnectorAdapter made without arguments, with a code and a name."""
        assert isinstance(adapter, ConnectorAdapter)
        assert _CODE.match(adapter.code), "code is lower-case letters, digits, _ and -, beginning with a letter"
        assert adapter.name and isinstance(adapter.name, str)
        assert 0 <= adapter.hue <= 360 and adapter.icon

    def test_contract_actions(self, adapter: ConnectorAdapter) -> None:
        """Actions have names of their own, an effect kind, and fields that survive a round trip through JSON."""
        names = [action.name for action in adapter.actions]
        assert len(set(names)) == len(names), "two actions share a name"
        for action in adapter.actions:
            assert _CODE.match(action.name), f"{action.name!r} is not a name"
            assert isinstance(action.effect, Effect)
            _check_fields(action.fields or ())
        _check_fields(adapter.config_fields)

    def test_contract_validate_config(self, adapter: ConnectorAdapter) -> None:
        """An empty configuration is taken or refused with ConnectorError or ValueError, nothing else."""
        try:
            adapter.validate_config({})
        except (ConnectorError, ValueError) as error:
            assert str(error), "the refusal says why"

    def test_contract_missing_input(self, adapter: ConnectorAdapter) -> None:
        """A call without a required input fails before it reaches the connector, and names the input."""
        for action in adapter.actions:
            for required in (spec for spec in action.fields or () if spec.required):
                with pytest.raises(ConnectorError) as caught:
                    invoke(adapter, action, {}, context())
                assert caught.value.code == "invalid_input" and required.name in caught.value.message

    def test_contract_good_input(self, adapter: ConnectorAdapter) -> None:
        """The inputs of each case fit the fields that the action and the connection describe."""
        for case in self.cases:
            fields = adapter.action(case.action).fields
            assert fields is None or not problems(fields, case.params), case
            named = {spec.name for spec in adapter.config_fields}
            assert not named or case.connection.keys() <= named, f"{adapter.code} has other config fields than {case}"

    # --- behaviour ----------------------------------------------------------------------------------------------------

    def test_contract_output_is_json(self, adapter: ConnectorAdapter) -> None:
        """A good answer gives an output that is JSON, and the one that the case names."""
        declared = [(case, adapter.action(case.action)) for case in self.cases if case.run]
        for case, action in declared or self._cases(adapter):
            http = ScriptedHttp([case.answer])
            output = json.loads(invoke(adapter, action, case.params, self.make_context(http, case.connection)))
            assert case.output in (ANYTHING, output), f"{case.about or case.action}: the output is {output}"
            first = asdict(http.requests[0]) if http.requests else {}
            assert {name: first.get(name) for name in case.request} == case.request, case.about or case.action

    def test_contract_pure(self, adapter: ConnectorAdapter) -> None:
        """A pure action gives the same twice, asks nobody, and leaves its inputs as they are."""
        found = [case for case in self.cases if adapter.action(case.action).effect is Effect.PURE]
        if not found:
            pytest.skip(f"no case of a pure action of {adapter.code}")
        for case in found:
            http, params = ScriptedHttp(), copy.deepcopy(case.params)
            given = self.make_context(http, case.connection)
            once, again = (invoke(adapter, adapter.action(case.action), params, given) for _ in range(2))
            assert (once, params, http.requests) == (again, case.params, []), f"{case.action} is not pure"

    def test_contract_redaction(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in an output or in a log line, come what may."""
        for case, action in self._cases(adapter):
            for given in (case.answer, answer(422, {"error": "wrong"}), answer(503), EgressTimeoutError("too long")):
                around = self.make_context(ScriptedHttp([given]), case.connection)
                try:
                    output = invoke(adapter, action, case.params, around).decode()
                except ConnectorError as error:
                    output = str(error.details)
                assert CANARY not in output, "an output shows a secret"
                assert CANARY not in str(around.get("lines")), "a log line shows a secret"

    def test_contract_describe(self, adapter: ConnectorAdapter) -> None:
        """What describes itself says in a line what a call would do, needs no secret for it, and asks nobody."""
        if not adapter.can_describe:
            pytest.skip(f"{adapter.code} does not describe itself")
        secret = {spec.name for spec in adapter.config_fields if spec.kind is FieldKind.SECRET}
        for case in self.cases or _made_up_cases(adapter):
            http, params = ScriptedHttp(), copy.deepcopy(case.params)
            config = {name: value for name, value in case.connection.items() if name not in secret}
            try:
                said = foresee(adapter, adapter.action(case.action), params, self.make_context(http, config))
            except ConnectorError as error:
                assert error.code != "unexpected_error", f"{case.action}: {error.message}"
                assert not self.cases or not case.run, f"{case.about or case.action} is refused: {error.message}"
            else:
                assert said.get("summary") and isinstance(said["summary"], str), "`summary` is one line for people"
            assert not http.requests, "a description makes no request"

    def test_contract_timeout(self, adapter: ConnectorAdapter) -> None:
        """A time-out is an error that may be retried."""
        for error in self._failures(adapter, EgressTimeoutError("it took too long")):
            assert error.retryable, "a time-out may be retried"

    def test_contract_rate_limit(self, adapter: ConnectorAdapter) -> None:
        """429 is an error that may be retried, after the time that Retry-After asks for."""
        for error in self._failures(adapter, answer(429, {"error": "slow down"}, {"retry-after": "7"})):
            assert error.retryable, "429 may be retried"
            assert error.retry_after == 7, "Retry-After is handed on"

    def test_contract_server_error(self, adapter: ConnectorAdapter) -> None:
        """503 is an error that may be retried."""
        for error in self._failures(adapter, answer(503, {"error": "down"})):
            assert error.retryable, "503 may be retried"

    def test_contract_client_error(self, adapter: ConnectorAdapter) -> None:
        """422 is an error that cannot pass by repeating."""
        for error in self._failures(adapter, answer(422, {"error": "wrong"})):
            assert not error.retryable, "422 cannot be retried"

    def test_contract_cancellation(self, adapter: ConnectorAdapter) -> None:
        """A cancelled request ends the call with an error, and a cancelled call does not go on asking for ever."""
        for error in self._failures(adapter, EgressCancelledError("cancelled")):
            assert error.code != "unexpected_error"
        for case, action in self._cases(adapter):
            http = ScriptedHttp([*[case.answer] * MANY, EgressCancelledError("cancelled")])
            around = {**self.make_context(http, case.connection), "cancelled": lambda: True}
            with contextlib.suppress(ConnectorError):
                invoke(adapter, action, case.params, around)
            assert len(http.requests) < MANY, "a cancelled call goes on"

    def test_contract_attempts_are_alike(self, adapter: ConnectorAdapter) -> None:
        """Two attempts send the same request, and an Idempotency-Key is the step's own."""
        for case, action in self._cases(adapter):
            http = ScriptedHttp([case.answer])
            for _ in range(2):
                invoke(adapter, action, case.params, self.make_context(http, case.connection))
            half = len(http.requests) // 2
            assert http.requests[:half] == http.requests[half:], "a repeated attempt sends something else"
            keys = {request.headers.get("Idempotency-Key", "key-of-this-step") for request in http.requests}
            assert keys == {"key-of-this-step"}

    def _cases(self, adapter: ConnectorAdapter) -> list[tuple[Case, Action]]:
        """The cases that lead to a request. Skips the test when there is none."""
        secret = {spec.name for spec in adapter.config_fields if spec.kind is FieldKind.SECRET}
        found = []
        declared = [case for case in self.cases if case.run and adapter.action(case.action).effect is Effect.EFFECTFUL]
        for case in declared or _made_up_cases(adapter):
            sealed = {name: CANARY if name in secret else value for name, value in case.connection.items()}
            action, http = adapter.action(case.action), ScriptedHttp([case.answer])
            try:
                invoke(adapter, action, case.params, self.make_context(http, sealed))
            except ConnectorError:
                if declared:
                    raise
            if http.requests:
                found.append((replace(case, connection=sealed, request={}), action))
        if not found:
            pytest.skip(
                f"{adapter.code} makes no request by context['http'] here: declare `cases` to check its behaviour"
            )
        return found

    def _failures(self, adapter: ConnectorAdapter, given: HttpResponse | Exception) -> Iterator[ConnectorError]:
        """The error that each case ends with when the other side answers `given`; no secret is in any."""
        for case, action in self._cases(adapter):
            with pytest.raises(ConnectorError) as caught:
                invoke(adapter, action, case.params, self.make_context(ScriptedHttp([given]), case.connection))
            error = caught.value
            assert CANARY not in f"{error.details} {list(_chain(error))}", "an error shows a secret"
            yield error


def _chain(error: BaseException | None) -> Iterator[str]:
    """An error and those behind it, as text: what a log or a crash report would show of them."""
    while error is not None:
        yield f"{error!r} {error}"
        error = error.__cause__ or error.__context__


class SecretsBackendContractTest:
    """What every secrets backend keeps. Override `put` to place a secret, so that reading can be checked."""

    backend_cls: type[SecretsBackend]

    def put(self, key: str, value: str) -> None:
        """Make `key` hold `value` in the backend."""
        pytest.skip("override put(key, value) to check reading")

    @pytest.fixture
    def backend(self) -> SecretsBackend:
        """The backend, made the way the registry makes it."""
        return self.backend_cls()

    def test_contract_identity(self, backend: SecretsBackend) -> None:
        """It is a SecretsBackend made without arguments."""
        assert isinstance(backend, SecretsBackend)

    def test_contract_missing(self, backend: SecretsBackend) -> None:
        """A key that is not there raises SecretNotFoundError."""
        with pytest.raises(SecretNotFoundError):
            backend.get_secret("no-such-key-8c1f")

    def test_contract_read(self, backend: SecretsBackend) -> None:
        """What was put is what is read, as text, each time."""
        self.put("contract-key", CANARY)
        assert [backend.get_secret("contract-key") for _ in range(2)] == [CANARY, CANARY]

    def test_contract_no_value_in_errors(self, backend: SecretsBackend) -> None:
        """The error for a missing key shows no other key's value."""
        self.put("contract-key", CANARY)
        with pytest.raises(SecretNotFoundError) as caught:
            backend.get_secret("contract-key-2")
        assert CANARY not in str(caught.value)


class LLMProviderContractTest:
    """What every provider keeps. `good_answer` is an HTTP answer that its API gives, `good_text` the text in it."""

    provider_cls: type[LLMProvider]
    connection: dict[str, Any] = {}
    good_answer: HttpResponse | None = None
    good_text: str = ""

    @pytest.fixture
    def provider(self) -> LLMProvider:
        """The provider, made the way the registry makes it."""
        return self.provider_cls()

    def test_contract_identity(self, provider: LLMProvider) -> None:
        """It is an LLMProvider made without arguments."""
        assert isinstance(provider, LLMProvider)

    def test_contract_count_tokens(self, provider: LLMProvider) -> None:
        """Tokens are whole numbers, none for no text, and more for more text."""
        none, some, more = (provider.count_tokens(text) for text in ("", "one sentence", "one sentence " * 50))
        assert all(isinstance(count, int) for count in (none, some, more))
        assert none == 0 < some < more

    def test_contract_answer(self, provider: LLMProvider) -> None:
        """The text of a good answer is what `chat` gives."""
        if self.good_answer is None:
            pytest.skip("declare good_answer and good_text to check an answer")
        text, _ = self._chat(provider, self.good_answer)
        assert text == self.good_text

    @pytest.mark.parametrize(
        ("status", "retryable"), [(429, True), (500, True), (503, True), (401, False), (400, False)]
    )
    def test_contract_errors(self, provider: LLMProvider, status: int, retryable: bool) -> None:
        """Statuses become LLMProviderError, and say whether trying again may help."""
        with pytest.raises(LLMProviderError) as caught:
            self._chat(provider, answer(status, {"error": {"message": f"no to {CANARY}"}}, {"retry-after": "3"}))
        assert caught.value.retryable is retryable
        assert caught.value.retry_after == 3 or not retryable, "Retry-After is handed on"
        assert CANARY not in str(caught.value), "an error shows the key"

    def test_contract_bad_answer(self, provider: LLMProvider) -> None:
        """An answer of another shape is an LLMProviderError."""
        with pytest.raises(LLMProviderError):
            self._chat(provider, answer(200, {"unexpected": True}))

    @pytest.mark.parametrize("error", [EgressTimeoutError("it took too long"), EgressCancelledError("cancelled")])
    def test_contract_broken_off(self, provider: LLMProvider, error: EgressError) -> None:
        """A call that breaks off ends with an error, of the way out or the provider's own, after one request."""
        http = ScriptedHttp([error])
        with pytest.raises((EgressError, LLMProviderError)) as caught:
            self._ask(provider, http)
        assert getattr(caught.value, "retryable", False) is error.retryable
        assert len(http.requests) == 1, "repeating is the engine's"

    def test_contract_attempts_are_alike(self, provider: LLMProvider) -> None:
        """The same call sends the same request, and the key in headers alone."""
        _, first = self._chat(provider, self._good())
        _, second = self._chat(provider, self._good())
        assert first.requests == second.requests
        assert not any(CANARY in f"{sent.url} {sent.json} {sent.data} {sent.params}" for sent in first.requests)

    def test_contract_usage(self, provider: LLMProvider) -> None:
        """A provider that declares it tells what an answer took, once."""
        self._needs(provider, Capability.USAGE)
        told: list[TokenUsage] = []
        self._chat(provider, self._good(), on_usage=told.append)
        assert len(told) == 1 and told[0].tokens_in > 0 and told[0].tokens_out > 0

    def test_contract_structured_output(self, provider: LLMProvider) -> None:
        """A provider that declares it hands the schema to the service."""
        self._needs(provider, Capability.STRUCTURED_OUTPUT)
        schema: dict[str, Any] = {"type": "object", "properties": {"contract_field": {"type": "string"}}}
        schema |= {"required": ["contract_field"], "additionalProperties": False}
        _, http = self._chat(provider, self._good(), schema=schema)
        assert "contract_field" in str(http.requests[0].json)

    def test_contract_cancellation(self, provider: LLMProvider) -> None:
        """A provider that declares it takes `cancelled`, and answers while nobody says so."""
        self._needs(provider, Capability.CANCELLATION)
        self._chat(provider, self._good(), cancelled=lambda: False)

    def _needs(self, provider: LLMProvider, capability: Capability) -> None:
        if capability not in provider.capabilities:
            pytest.skip(f"the provider does not declare {capability}")

    def _good(self) -> HttpResponse:
        if self.good_answer is None:
            pytest.skip("declare good_answer and good_text to check what follows an answer")
        return self.good_answer

    def _chat(self, provider: LLMProvider, given: HttpResponse, **more: Any) -> tuple[str, ScriptedHttp]:
        http = ScriptedHttp([given])
        text = self._ask(provider, http, **more)
        if not http.requests:
            pytest.skip("the provider makes no request by options['http']")
        return text, http

    def _ask(self, provider: LLMProvider, http: ScriptedHttp, **more: Any) -> str:
        connection = {**self.connection, "api_key": CANARY}
        options = {"model": "a-model", "http": http, "connection": connection, "max_tokens": 50, **more}
        return provider.chat([{"role": "user", "content": "Hello"}], options)


def _check_fields(fields: tuple[FieldSpec, ...]) -> None:
    names = [spec.name for spec in fields]
    assert len(set(names)) == len(names), "two fields share a name"
    for spec in fields:
        assert spec.name.isidentifier(), f"{spec.name!r} is not a name"
        kept = {"choices": spec.choices, "kind": spec.kind, "columns": spec.columns}
        assert FieldSpec(**{**json.loads(json.dumps(asdict(spec))), **kept}) == spec
        if spec.default is not None:
            assert spec.problem(spec.default) is None, f"the default of {spec.name} does not fit it"
        assert spec.kind is not FieldKind.CHOICE or spec.choices, f"{spec.name} offers no choice"


_SAMPLES: dict[FieldKind, Any] = {
    FieldKind.NUMBER: 1.5,
    FieldKind.INTEGER: 1,
    FieldKind.BOOLEAN: True,
    FieldKind.LIST: ["item"],
    FieldKind.MAPPING: {"name": "value"},
    FieldKind.JSON: {"name": "value"},
}


def _made_up_cases(adapter: ConnectorAdapter) -> list[Case]:
    """A call for each described action, with made-up values of the right kinds."""
    return [
        Case(
            action=action.name,
            params={spec.name: _sample(spec) for spec in action.fields if spec.required},
            connection={spec.name: CANARY for spec in adapter.config_fields if spec.kind is FieldKind.SECRET},
        )
        for action in adapter.actions
        if action.fields is not None and action.effect is Effect.EFFECTFUL
    ]


def _sample(spec: FieldSpec) -> Any:
    if spec.choices:
        return spec.choices[0][0]
    if "url" in spec.name:
        return "https://api.example.com/items"
    return spec.default if spec.default is not None else _SAMPLES.get(spec.kind, "text")
