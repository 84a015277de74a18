"""The pages for authors of plug-ins hold packages that work: their code is run as it is printed."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib

import pytest

from tests.conftest import ROOT
from tests.support.matrix import representatives
from tests.support.plugins import python_outside

FILES = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def written(tmp_path, request):
    """The files that a page prints, in a folder of their own."""
    found = dict(FILES.findall((ROOT / "docs" / f"{request.param}.md").read_text(encoding="utf-8")))
    for name, text in found.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


PAGES = pytest.mark.parametrize(
    "written",
    representatives(
        [
            "writing-a-connector",
            "writing-a-secrets-backend",
            "writing-an-llm-provider",
            "writing-a-signature-scheme",
            "writing-a-notification-channel",
            "writing-a-trigger",
            "writing-an-expression-filter",
            "writing-an-executor",
        ],
    ),
    indirect=True,
)


@pytest.mark.extended
@PAGES
@pytest.mark.process
def test_the_printed_tests_pass_on_the_printed_code(written):
    done = python_outside("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=written)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


@PAGES
def test_the_printed_entry_point_leads_to_the_printed_class(written, monkeypatch):
    from automate_connectors.adapters.base import ConnectorAdapter
    from automate_connectors.triggers.contract import TriggerKind
    from automate_core.engine.executor import Executor
    from automate_core.expressions.templating.filters.plugin import ExpressionFilter
    from automate_core.webhooks.schemes.signing import SignatureScheme
    from automate_governance.secrets.interfaces import SecretsBackend
    from automate_llm.providers.base import LLMProvider
    from automate_operations.notifications.channels.contract import NotificationChannel

    monkeypatch.syspath_prepend(str(written / "src"))
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    [(group, entries)] = project["entry-points"].items()
    [(module, _, name)] = [target.partition(":") for target in entries.values()]
    try:
        cls = getattr(importlib.import_module(module), name)
    finally:
        for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == module.split(".")[0]]:
            del sys.modules[loaded]
    base = {
        "connectors": ConnectorAdapter,
        "backends": SecretsBackend,
        "providers": LLMProvider,
        "signature_schemes": SignatureScheme,
        "notification_channels": NotificationChannel,
        "triggers": TriggerKind,
        "expression_filters": ExpressionFilter,
        "executors": Executor,
    }[group.rpartition(".")[2]]
    assert issubclass(cls, base)
    assert cls(dict(cls.example_config)) if base is SignatureScheme else cls()


def test_a_working_connector_fits_one_page():
    text = (ROOT / "docs" / "writing-a-connector.md").read_text()
    assert len(text.split("## What you may rely on")[0].splitlines()) < 110
