"""The contract tests of language model providers."""

from __future__ import annotations

from automate_testing.contracts import LLMProviderContractTest
from automate_testing.fakes import answer
from $name.llm import $class_name


class Test$class_name(LLMProviderContractTest):
    provider_cls = $class_name
    good_answer = answer(200, {"text": "Hello back"})
    good_text = "Hello back"
