"""pytest plug-in, loaded by its entry point: test databases of pytest-django that Automate lives in.

Tests that commit and `live_server` empty the append-only tables, and sessions of worker threads end before the test
database is dropped. It does nothing in a project without Automate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Prepare the databases that `django_db_setup` has created, until its teardown drops them."""
    created = yield
    if fixturedef.argname == "django_db_setup" and _is_installed():
        # Imported here: every pytest of the environment loads this module, also one without Django.
        from automate_testing.databases import prepared_databases

        stack = contextlib.ExitStack()
        fixturedef.addfinalizer(stack.close)
        stack.enter_context(prepared_databases(request.getfixturevalue("django_db_blocker").unblock))
    return created


def _is_installed() -> bool:
    from django.apps import apps

    return apps.ready and apps.is_installed("automate_governance")
