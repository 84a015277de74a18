"""A good provider of language models, and what can be wrong with one."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time

import requests

from automate_egress import EgressCancelledError, EgressTimeoutError
from automate_llm.providers.base import Capability, LLMProvider, LLMProviderError, TokenUsage
from automate_testing.fakes import answer
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)
logger = logging.getLogger("planted")
GOOD_USAGE = (9, 3)
GOOD_ANSWER = answer(200, {"text": "Hello back", "read": 9, "written": 3})


class GoodProvider(LLMProvider):
    """One JSON exchange. Each step of a call is a method, so that a fault is one method too."""

    name = "Good"
    default_base_url = "https://llm.example.com/v1"
    capabilities = frozenset(Capability)

    def chat(self, messages, options):
        response = self.request(options, "POST", self.url(options), json=self.body(messages, options))
        if response.status != 200:
            raise self.refusal(response, options)
        return self.read(response, options)

    def url(self, options):
        return (options["connection"].get("base_url") or self.default_base_url).rstrip("/") + "/chat"

    def body(self, messages, options):
        names = ("model", "temperature", "max_tokens", "schema")
        return {"messages": messages, **{name: options[name] for name in names if options.get(name) is not None}}

    def headers(self, options):
        key = options["connection"].get("api_key")
        return {"Authorization": f"Bearer {key}"} if key else {}

    def request(self, options, method, url, **more):
        return options["http"].request(method, url, headers=self.headers(options), **more)

    def refusal(self, response, options):
        return LLMProviderError(
            f"HTTP {response.status}",
            code=f"http_{response.status}",
            retryable=response.status == 429 or response.status >= 500,
            retry_after=response.retry_after,
            details={"status": response.status},
        )

    def read(self, response, options):
        try:
            found = response.json()
            text, usage = found["text"], TokenUsage(tokens_in=found["read"], tokens_out=found["written"])
        except (ValueError, LookupError, TypeError) as error:
            raise LLMProviderError("the answer has no text", code="invalid_answer") from error
        self.report(usage, options)
        return text

    def report(self, usage, options):
        if on_usage := options.get("on_usage"):
            on_usage(usage)

    def count_tokens(self, text):
        return (len(text) + 3) // 4

    def check(self, options):
        response = self.request(options, "GET", self.url(options).replace("/chat", "/models"))
        if response.status != 200:
            raise self.refusal(response, options)
        return "It answers"


@planted("guarded_session")
class ByRequests(GoodProvider):
    def request(self, options, method, url, **more):
        return requests.request(method, url, timeout=5, **more)


@planted("guarded_session")
class BySocket(GoodProvider):
    def read(self, response, options):
        socket.create_connection(("203.0.113.7", 443))


@planted("makes_a_request")
class AnswersItself(GoodProvider):
    def chat(self, messages, options):
        return "Hello back"


@planted("returns_in_time", call_seconds=0.5)
class WaitsForEver(GoodProvider):
    def read(self, response, options):
        threading.Event().wait()


@planted("answer")
class AnotherText(GoodProvider):
    def read(self, response, options):
        return super().read(response, options).upper()


@planted("answer")
class NoText(GoodProvider):
    def read(self, response, options):
        return response.json()


@planted("model")
class ModelIsIgnored(GoodProvider):
    def body(self, messages, options):
        return {**super().body(messages, options), "model": "the-best"}


@planted("messages")
class SystemIsDropped(GoodProvider):
    def body(self, messages, options):
        return super().body([message for message in messages if message["role"] != "system"], options)


@planted("messages")
class LastMessageAlone(GoodProvider):
    def body(self, messages, options):
        return super().body(messages[-1:], options)


@planted("max_tokens")
class MaxTokensIsIgnored(GoodProvider):
    def body(self, messages, options):
        body = super().body(messages, options)
        body.pop("max_tokens", None)
        return body


@planted("base_url")
class BaseUrlIsIgnored(GoodProvider):
    def url(self, options):
        return f"{self.default_base_url}/chat"


@planted("base_url")
class PathOfTheBaseUrlIsLost(GoodProvider):
    def url(self, options):
        return "/".join(super().url(options).split("/")[:3]) + "/v1/chat"


@planted("key_in_headers_alone")
class KeyInTheBody(GoodProvider):
    def body(self, messages, options):
        return {**super().body(messages, options), "key": options["connection"].get("api_key")}


@planted("key_in_headers_alone")
class KeyIsNotSent(GoodProvider):
    def headers(self, options):
        return {}


@planted("without_key")
class KeyIsTakenForGranted(GoodProvider):
    def headers(self, options):
        return {"Authorization": f"Bearer {options['connection']['api_key']}"}


@planted("keeps_nothing")
class KeepsTheKey(GoodProvider):
    def headers(self, options):
        self.key = getattr(self, "key", None) or options["connection"].get("api_key")
        return {"Authorization": f"Bearer {self.key}"}


@planted("keeps_nothing")
class RemembersTheKey(GoodProvider):
    def headers(self, options):
        self.key = options["connection"].get("api_key")
        return super().headers(options)


@planted("keeps_nothing")
class KeepsAnswers(GoodProvider):
    def chat(self, messages, options):
        self.kept = getattr(self, "kept", None) or super().chat(messages, options)
        return self.kept


@planted("inputs_untouched")
class ChangesMessages(GoodProvider):
    def body(self, messages, options):
        messages.append({"role": "user", "content": "Be brief"})
        return super().body(messages, options)


@planted("inputs_untouched")
class ChangesTheConnection(GoodProvider):
    def url(self, options):
        options["connection"].setdefault("base_url", self.default_base_url)
        return super().url(options)


@planted("attempts_are_alike")
class SeedOfTheTime(GoodProvider):
    def body(self, messages, options):
        return {**super().body(messages, options), "seed": time.perf_counter_ns()}


@planted("count_tokens")
class TokensAreFractions(GoodProvider):
    def count_tokens(self, text):
        return len(text) / 4


@planted("count_tokens")
class TokensAreAsked(GoodProvider):
    def count_tokens(self, text):
        return requests.post("https://llm.example.com/tokens", json=text, timeout=5).json()


@planted("rate_limit", says="marked HTTP 429 as not retryable")
class RateLimitIsFinal(GoodProvider):
    def refusal(self, response, options):
        return LLMProviderError("no", retryable=response.status >= 500, retry_after=response.retry_after)


@planted("rate_limit")
class RetryAfterIsIgnored(GoodProvider):
    def refusal(self, response, options):
        return LLMProviderError("no", retryable=response.status == 429 or response.status >= 500)


@planted("retry_after_date")
class RetryAfterIsAlwaysANumber(GoodProvider):
    def refusal(self, response, options):
        wait = float(response.headers.get("retry-after", "0"))
        return LLMProviderError("no", retryable=response.status == 429 or response.status >= 500, retry_after=wait)


@planted("server_error")
class OnlyUnavailableMayBeRetried(GoodProvider):
    def refusal(self, response, options):
        return LLMProviderError("no", retryable=response.status in {429, 503}, retry_after=response.retry_after)


@planted("server_error")
class ReadsTheGatewaysPage(GoodProvider):
    def refusal(self, response, options):
        return LLMProviderError(str(response.json()), retryable=response.status == 429 or response.status >= 500)


@planted("client_error")
class BareErrorOnRefusal(GoodProvider):
    def refusal(self, response, options):
        return RuntimeError("no") if response.status < 429 else super().refusal(response, options)


@planted("client_error", says="marked HTTP 400 as retryable")
class RefusalMayBeRetried(GoodProvider):
    def refusal(self, response, options):
        return LLMProviderError("no", retryable=True, retry_after=response.retry_after)


@planted("bad_answer", says="ends with a bare KeyError('text')")
class BareErrorOnABadAnswer(GoodProvider):
    def read(self, response, options):
        return response.json()["text"]


@planted("timeout")
class TimeoutIsFinal(GoodProvider):
    def request(self, options, method, url, **more):
        try:
            return super().request(options, method, url, **more)
        except EgressTimeoutError as error:
            raise LLMProviderError("too long") from error


@planted("single_attempt")
class Retries(GoodProvider):
    def request(self, options, method, url, **more):
        response = super().request(options, method, url, **more)
        return response if response.status < 500 else super().request(options, method, url, **more)


@planted("single_attempt", says="after HTTP 401")
class SendsARefusedKeyAgain(GoodProvider):
    def request(self, options, method, url, **more):
        response = super().request(options, method, url, **more)
        return response if response.status != 401 else super().request(options, method, url, **more)


@planted("guarded_session", says="a process of its own")
class Forks(GoodProvider):
    def read(self, response, options):
        os.fork()


@planted("made_without_arguments", says="AsksWhenItIsMade() goes out by")
class AsksWhenItIsMade(GoodProvider):
    def __init__(self):
        socket.create_connection(("203.0.113.7", 443))


@planted("answer", says="makes_requests is False", makes_requests=False)
class AsksThoughItSaysItDoesNot(GoodProvider):
    pass


@planted("answer", says="says makes_requests = False")
class AsksNobodyAndDoesNotSaySo(GoodProvider):
    def chat(self, messages, options):
        return "Hello back"


@planted("no_key_printed")
class WritesTheKeyToTheDescriptor(GoodProvider):
    def headers(self, options):
        os.write(2, str(options["connection"]).encode())
        return super().headers(options)


@planted("cancellation")
class CancellationIsSwallowed(GoodProvider):
    def chat(self, messages, options):
        try:
            return super().chat(messages, options)
        except EgressCancelledError:
            return ""


@planted("cancellation", says="call options['cancelled']()", makes_requests=False, good_answer=None)
class CancellationIsDeclaredAndIgnored(GoodProvider):
    def chat(self, messages, options):
        return "Hello back"


@planted("no_key_in_errors")
class ServiceIsQuoted(GoodProvider):
    def refusal(self, response, options):
        error = super().refusal(response, options)
        return LLMProviderError(response.text, retryable=error.retryable, retry_after=error.retry_after)


@planted("no_key_in_errors")
class KeyInTheCause(GoodProvider):
    def refusal(self, response, options):
        error = super().refusal(response, options)
        error.__cause__ = ValueError(f"sent {self.headers(options)}")
        return error


@planted("no_key_in_details")
class KeyInTheDetails(GoodProvider):
    def refusal(self, response, options):
        error = super().refusal(response, options)
        error.details["sent"] = self.headers(options)
        return error


@planted("no_key_in_logs")
class LogsTheKey(GoodProvider):
    def headers(self, options):
        logger.debug("key %s", options["connection"].get("api_key"))
        return super().headers(options)


@planted("no_key_printed")
class PrintsTheKey(GoodProvider):
    def headers(self, options):
        print(options["connection"])
        return super().headers(options)


@planted("usage")
class UsageIsNotTold(GoodProvider):
    def report(self, usage, options):
        return None


@planted("usage")
class UsageIsToldTwice(GoodProvider):
    def report(self, usage, options):
        super().report(usage, options)
        super().report(usage, options)


@planted("usage", says="tokens_in are those of the question")
class UsageIsSwapped(GoodProvider):
    def report(self, usage, options):
        super().report(TokenUsage(tokens_in=usage.tokens_out, tokens_out=usage.tokens_in), options)


@planted("check", says="asks the model")
class CheckAsksTheModel(GoodProvider):
    def check(self, options):
        response = self.request(options, "POST", self.url(options), json={"messages": []})
        if response.status != 200:
            raise self.refusal(response, options)
        return "It answers"


@planted("structured_output")
class SchemaIsIgnored(GoodProvider):
    def body(self, messages, options):
        body = super().body(messages, options)
        body.pop("schema", None)
        return body


@planted("identity")
class UnknownCapability(GoodProvider):
    capabilities = frozenset({"vision"})


@planted("made_without_arguments")
class NeedsArguments(GoodProvider):
    def __init__(self, key):
        self.key = key


@planted("check")
class CheckAsksNobody(GoodProvider):
    def check(self, options):
        return "It answers"


@planted("check")
class CheckTakesARefusalForSuccess(GoodProvider):
    def check(self, options):
        self.request(options, "GET", self.url(options))
        return "It answers"


@planted("check")
class CheckIsBare(GoodProvider):
    def check(self, options):
        return self.models(options)
