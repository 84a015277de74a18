"""The provider that docs/llm.md shows keeps the contract."""

from __future__ import annotations

import re

from automate_llm.providers.base import LLMProvider
from automate_testing.contracts import LLMProviderContractTest
from automate_testing.fakes import answer
from tests.conftest import ROOT


def _documented():
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "llm.md").read_text(), re.DOTALL)
    names = {}
    exec(source, names)  # noqa: S102 - our own documentation
    return names["MyProvider"]


class TestMyProvider(LLMProviderContractTest):
    provider_cls: type[LLMProvider] = _documented()
    good_answer = answer(200, {"text": "Hello back", "read": 9, "written": 3})
    good_text = "Hello back"
