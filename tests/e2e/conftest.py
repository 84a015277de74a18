"""The browser: an installed Chromium where there is one, else Playwright's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.browser import sign_in_at
from tests.support.workflows import TRIAGE

expect.set_options(timeout=60_000)  # a busy machine may take its time, as for everything else that Playwright waits for

SHOTS = os.environ.get("AUTOMATE_TEST_SHOTS", "")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium by name, or the one that AUTOMATE_TEST_BROWSER names."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("AUTOMATE_TEST_BROWSER") or next(
        (path for name in names if (path := shutil.which(name))), None
    )
    return {**browser_type_launch_args, "args": FLAGS, **({"executable_path": found} if found else {})}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A desktop window, wide enough for the sidebar."""
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """A context whose pages may take their time to load, as what `expect` waits for may."""
    context.set_default_navigation_timeout(120_000)
    return context


@pytest.fixture
def signed_in(page: Page, site: str, owner: Any) -> Page:
    """A page of the owner."""
    sign_in_at(page, site)
    return page


@pytest.fixture
def triage(workflow):
    """A published workflow with steps of most kinds."""
    return workflow(TRIAGE)


@pytest.fixture
def builder(triage, signed_in, site):
    """The owner's page, at the builder."""
    signed_in.goto(f"{site}/admin/automate/workflows/{triage.pk}/builder/")
    signed_in.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
    return signed_in


@pytest.fixture
def faults() -> Callable[[Page], list[str]]:
    """Everything that went wrong in a page so far: script errors, failed loads, violations of the policy."""
    return lambda page: [*page.faults, *page.evaluate("window.faults")]  # type: ignore[attr-defined]


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keep a picture in the folder that AUTOMATE_TEST_SHOTS names; without one, none is taken."""
    if not SHOTS:
        return lambda page, name: None
    folder = Path(SHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=folder / f"{name}.png") and None
