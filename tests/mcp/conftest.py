"""The site's application, live in the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.mcp import Site, live_site


@pytest.fixture
def on_site() -> Callable[[Callable[[Site], Coroutine[Any, Any, Any]]], Any]:
    """Call a coroutine function with a live site, and give what it returns."""

    async def through(use: Callable[[Site], Coroutine[Any, Any, Any]]) -> Any:
        async with live_site() as site:
            return await use(site)

    return lambda use: asyncio.run(asyncio.wait_for(through(use), 120))


@pytest.fixture
def worker(settings: Any) -> None:
    """The site's managed worker lives with the application."""
    settings.AUTOMATE_WORKER = "managed"
