"""Authors who annotate a call's context are told by mypy of what is misspelt; those who do not are left alone."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.support.plugins import python_outside

PLUGIN = """
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.context import Context
from automate_llm.providers.base import LLMProvider
from automate_llm.providers.options import ChatOptions


class Printed(ConnectorAdapter):
    code: str = "printed"
    name: str = "Printed"

    def execute(self, action: str, params: dict, context: dict) -> Any:
        return context["http"].request("GET", "https://erp.example.com/").json()


class Typed(ConnectorAdapter):
    code = "typed"
    name = "Typed"

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        response = context["http"].request("GET", "https://erp.example.com/", json=params)
        context["log"](f"{context['step']['attempt']} {context.get('user')}", level="debug")
        context["http"].get("https://erp.example.com/")  # error: attr-defined
        context["http"].request("GET", "https://erp.example.com/", timeout=5)  # error: call-arg
        context["htpp"]  # error: call-overload
        context["log"]("hello", levle="info")  # error: call-arg
        response.status_code  # error: attr-defined
        return {"wait": response.retry_after, "status": response.status}


class Model(LLMProvider):
    def chat(self, messages: list[dict[str, Any]], options: ChatOptions) -> str:
        options["max_token"]  # error: call-overload
        return str(options["http"].request("POST", options["connection"]["base_url"]).json()["text"])

    def count_tokens(self, text: str) -> int:
        return len(text)
"""


@pytest.mark.process
def test_mypy_finds_a_misspelt_name(tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    options = ("--config-file=", "--no-error-summary", f"--cache-dir={tmp_path / 'cache'}", "--show-error-codes")
    done = python_outside("-m", "mypy", *options, "plugin.py", cwd=tmp_path, MYPYPATH=str(ROOT / "apps"))
    found = {(int(line), code) for line, code in re.findall(r"plugin\.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)}
    lines = enumerate(PLUGIN.splitlines(), 1)
    assert found == {(number, line.split("# error: ")[1]) for number, line in lines if "# error: " in line}, done.stdout
