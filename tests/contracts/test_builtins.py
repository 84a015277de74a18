"""Every built-in passes the suites that strangers' plug-ins are given."""

from __future__ import annotations

import base64

import pytest

from automate_connectors.adapters.data import DataConnector
from automate_connectors.adapters.email import EmailConnector
from automate_connectors.adapters.http import HttpConnector
from automate_governance.models import StoredSecret
from automate_governance.secrets.env import EnvSecretsBackend
from automate_governance.secrets.stored import StoredSecretsBackend
from automate_llm.connector import LLMConnector
from automate_llm.providers.anthropic import AnthropicProvider
from automate_llm.providers.ollama import OllamaProvider
from automate_llm.providers.openai import OpenAICompatibleProvider
from automate_testing.contracts import (
    CANARY,
    Case,
    ConnectorContractTest,
    LLMProviderContractTest,
    SecretsBackendContractTest,
)
from automate_testing.fakes import ScriptedHttp, answer, context

COMPLETION = answer(
    200,
    {
        "choices": [{"message": {"role": "assistant", "content": "Hello back"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    },
)


class TestHttp(ConnectorContractTest):
    adapter_cls = HttpConnector
    cases = (
        Case(action="request", params={"url": "https://api.example.com/items"}),
        Case(
            action="request",
            params={"method": "POST", "url": "items", "json": {"a": 1}},
            connection={"base_url": "https://api.example.com/", "auth": "bearer", "token": "replaced"},
        ),
        Case(
            action="request",
            params={"method": "PUT", "url": "https://api.example.com/", "body": "text"},
            connection={"auth": "basic", "username": "u", "password": "replaced"},
        ),
    )

    @pytest.mark.parametrize(
        ("connection", "header", "value"),
        [
            ({"auth": "bearer", "token": "t"}, "Authorization", "Bearer t"),
            (
                {"auth": "basic", "username": "u", "password": "p"},
                "Authorization",
                f"Basic {base64.b64encode(b'u:p').decode()}",
            ),
            ({"auth": "header", "header_name": "X-Key", "token": "t"}, "X-Key", "t"),
        ],
    )
    def test_credentials(self, connection, header, value):
        http = ScriptedHttp()
        HttpConnector().execute("request", {"url": "https://a.example/"}, context(http, connection))
        assert http.requests[0].headers[header] == value

    @pytest.mark.parametrize("auth", ["bearer", "basic", "header"])
    def test_a_configuration_without_its_credentials_is_refused(self, auth):
        with pytest.raises(ValueError, match="requires"):
            HttpConnector().validate_config({"auth": auth})

    def test_a_date_in_retry_after(self):
        from automate_connectors.adapters.base import ConnectorError

        http = ScriptedHttp([answer(503, {}, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})])
        with pytest.raises(ConnectorError) as caught:
            HttpConnector().execute("request", {"url": "https://a.example/"}, context(http))
        assert caught.value.retry_after == 0


class TestEmail:
    def test_a_message_is_sent(self, mailoutbox):
        params = {
            "to": "a@example.com",
            "cc": ["b@example.com"],
            "subject": "Hi",
            "text": "Text",
            "html": "<p>Text</p>",
        }
        assert EmailConnector().execute("send", params, context()) == {"to": ["a@example.com"], "cc": ["b@example.com"]}
        [message] = mailoutbox
        assert (message.subject, message.body, message.extra_headers["X-Idempotency-Key"]) == (
            "Hi",
            "Text",
            "key-of-this-step",
        )
        assert message.alternatives[0].content == "<p>Text</p>"

    @pytest.mark.parametrize(
        "change",
        [{"to": "not an address"}, {"to": []}, {"to": ["a@example.com"] * 51}, {"subject": "a\nBcc: x@example.com"}],
    )
    def test_bad_input_is_refused(self, change, mailoutbox):
        from automate_connectors.adapters.base import ConnectorError

        with pytest.raises(ConnectorError) as caught:
            EmailConnector().execute("send", {"to": "a@example.com", "subject": "s", "text": "t", **change}, context())
        assert caught.value.code == "invalid_input" and not mailoutbox


class TestData:
    def test_pick(self):
        params = {"source": {"a": 1, "b": 2}, "fields": ["b"]}
        assert DataConnector().execute("pick", params, context()) == {"b": 2}

    def test_log(self):
        given = context()
        DataConnector().execute("log", {"message": "hello", "level": "warning"}, given)
        assert given["lines"] == [("warning", "hello")]


@pytest.mark.django_db
class TestLLM:
    def test_chat(self):
        http = ScriptedHttp([COMPLETION])
        given = context(http, {"base_url": "http://localhost:1234/v1/"})
        output = LLMConnector().execute("chat", {"model": "m", "system": "Be brief", "prompt": "Hello"}, given)
        assert (output["text"], output["cut_off"]) == ("Hello back", False)
        assert output["usage"] == {
            "provider": "localhost:1234", "model": "m", "calls": 1, "tokens_in": 9, "tokens_out": 3, "cost": None,
            "currency": "USD",
        }  # fmt: skip
        [request] = http.requests
        assert request.url == "http://localhost:1234/v1/chat/completions"
        assert request.json["messages"][0] == {"role": "system", "content": "Be brief"}
        assert "Authorization" not in request.headers


class TestEnvSecrets(SecretsBackendContractTest):
    backend_cls = EnvSecretsBackend
    longest_cache = 0
    keys_ignore_case = True

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def put(self, key, value):
        self.monkeypatch.setenv("AUTOMATE_SECRET_" + key.upper().replace("-", "_"), value)


@pytest.mark.django_db
class TestStoredSecrets(SecretsBackendContractTest):
    backend_cls = StoredSecretsBackend
    longest_cache = 0

    @pytest.fixture(autouse=True)
    def _owner(self, owner):
        self.owner = owner

    def put(self, key, value):
        secret = StoredSecret.objects.filter(name=key).first() or StoredSecret(name=key, owner=self.owner)
        secret.put(value)
        secret.save()


class TestOpenAI(LLMProviderContractTest):
    provider_cls = OpenAICompatibleProvider
    good_answer = COMPLETION
    good_text = "Hello back"

    def test_the_key_goes_into_the_header_alone(self, provider):
        _, http = self._chat(provider, COMPLETION)
        [request] = http.requests
        assert request.headers == {"Authorization": f"Bearer {CANARY}"}
        assert CANARY not in str(request.json) + request.url


class TestAnthropic(LLMProviderContractTest):
    provider_cls = AnthropicProvider
    good_answer = answer(
        200,
        {
            "content": [{"type": "text", "text": "Hello back"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 3},
        },
    )
    good_text = "Hello back"


class TestOllama(LLMProviderContractTest):
    provider_cls = OllamaProvider
    good_answer = answer(
        200,
        {
            "message": {"role": "assistant", "content": "Hello back"},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 3,
        },
    )
    good_text = "Hello back"
