"""pytest fixtures for plug-in authors: `pytest_plugins = ["automate_testing.fixtures"]` in conftest.py."""

from __future__ import annotations

from typing import Any

import pytest

from automate_testing.fakes import ScriptedHttp, context


@pytest.fixture
def scripted_http() -> ScriptedHttp:
    """A way out that answers 200 with `{}`; make your own `ScriptedHttp([...])` for other answers."""
    return ScriptedHttp()


@pytest.fixture
def connector_context(scripted_http: ScriptedHttp) -> dict[str, Any]:
    """A context for `execute` that goes out by `scripted_http`."""
    return context(scripted_http)
