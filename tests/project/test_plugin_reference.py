"""docs/plugin-reference.md names everything that a plug-in is handed, and every case of the suites."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import automate_connectors.context
import automate_llm.providers.options
from automate_egress import HttpResponse, HttpSession
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.contracts import (
    ConnectorContractTest,
    ExecutorContractTest,
    ExpressionFilterContractTest,
    HandedOutStepContractTest,
    LLMProviderContractTest,
    NotificationChannelContractTest,
    PollContractTest,
    SecretsBackendContractTest,
    SignatureSchemeContractTest,
    WebhookContractTest,
)
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "plugin-reference.md").read_text(encoding="utf-8")


def section(title):
    return re.split(r"^#+ ", PAGE.split(f"# {title}\n", 1)[1], flags=re.MULTILINE)[0]


def rows(title):
    """The names in the first column of a section's table."""
    cells = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([\w]+)", cell)}


def keys(module):
    """The names that a typed dict of a module's `__getitem__` overloads knows."""
    tree = ast.parse(Path(module.__file__).read_text())
    texts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    return {match[1] for text in texts if (match := re.fullmatch(r"Literal\['(\w+)'\]", text))}


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("The context of a call", keys(automate_connectors.context)),
        ("The options of a provider", keys(automate_llm.providers.options)),
        ("Requests", set(inspect.signature(HttpSession.request).parameters) - {"self"}),
        ("Responses", {field.name for field in dataclasses.fields(HttpResponse)} | {"text", "json", "retry_after"}),
        ("Fields", {kind.name for kind in FieldKind}),
    ],
)
def test_it_lists_what_there_is(title, names):
    assert rows(title) == names


def test_it_names_every_member_of_a_field():
    missing = [each.name for each in dataclasses.fields(FieldSpec) if f"`{each.name}" not in section("Fields")]
    assert missing in ([], ["name", "kind"])


@pytest.mark.parametrize(
    ("title", "suite"),
    [
        ("Connectors", ConnectorContractTest),
        ("Polls", PollContractTest),
        ("Webhooks", WebhookContractTest),
        ("Providers", LLMProviderContractTest),
        ("Secrets backends", SecretsBackendContractTest),
        ("Signature schemes", SignatureSchemeContractTest),
        ("Notification channels", NotificationChannelContractTest),
        ("Expression filters", ExpressionFilterContractTest),
        ("Executors", ExecutorContractTest),
        ("Handed-out steps", HandedOutStepContractTest),
    ],
)
def test_it_lists_the_cases_of_the_suites(title, suite):
    cases = {name for name in dir(suite) if name.startswith("test_contract_")}
    assert {f"test_contract_{name}" for name in rows(title) - {"test_contract_"}} == cases
