"""The suites watch how plug-ins connect to databases: nothing stands between them and the driver."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _drivers_are_the_packages_own(sessions_end: None) -> None:
    pass
