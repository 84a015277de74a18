"""The three providers against a server that speaks their documented APIs, over real HTTP."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_egress import EgressTimeoutError
from automate_llm.connector import LLMConnector
from automate_llm.models import LLMUsage
from automate_llm.providers.openai import OpenAICompatibleProvider
from automate_testing.fakes import ScriptedHttp, answer
from tests.llm.server import KEY, Fault

PROVIDERS = ("openai", "anthropic", "ollama")
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer(provider, models, act):
    output = act("chat", provider, system="Be brief", prompt="Hello", temperature=0.5, max_tokens=77)
    assert output["text"] == "Hello back" and output["cut_off"] is False
    [call] = models.calls
    assert [message["role"] for message in call.messages] == ["system", "user"]
    assert call.messages[0]["content"] == "Be brief"
    settings = call.body["options"] if provider == "ollama" else call.body
    assert settings["temperature"] == 0.5
    assert 77 in (settings.get("max_tokens"), settings.get("num_predict"))
    usage = output["usage"]
    assert (usage["tokens_in"], usage["tokens_out"], usage["calls"]) == (len(call.text) // 4 + 3, 3, 1)
    [row] = LLMUsage.objects.all()
    assert (row.status, row.tokens_in, row.is_estimated) == ("answered", usage["tokens_in"], False)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_schema_goes_to_the_service(provider, models, act):
    models.say = lambda call: '{"label": "good"}'
    assert act("classify", provider, text="nice", labels=["good", "bad"])["label"] == "good"
    [call] = models.calls
    assert call.schema["properties"] == {"label": {"type": "string", "enum": ["good", "bad"]}}
    assert call.schema["additionalProperties"] is False


REJECTED = {
    "openai": "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is supported.",
    "anthropic": "temperature: Extra inputs are not permitted. It was removed in this version of the API.",
}


@pytest.mark.parametrize("provider", REJECTED)
def test_a_model_without_a_temperature_is_asked_without_it(provider, models, act):
    def say(call):
        if "temperature" not in call.body:
            return "Hello back"
        return models._refused(provider, 400, "invalid_request_error", REJECTED[provider])

    models.say = say
    output = act("chat", provider, prompt="Hello", temperature=0.2)
    assert output["text"] == "Hello back" and len(models.calls) == 2
    [row] = LLMUsage.objects.all()
    assert row.status == "answered" and output["usage"]["calls"] == 1, "a rejected request costs nothing"


def test_a_wrong_temperature_is_not_left_out(models, act):
    reason = "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5."
    models.say = lambda call: models._refused("openai", 400, "invalid_request_error", reason)
    with pytest.raises(ConnectorError, match="above maximum value"):
        act("chat", prompt="Hello", temperature=5)
    assert len(models.calls) == 1


def test_a_server_that_wants_the_new_name_of_the_limit_gets_it(models, act):
    reason = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )

    def say(call):
        return models._refused("openai", 400, "invalid_request_error", reason) if "max_tokens" in call.body else "Hello"

    models.say = say
    assert act("chat", prompt="Hello", max_tokens=77)["text"] == "Hello"
    assert models.calls[-1].body["max_completion_tokens"] == 77 and "max_tokens" not in models.calls[-1].body


@pytest.mark.parametrize(
    ("base_url", "is_openai"),
    [
        ("", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://acme.openai.azure.com/openai/v1", True),
        ("https://openrouter.ai/api/v1", False),
        ("https://openai.com.example.net/v1", False),
        ("https://notopenai.com/v1", False),
        ("http://localhost:11434/v1", False),
    ],
)
def test_the_hosts_of_openai_get_the_new_name_of_the_limit(base_url, is_openai):
    http = ScriptedHttp([answer(200, {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]})])
    options = {"model": "small", "http": http, "connection": {"base_url": base_url}, "max_tokens": 77}
    OpenAICompatibleProvider().chat([{"role": "user", "content": "Hello"}], options)
    [request] = http.requests
    assert ("max_completion_tokens" in request.json, "max_tokens" in request.json) == (is_openai, not is_openai)


def test_a_service_that_cannot_hold_to_a_schema_is_asked_in_words(models, act):
    models.say = lambda call: '```json\n{"label": "good"}\n```'
    output = act("classify", text="nice", labels=["good", "bad"], config={"structured_output": False})
    assert output["label"] == "good"
    assert models.calls[0].schema is None and '"enum": ["good", "bad"]' in models.calls[0].text


# What goes wrong, and what the step is told: (what the server does, code, retryable, words of the message).
FAILURES = {
    "no such model": ({"model": "huge"}, None, "model_not_found", False, "no model huge"),
    "wrong key": ({"key": "key-of-somebody-else-99"}, None, "authentication_failed", False, "API key"),
    "too long": ({"prompt": "word " * 30_000}, None, "context_too_long", False, "too long for the model"),
    "too often": ({}, Fault(429, {"error": {"message": "slow down"}}, {"retry-after": "7"}), "http_429", True, "too many requests"),
    "no credit": (
        {}, Fault(429, {"error": {"message": "no", "type": "insufficient_quota"}}), "quota_exhausted", False, "credit",
    ),
    "down": ({}, Fault(503, {"error": {"message": "down"}}, {"retry-after": "7"}), "http_503", True, "failed"),
    "overloaded": (
        {}, Fault(529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}), "http_529", True, "Overloaded",
    ),
    "refused": ({}, Fault(422, {"error": {"message": "no"}}), "http_422", False, "rejected the request"),
    "no schemas": (
        {}, Fault(400, {"error": {"message": "'response_format' of type 'json_schema' is not supported"}}),
        "structured_output_refused", False, "Turn it off in the connection",
    ),
    "an error in HTML": ({}, Fault(502, raw=b"<html>Bad gateway", content_type="text/html"), "http_502", True, "Bad gateway"),
    "not JSON": ({}, Fault(raw=b"<html>"), "invalid_answer", False, "not JSON"),
    "half of it": ({}, Fault(raw=b'{"choices": [{"mess'), "invalid_answer", False, "not JSON"),
    "not an object": ({}, Fault(body=["hello"]), "invalid_answer", False, "not a JSON object"),
    "another shape": ({}, Fault(body={"hello": 1}), "invalid_answer", False, "no message"),
    "bad text": ({}, Fault(raw=b"\xff\xfe\xfa"), "invalid_answer", False, "not JSON"),
    "nested": ({}, Fault(raw=b"[" * 100_000), "invalid_answer", False, "The model server's response is n"),
    "a stream": (
        {}, Fault(raw=b"data: {}\n\n", content_type="text/event-stream"), "invalid_answer", False, "stream",
    ),
}  # fmt: skip


@pytest.mark.matrix
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_told_apart(provider, name, models, act):
    params, fault, code, retryable, words = FAILURES[name]
    if fault is not None:
        models.say = lambda call: fault
    with pytest.raises(ConnectorError) as caught:
        act("chat", provider, **{"prompt": "Hello", **params})
    error = caught.value
    assert (error.code, error.retryable) == (code, retryable), error.message
    assert words in error.message and len(error.message) < 500
    assert error.retry_after == (7 if fault is not None and fault.headers else None)
    assert KEY not in error.message and "somebody-else" not in error.message
    [row] = LLMUsage.objects.all()
    unanswered = fault is not None and fault.status == 200
    assert row.status == ("in_doubt" if unanswered else "refused")
    assert (row.tokens_in + row.tokens_out > 0) is unanswered


REFUSALS = {
    "a refusal": ({"content": None, "refusal": "I cannot help with that"}, "model_refused", "I cannot help"),
    "a tool": ({"content": None, "tool_calls": [{"function": {"name": "rm"}}]}, "invalid_answer", "tool"),
    "nothing": ({"content": None}, "invalid_answer", "no message"),
    "parts": ({"content": [{"type": "text"}]}, "invalid_answer", "no message"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_answer_that_is_not_text_is_an_error(name, models, act):
    models.extra, code, words = REFUSALS[name]
    with pytest.raises(ConnectorError) as caught:
        act("chat", prompt="Hello")
    assert caught.value.code == code and words in caught.value.message
    assert LLMUsage.objects.get().status == "answered", "it was paid for"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_is_cut_off_says_so(provider, models, act):
    models.finish = "length"
    assert act("chat", provider, prompt="Hello")["cut_off"] is True
    with pytest.raises(ConnectorError) as caught:
        act("summarise", provider, text="Hello")
    assert caught.value.code == "answer_cut_off" and "Maximum answer tokens" in caught.value.message


def test_a_silent_server_is_a_time_out(models, act):
    models.delay = 60
    with pytest.raises(ConnectorError) as caught:
        act("chat", prompt="Hello", seconds=0.5)
    assert (caught.value.code, caught.value.retryable) == (EgressTimeoutError.code, True)
    assert LLMUsage.objects.get().status == "in_doubt"


def test_a_server_that_is_down_costs_nothing(models, act):
    models.close()
    with pytest.raises(ConnectorError) as caught:
        act("chat", prompt="Hello")
    assert (caught.value.code, caught.value.retryable) == ("connection_failed", True)
    row = LLMUsage.objects.get()
    assert (row.status, row.tokens_in) == ("refused", 0)


def test_the_newer_name_of_the_limit_goes_to_openai_alone(act, models):
    from automate_llm.providers.openai import OpenAICompatibleProvider
    from automate_testing.fakes import ScriptedHttp, answer

    http = ScriptedHttp([answer(200, {"choices": [{"message": {"content": "x"}}]})])
    options = {"model": "gpt-5", "max_tokens": 9, "http": http, "connection": {"api_key": "k"}}
    OpenAICompatibleProvider().chat([{"role": "user", "content": "Hi"}], options)
    [sent] = http.requests
    assert sent.url == "https://api.openai.com/v1/chat/completions"
    assert sent.json["max_completion_tokens"] == 9 and "max_tokens" not in sent.json


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_connection_can_be_tried(provider, models):
    from automate_egress import HttpSession

    config = {"provider": provider, "base_url": models.base_url(provider), "api_key": KEY}
    given = {"http": HttpSession(internal_hosts=[models.host]), "connection": config}
    assert LLMConnector().check_connection(given) == "1 model available."
    with pytest.raises(ConnectorError) as caught:
        LLMConnector().check_connection({**given, "connection": {**config, "api_key": "wrong-key"}})
    assert caught.value.code == "authentication_failed"


def test_a_configuration_names_a_provider_that_is_there():
    with pytest.raises(ValueError, match="Installed providers: anthropic, ollama, openai"):
        LLMConnector().validate_config({"provider": "oracle"})


@pytest.mark.parametrize(
    ("base_url", "strict", "kept"),
    [
        ("", True, {"type": "integer", "maximum": 5}),
        ("https://llm.example/v1", False, {"type": "integer", "maximum": 5}),
    ],
)
def test_strict_mode_is_openais(base_url, strict, kept):
    from automate_llm.providers.openai import OpenAICompatibleProvider
    from automate_llm.schemas import Schema
    from automate_testing.fakes import ScriptedHttp, answer

    name = {"type": "string", "maxLength": 9}
    schema = Schema({"type": "object", "properties": {"n": kept, "name": name}, "required": ["n", "name"]}).document
    http = ScriptedHttp([answer(200, {"choices": [{"message": {"content": "{}"}}]})])
    options = {"model": "m", "http": http, "connection": {"base_url": base_url}, "schema": schema}
    OpenAICompatibleProvider().chat([{"role": "user", "content": "Hi"}], options)
    form = http.requests[0].json["response_format"]["json_schema"]
    assert form["strict"] is strict and form["schema"]["properties"]["n"] == kept
    assert ("maxLength" in form["schema"]["properties"]["name"]) is not strict


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        ({"provider": "anthropic"}, ["api.anthropic.com"]),
        ({}, ["api.openai.com"]),
        ({"provider": "ollama"}, ["localhost"]),
        ({"base_url": "https://llm.example.com/v1"}, ["llm.example.com"]),
    ],
)
def test_a_key_goes_to_the_providers_host_alone(config, hosts, owner):
    from automate_connectors.models import Connection

    made = Connection(name="M", slug="m", connector="llm", owner=owner, config={**config, "api_key": "env:MODEL_KEY"})
    made.full_clean()
    assert made.hosts() == hosts
    made.allowed_hosts = ["proxy.example.com"]
    assert made.hosts() == ["proxy.example.com"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_button_says_whether_the_connection_works(provider, connection, owner):
    from automate_connectors import connection_test

    made = connection(provider)
    assert connection_test.run_connection_test(made, owner).message == "1 model available."
    made.config["base_url"] += "/nowhere"
    tried = connection_test.run_connection_test(made, owner)
    assert not tried.works and KEY not in tried.message
