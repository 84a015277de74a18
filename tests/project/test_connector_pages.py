"""The pages of connectors list what the connectors say of themselves."""

from __future__ import annotations

import re

import pytest

from automate_connectors.registry import connectors
from tests.conftest import ROOT

CODES = ["email", "github", "http", "slack", "sql"]


def _rows(text):
    return re.findall(r"^\| `(\w+)` \| ([\w ]+) \| ([^|]*) \|", text, re.MULTILINE)


def _specs(fields):
    return [(spec.name, spec.kind.replace("_", " "), spec.required) for spec in fields]


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_the_connector_says(code):
    adapter, text = connectors.get(code), (ROOT / "docs" / "connectors" / f"{code}.md").read_text()
    sections = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    written = {name: [(a, kind, needed == "yes") for a, kind, needed in _rows(part)] for name, part in sections.items()}
    assert written["Connection"] == _specs(adapter.config_fields)
    for action in adapter.actions:
        assert written[f"`{code}.{action.name}`"] == _specs(action.fields or ())
    assert set(sections) == {"Connection", "Actions", *(f"`{code}.{action.name}`" for action in adapter.actions)}
