"""Large tables of cases: representatives run always, all of them with `make test-all`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def representatives(cases: Iterable[Any], *, always: int = 1) -> list[Any]:
    """The cases as parameters, those behind the first few marked as `extended`."""
    made = [each if isinstance(each, tuple) else (each,) for each in cases]
    return [pytest.param(*each, marks=[pytest.mark.extended] if at >= always else []) for at, each in enumerate(made)]
