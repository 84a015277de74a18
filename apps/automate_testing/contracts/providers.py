"""The contract of providers of language models."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

import pytest

from automate_egress import (
    EgressCancelledError,
    EgressConnectionError,
    EgressError,
    EgressTimeoutError,
    HttpResponse,
)
from automate_llm.providers.base import Capability, LLMProvider, LLMProviderError, TokenUsage
from automate_llm.providers.options import ChatOptions
from automate_testing.contracts.calls import Call, call_again, look_for_bypasses, make_instance, observe
from automate_testing.contracts.traces import CANARY, contains_secret, error_text
from automate_testing.fakes import ScriptedHttp, answer

_OTHER = "other-canary-9f8e7d6c5b4a"
_PAGE = b"<html><h1>It did not work</h1></html>"
_MESSAGES = [
    {"role": "system", "content": "contract-system-text"},
    {"role": "user", "content": "contract-question"},
    {"role": "assistant", "content": "contract-reply"},
    {"role": "user", "content": "contract-second-question"},
]


class LLMProviderContractTest:
    """What every provider keeps. `good_answer` is an HTTP answer that its API gives, `good_text` the text in it.

    `connection` holds settings that it needs beside `api_key` and `base_url`; `check_answers` are what the service
    answers to `check` when all is well. A model that runs in the process says `makes_requests = False`: what its
    requests and their failures would be is skipped then, and it fails when it makes one.
    """

    provider_cls: type[LLMProvider]
    connection: dict[str, Any] = {}
    good_answer: HttpResponse | None = None
    good_text: str = ""
    good_usage: tuple[int, int] | None = None  #: tokens in and out that `good_answer` reports, two different numbers
    check_answers: tuple[HttpResponse, ...] = ()
    makes_requests: bool = True  #: False for a model that runs in the process, without HTTP
    call_seconds: float = 10.0  #: a call takes no longer, since the other side answers at once

    @pytest.fixture
    def provider(self) -> LLMProvider:
        """The provider, made the way the registry makes it."""
        return make_instance(self.provider_cls)

    # --- by itself ----------------------------------------------------------------------------------------------------

    def test_contract_made_without_arguments(self, provider: LLMProvider) -> None:
        """Its class is called without arguments, once for all threads."""
        make_instance(type(provider))

    def test_contract_identity(self, provider: LLMProvider) -> None:
        """It is an LLMProvider, and declares capabilities that there are."""
        assert isinstance(provider, LLMProvider), "it is not an LLMProvider"
        assert isinstance(provider.name, str) and isinstance(provider.default_base_url, str), "names are text"
        unknown = set(provider.capabilities) - set(Capability)
        assert not unknown, f"there is no capability {', '.join(map(str, unknown))}"

    def test_contract_count_tokens(self, provider: LLMProvider) -> None:
        """Tokens are whole numbers, none for no text, more for more text, and counted without asking anybody."""

        def count() -> list[int]:
            return [provider.count_tokens(text) for text in ("", "one sentence", "one sentence " * 50)]

        call = observe(count, seconds=self.call_seconds, what="count_tokens", plugin=type(provider))
        assert call.error is None, f"count_tokens raises {call.error!r}"
        assert all(type(number) is int for number in call.value), f"tokens are whole numbers, not {call.value}"
        none, some, more = call.value
        assert none == 0 < some < more, f"tokens of nothing, a sentence and fifty are {none}, {some} and {more}"

    # --- a good answer ------------------------------------------------------------------------------------------------

    def test_contract_makes_a_request(self, provider: LLMProvider) -> None:
        """A provider with a `good_answer` asks for it by options["http"]."""
        self._needs_requests()
        self._chat(provider)

    def test_contract_guarded_session(self, provider: LLMProvider) -> None:
        """Nothing goes around the guarded session: no socket, HTTP library or program of its own."""
        look_for_bypasses(type(provider))
        self._call_chat(provider, self.good_answer or answer(200, {}))
        self._call_chat(provider, answer(503))

    def test_contract_returns_in_time(self, provider: LLMProvider) -> None:
        """A call returns as soon as the service has answered: nothing waits without an end."""
        call_again(type(provider))
        self._call_chat(provider, self.good_answer or answer(200, {}))

    def test_contract_answer(self, provider: LLMProvider) -> None:
        """The text of a good answer is what `chat` gives."""
        text, _ = self._chat(provider)
        assert isinstance(text, str), f"chat gives {text!r}, which is not text"
        assert text == self.good_text or not (self.good_text or self.makes_requests), f"the answer is {text!r}"

    def test_contract_model(self, provider: LLMProvider) -> None:
        """The model of the options is the one that is asked."""
        self._needs_requests()
        _, http = self._chat(provider, model="contract-model")
        assert "contract-model" in str(http.requests), "options['model'] is ignored"

    def test_contract_messages(self, provider: LLMProvider) -> None:
        """All messages are sent, the system's among them."""
        self._needs_requests()
        _, http = self._chat(provider)
        missing = [message["content"] for message in _MESSAGES if message["content"] not in str(http.requests)]
        assert not missing, f"messages are left out: {', '.join(missing)}"

    def test_contract_max_tokens(self, provider: LLMProvider) -> None:
        """The limit of the answer's length is handed to the service: budgets rely on it."""
        self._needs_requests()
        _, http = self._chat(provider, max_tokens=517)
        assert "517" in str(http.requests), "options['max_tokens'] is ignored"

    def test_contract_base_url(self, provider: LLMProvider) -> None:
        """Calls go below the connection's base URL, and to the provider's own when it has none."""
        self._needs_requests()
        for base, path in (("https://contract.example.org/v9", "/v9"), (provider.default_base_url, "")):
            connection = {"base_url": base} if path else {}
            if not path and not base:
                continue
            _, http = self._chat(provider, connection=connection)
            url = http.requests[0].url
            same_host = urlsplit(url).netloc == urlsplit(base).netloc
            assert same_host and urlsplit(url).path.startswith(path), f"with the base URL {base} it goes to {url}"

    def test_contract_key_in_headers_alone(self, provider: LLMProvider) -> None:
        """The connection's key goes to the service, in a header and nowhere else."""
        self._needs_requests()
        _, http = self._chat(provider)
        for sent in http.requests:
            assert contains_secret(str(sent.headers)), "the connection's api_key is not sent"
            assert not contains_secret(f"{sent.url} {sent.json} {sent.data} {sent.params}"), (
                "the key is not in a header alone"
            )

    def test_contract_without_key(self, provider: LLMProvider) -> None:
        """A connection without a key is a server that wants none, or an LLMProviderError."""
        call, _ = self._call_chat(provider, self._good(), connection={"api_key": None})
        assert call.error is None or isinstance(call.error, LLMProviderError), f"without a key: {call.error!r}"

    def test_contract_keeps_nothing(self, provider: LLMProvider) -> None:
        """A call uses nothing of the one before it: neither its key nor its answer."""
        self._chat(provider)
        _, http = self._call_chat(provider, self._good(), connection={"api_key": _OTHER})
        assert http.requests or not self.makes_requests, "the second call makes no request"
        assert not contains_secret(str(http.requests)), "the second call sends the first one's key"
        kept = f"{getattr(provider, '__dict__', '')} {vars(type(provider))}"
        assert not (contains_secret(kept) or contains_secret(kept, _OTHER)), (
            "the provider, which serves all threads, keeps a call's key"
        )

    def test_contract_inputs_untouched(self, provider: LLMProvider) -> None:
        """The messages and the connection are as they were when a call ends."""
        messages, connection = copy.deepcopy(_MESSAGES), {**self.connection, "api_key": CANARY}
        given = copy.deepcopy(connection)
        self._call_chat(provider, self._good(), messages=messages, given=given)
        assert messages == _MESSAGES, "chat changes the messages"
        assert given == connection, "chat changes the connection"

    def test_contract_attempts_are_alike(self, provider: LLMProvider) -> None:
        """The same call sends the same request."""
        (_, first), (_, second) = self._chat(provider), self._chat(provider)
        assert first.requests == second.requests, "a repeated attempt sends something else"

    # --- failures -----------------------------------------------------------------------------------------------------

    def test_contract_rate_limit(self, provider: LLMProvider) -> None:
        """429 is an LLMProviderError that may be retried, after the time that Retry-After asks for."""
        for error, _ in self._errors(provider, answer(429, {"error": {"message": "slow"}}, {"retry-after": "3"})):
            _may_be_retried(error, "HTTP 429")
            assert error.retry_after == 3, (
                f"the service asked for 3 seconds in Retry-After, and the error's retry_after is {error.retry_after!r};"
                " pass on retry_after=response.retry_after"
            )

    def test_contract_retry_after_date(self, provider: LLMProvider) -> None:
        """A date in Retry-After is read or left out, and no reason to crash; `response.retry_after` reads it."""
        moment = formatdate(time.time() + 3_600, usegmt=True)
        for error, _ in self._errors(provider, answer(429, {}, {"retry-after": moment})):
            wait = error.retry_after
            _may_be_retried(error, "HTTP 429")
            assert wait is None or 3_000 <= wait <= 3_601, (
                f"the date in Retry-After is an hour ahead, and the error's retry_after is {wait}; pass on"
                " retry_after=response.retry_after"
            )

    def test_contract_server_error(self, provider: LLMProvider) -> None:
        """500, 502, 503 and 504 are LLMProviderErrors that may be retried, whatever their body is."""
        for status in (500, 502, 503, 504):
            for error, _ in self._errors(provider, *_bodies(status)):
                _may_be_retried(error, f"HTTP {status}")

    def test_contract_client_error(self, provider: LLMProvider) -> None:
        """400, 401, 403, 404 and 422 are LLMProviderErrors that cannot pass by repeating."""
        for status in (400, 401, 403, 404, 422):
            for error, _ in self._errors(provider, *_bodies(status)):
                _is_final(error, f"HTTP {status}")

    def test_contract_bad_answer(self, provider: LLMProvider) -> None:
        """An answer of another shape is an LLMProviderError."""
        bodies: tuple[Any, ...] = ({"unexpected": True}, [], None, _PAGE, b"")
        for _ in self._errors(provider, *(answer(200, body) for body in bodies)):
            pass

    def test_contract_timeout(self, provider: LLMProvider) -> None:
        """A time-out or a broken connection is an error that may be retried."""
        self._needs_requests()
        for failure in (EgressTimeoutError("it took too long"), EgressConnectionError("it broke")):
            call, http = self._call_chat(provider, failure)
            self._skip_without(http)
            assert isinstance(call.error, EgressError | LLMProviderError), (
                f"{failure!r} ends with {call.error!r}; let it pass, or raise LLMProviderError"
            )
            _may_be_retried(call.error, repr(failure))

    def test_contract_single_attempt(self, provider: LLMProvider) -> None:
        """A request that failed is not sent again in the same call: the engine retries, by the step's own rules."""
        for failure in (answer(503), answer(429), EgressTimeoutError("too long"), answer(401, {"error": "who"})):
            _, http = self._call_chat(provider, failure)
            is_refused = isinstance(failure, HttpResponse) and failure.status == 401  # a new key may be tried
            count = len(http.requests) if not is_refused else max(map(http.requests.count, http.requests), default=0)
            assert count <= 1, (
                f"after {_failure_name(failure)} the provider sent its request again, {count} times in all; send it"
                " once and raise: retrying is the engine's"
            )

    def test_contract_cancellation(self, provider: LLMProvider) -> None:
        """A cancelled call ends with an error that is not retried; `cancelled` is taken by those that declare it."""
        call, http = self._call_chat(provider, EgressCancelledError("cancelled"), cancelled=lambda: True)
        if http.requests:
            assert isinstance(call.error, EgressError | LLMProviderError), (
                f"the provider took a cancelled request for an answer and gave {call.value!r}; let the error pass"
            )
            _is_final(call.error, "a cancelled request")
            assert len(http.requests) == 1, (
                f"the provider made {len(http.requests)} requests after its first was cancelled; let the error pass"
            )
        if Capability.CANCELLATION in provider.capabilities and self.good_answer is not None:
            self._chat(provider, cancelled=lambda: False)
        # A session of HTTP ends a cancelled request by itself; a model in the process has to look.
        if Capability.CANCELLATION in provider.capabilities and not self.makes_requests:
            assert isinstance(call.error, EgressError | LLMProviderError), (
                f"the provider declares cancellation, and a cancelled call gave {call.value!r}; call"
                " options['cancelled']() while you wait"
            )
            _is_final(call.error, "a cancelled call")

    # --- secrecy ------------------------------------------------------------------------------------------------------

    def test_contract_no_key_in_errors(self, provider: LLMProvider) -> None:
        """The key is in no error, whatever the service says, nor in the errors behind it."""
        for call in self._all(provider):
            assert not contains_secret(error_text(call.error)), "an error shows the key"

    def test_contract_no_key_in_details(self, provider: LLMProvider) -> None:
        """The key is not in an error's details, which people see."""
        for call in self._all(provider):
            assert not contains_secret(str(getattr(call.error, "details", ""))), "the details of an error show the key"

    def test_contract_no_key_in_logs(self, provider: LLMProvider) -> None:
        """The key is in no record of `logging`."""
        for call in self._all(provider):
            assert not contains_secret(call.traces.logged), "a record of `logging` shows the key"

    def test_contract_no_key_printed(self, provider: LLMProvider) -> None:
        """The key is not printed."""
        for call in self._all(provider):
            assert not contains_secret(call.traces.printed), "the key is printed"
            assert not contains_secret(call.traces.filed), "the key is written to a file"

    # --- what it declares ---------------------------------------------------------------------------------------------

    def test_contract_usage(self, provider: LLMProvider) -> None:
        """A provider that declares it tells what an answer took, once."""
        self._needs(provider, Capability.USAGE)
        reported: list[TokenUsage] = []
        self._chat(provider, on_usage=reported.append)
        assert len(reported) == 1, f"on_usage is called {len(reported)} times for one answer"
        assert reported[0].tokens_in > 0 and reported[0].tokens_out > 0, f"an answer took {reported[0]}"
        wanted = self.good_usage
        assert wanted is None or (reported[0].tokens_in, reported[0].tokens_out) == wanted, (
            f"an answer took {reported[0]}, not {wanted}, as good_usage says: tokens_in are those of the question"
        )

    def test_contract_structured_output(self, provider: LLMProvider) -> None:
        """A provider that declares it hands the schema to the service."""
        self._needs(provider, Capability.STRUCTURED_OUTPUT)
        self._needs_requests()
        schema: dict[str, Any] = {"type": "object", "properties": {"contract_field": {"type": "string"}}}
        schema |= {"required": ["contract_field"], "additionalProperties": False}
        _, http = self._chat(provider, schema=schema)
        assert "contract_field" in str(http.requests[0].json), "options['schema'] is ignored"

    def test_contract_check(self, provider: LLMProvider) -> None:
        """A check asks the service, gives a line, and raises LLMProviderError when it is refused."""
        if not provider.can_check:
            pytest.skip("the provider has no check")
        scripts = [self.check_answers] if self.check_answers else [(answer(200, {}),), (answer(200, []),)]
        calls = [self._checked(provider, *script) for script in scripts]
        own = [call for call, _ in calls if call.error is None]
        bare = [call.error for call, _ in calls if not _is_own(call.error)]
        allowed = () if self.check_answers else (LookupError, TypeError)
        assert all(isinstance(error, allowed) for error in bare), f"check raises {bare[0]!r}" if bare else ""
        assert own or not self.check_answers, f"check fails on its own answer: {calls[0][0].error!r}"
        for call in own:
            assert isinstance(call.value, str) and call.value.strip(), (
                f"check gives {call.value!r}, not a line for people"
            )
        if not self.makes_requests:
            return
        assert any(http.requests for _, http in calls), "check makes no request: it tells nothing of the connection"
        _, asked = self._call_chat(provider, self.good_answer or answer(200, {}))
        paid = {(request.method, request.url) for request in asked.requests}
        is_paid = any((request.method, request.url) in paid for _, http in calls for request in http.requests)
        assert not is_paid, "check asks the model, which costs tokens: ask for something that is free, such as a list"
        for failure in (answer(401, {"error": "who"}), answer(503, _PAGE), EgressTimeoutError("too long")):
            call, _ = self._checked(provider, failure)
            assert call.error is not None, f"check takes {_failure_name(failure)} for success; raise LLMProviderError"
            assert _is_own(call.error), f"check raises {call.error!r}"

    # --- how it is asked ----------------------------------------------------------------------------------------------

    def _needs(self, provider: LLMProvider, capability: Capability) -> None:
        if capability not in provider.capabilities:
            pytest.skip(f"the provider does not declare {capability}")

    def _needs_requests(self) -> None:
        if not self.makes_requests:
            pytest.skip("the provider makes no requests, says makes_requests = False")

    def _good(self) -> HttpResponse:
        if not self.makes_requests:
            return answer(200, {})
        if self.good_answer is None:
            pytest.skip("declare good_answer and good_text to check what follows an answer")
        return self.good_answer

    def _chat(self, provider: LLMProvider, given: HttpResponse | None = None, **more: Any) -> tuple[str, ScriptedHttp]:
        """The text of a good answer, and what was asked."""
        call, http = self._call_chat(provider, given or self._good(), **more)
        assert call.error is None, f"chat fails on its own answer: {call.error!r}"
        assert http.requests or not self.makes_requests, (
            "chat makes no request by options['http']; a model that runs in the process says makes_requests = False"
        )
        return call.value, http

    def _call_chat(
        self,
        provider: LLMProvider,
        script: HttpResponse | Exception,
        *,
        connection: dict[str, Any] | None = None,
        messages: list[dict[str, Any]] | None = None,
        given: dict[str, Any] | None = None,
        **more: Any,
    ) -> tuple[Call, ScriptedHttp]:
        http = ScriptedHttp([script])
        settings = {"api_key": CANARY, **self.connection, **(connection or {})}
        settings = {name: value for name, value in settings.items() if value is not None}
        options = ChatOptions({"model": "a-model", "max_tokens": 50, "http": http, **more})
        options["connection"] = settings if given is None else given
        asked = copy.deepcopy(_MESSAGES) if messages is None else messages
        call = observe(
            lambda: provider.chat(asked, options), seconds=self.call_seconds, what="chat", plugin=type(provider)
        )
        assert self.makes_requests or not http.requests, "makes_requests is False, and chat makes a request"
        return call, http

    def _checked(self, provider: LLMProvider, *script: HttpResponse | Exception) -> tuple[Call, ScriptedHttp]:
        http = ScriptedHttp(script)
        options = ChatOptions(http=http, connection={"api_key": CANARY, **self.connection})
        call = observe(lambda: provider.check(options), seconds=self.call_seconds, what="check", plugin=type(provider))
        shown = f"{call.value} {error_text(call.error)} {call.traces.logged} {call.traces.printed}"
        assert not contains_secret(shown), "check shows the key"
        return call, http

    def _errors(self, provider: LLMProvider, *answers: HttpResponse) -> Iterator[tuple[LLMProviderError, HttpResponse]]:
        """The error that each answer ends with. Skips for a provider that makes no request, unless it should."""
        self._needs_requests()
        for given in answers:
            call, http = self._call_chat(provider, given)
            self._skip_without(http)
            what = f"HTTP {given.status} ({given.text[:40]})"
            assert call.error is not None, (
                f"the provider took {what} for an answer and gave {call.value!r}; raise LLMProviderError"
            )
            assert isinstance(call.error, LLMProviderError | EgressError), (
                f"{what} ends with a bare {call.error!r}; raise LLMProviderError in its place"
            )
            yield _as_own(call.error), given

    def _skip_without(self, http: ScriptedHttp) -> None:
        if not http.requests and self.good_answer is None:
            pytest.skip(
                "the provider makes no request by options['http']: declare good_answer, or makes_requests = False"
            )

    def _all(self, provider: LLMProvider) -> Iterator[Call]:
        quoted = {"error": {"message": f"no to {CANARY}", "type": CANARY}}
        given = [self.good_answer, *(answer(status, quoted) for status in (400, 401, 429, 503)), answer(200, _PAGE)]
        for script in (*given, EgressTimeoutError("too long")):
            if script is not None:
                yield self._call_chat(provider, script)[0]


def _bodies(status: int) -> tuple[HttpResponse, ...]:
    return (
        answer(status, {"error": {"message": "wrong"}}),
        answer(status, {}),
        answer(status, _PAGE),
        answer(status, b""),
    )


def _failure_name(failure: HttpResponse | Exception) -> str:
    return f"HTTP {failure.status}" if isinstance(failure, HttpResponse) else type(failure).__name__


def _may_be_retried(error: LLMProviderError | EgressError, what: str) -> None:
    assert error.retryable, (
        f"the provider marked {what} as not retryable; the same call may succeed later, so raise it with retryable=True"
    )


def _is_final(error: LLMProviderError | EgressError, what: str) -> None:
    assert not error.retryable, (
        f"the provider marked {what} as retryable; repeating the same call cannot help, so raise it with"
        " retryable=False"
    )


def _is_own(error: Exception | None) -> bool:
    return error is None or isinstance(error, LLMProviderError | EgressError)


def _as_own(error: LLMProviderError | EgressError) -> LLMProviderError:
    """Return an egress error as the connector raises it."""
    if isinstance(error, LLMProviderError):
        return error
    return LLMProviderError(str(error), code=error.code, retryable=error.retryable)
