"""The provider that docs/llm.md shows keeps the contract, and its workflow runs."""

from __future__ import annotations

import json
import re

import pytest

from automate_core.models import ExecutionRun, StepRun
from automate_llm.providers.base import LLMProvider
from automate_testing.contracts import LLMProviderContractTest
from automate_testing.fakes import answer
from tests.conftest import ROOT
from tests.support.walks import settle


def _documented():
    [source] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "llm.md").read_text(), re.DOTALL)
    names = {}
    exec(source, names)  # noqa: S102 - our own documentation
    return names["MyProvider"]


class TestMyProvider(LLMProviderContractTest):
    provider_cls: type[LLMProvider] = _documented()
    good_answer = answer(200, {"text": "Hello back", "read": 9, "written": 3})
    good_text = "Hello back"


# --- the workflow it shows --------------------------------------------------------------------------------------------


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("label", "step"), [("order", "route/order"), ("other", "route/summary")])
def test_the_documented_workflow_works(label, step, models, connection, workflow, deliver, drain):
    connection()
    [text] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "llm.md").read_text(), re.DOTALL)
    workflow(text.replace("endpoint: support-email", "endpoint: github").replace("gpt-5-mini", "small"))

    def say(call):
        if "labels" in call.messages[0]["content"]:
            return json.dumps({"label": label})
        if "JSON document" in call.messages[0]["content"]:
            return '{"customer": "Ada", "total": 99.5, "due": "2026-12-01"}'
        return "A short mail."

    models.say = say
    deliver({"text": "Please send me a pump."})
    settle(drain)
    run = ExecutionRun.objects.get()
    assert run.status == "succeeded", run.error
    output = StepRun.objects.get(run=run, path=step).output
    assert output.get("data", {}).get("total") == 99.5 or output["text"] == "A short mail."
