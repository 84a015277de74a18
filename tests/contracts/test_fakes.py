"""The fakes keep the contracts of what they stand for, and are there as fixtures."""

from __future__ import annotations

import pytest

from automate_llm.providers.base import LLMProvider, LLMProviderError
from automate_testing.contracts import LLMProviderContractTest, SecretsBackendContractTest
from automate_testing.fakes import FakeSecrets, ScriptedHttp, ScriptedModel, answer


class TestFakeSecrets(SecretsBackendContractTest):
    backend_cls = FakeSecrets

    @pytest.fixture
    def backend(self, fake_secrets):
        self.fake = fake_secrets
        return fake_secrets

    def put(self, key, value):
        self.fake.values[key] = value


def test_a_scripted_model_is_a_provider(scripted_model):
    suite = LLMProviderContractTest()
    suite.test_contract_identity(scripted_model)
    suite.test_contract_count_tokens(scripted_model)
    question = [{"role": "user", "content": "Hello"}]
    assert scripted_model.chat(question, {"model": "m"}) == "An answer"
    assert scripted_model.asked == [(question, {"model": "m"})]


def test_a_scripted_session_answers_by_a_function():
    http = ScriptedHttp(lambda request: answer(200, {"page": request.params["page"]}))
    pages = [http.request("GET", "https://erp.example.com", params={"page": page}).json() for page in (1, 2)]
    assert pages == [{"page": 1}, {"page": 2}] and len(http.requests) == 2
    with pytest.raises(TimeoutError):
        ScriptedHttp(lambda request: TimeoutError()).request("GET", "https://erp.example.com")


class Echo(LLMProvider):
    """A model that runs in the process."""

    def chat(self, messages, options):
        return messages[-1]["content"]

    def count_tokens(self, text):
        return len(text.split())


class InTheProcess(LLMProviderContractTest):
    provider_cls = Echo
    makes_requests = False


def skipped_by(suite):
    """The cases that are skipped. None may fail."""
    skipped = set()
    for name in (name for name in dir(suite) if name.startswith("test_contract_")):
        try:
            getattr(suite(), name)(Echo())
        except pytest.skip.Exception:
            skipped.add(name.removeprefix("test_contract_"))
    return skipped


def test_a_model_that_says_nothing_of_requests_fails_no_case():
    assert {"timeout", "rate_limit", "answer"} <= skipped_by(LLMProviderContractTest)


def test_a_model_without_requests_is_checked_for_all_else():
    of_requests = {"makes_a_request", "model", "messages", "max_tokens", "base_url", "key_in_headers_alone"}
    of_failures = {"rate_limit", "retry_after_date", "server_error", "client_error", "bad_answer", "timeout"}
    assert skipped_by(InTheProcess) == of_requests | of_failures | {"usage", "structured_output", "check"}


def test_it_gives_its_answers_in_order():
    model = ScriptedModel(["one", LLMProviderError("busy", retryable=True), "two"])
    assert model.chat([], {}) == "one"
    with pytest.raises(LLMProviderError):
        model.chat([], {})
    assert [model.chat([], {}) for _ in range(2)] == ["two", "two"]


def test_the_way_out_gives_its_answers_in_order(scripted_http, connector_context):
    assert connector_context["http"] is scripted_http
    assert scripted_http.request("GET", "https://x").status == 200
    from automate_testing.fakes import ScriptedHttp

    http = ScriptedHttp([answer(500), answer(200)])
    assert [http.request("GET", "https://x").status for _ in range(3)] == [500, 200, 200]
    connector_context["log"]("hello")
    assert connector_context["lines"] == [("info", "hello")]
