"""pytest fixtures for plug-ins and workflows: `pytest_plugins = ["automate_testing.fixtures"]` in conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from automate_testing.fakes import FakeSecrets, ScriptedHttp, ScriptedModel, context

if TYPE_CHECKING:
    from automate_testing.workflows import WorkflowResult


@pytest.fixture
def scripted_http() -> ScriptedHttp:
    """A session that answers 200 with `{}`; create a `ScriptedHttp([...])` for other answers."""
    return ScriptedHttp()


@pytest.fixture
def connector_context(scripted_http: ScriptedHttp) -> dict[str, Any]:
    """A context for `execute` that goes out by `scripted_http`."""
    return context(scripted_http)


@pytest.fixture
def fake_secrets() -> FakeSecrets:
    """An empty secrets backend; put values into its `values`."""
    return FakeSecrets()


@pytest.fixture
def scripted_model() -> ScriptedModel:
    """A language model that says "An answer"; create a `ScriptedModel([...])` for other answers."""
    return ScriptedModel()


@pytest.fixture
def run_workflow(db: None) -> Callable[..., WorkflowResult]:
    """The function `automate_testing.run_workflow`, with access to the database. It needs pytest-django."""
    from automate_testing.workflows import run_workflow

    return run_workflow
