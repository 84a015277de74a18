"""Large tables of cases: representatives run always, all of them with `make test-all`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

ONE_IN = 4  # cases of a test that is marked as a matrix


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `extended` what others of the same matrix stand for, before `-m` selects."""
    cases: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("matrix"):
            test = item.nodeid.partition("[")[0]
            if cases[test] % ONE_IN:
                item.add_marker("extended")
            cases[test] += 1


def representatives(cases: Iterable[Any], *, always: int = 0, every: int = 0) -> list[Any]:
    """The cases as parameters, all `extended` but the first ones (`always`), or one of so many (`every`)."""
    made = [each if isinstance(each, tuple) else (each,) for each in cases]
    kept = {at for at in range(len(made)) if at < (always or not every) or (every and at % every == 0)}
    return [pytest.param(*each, marks=[] if at in kept else [pytest.mark.extended]) for at, each in enumerate(made)]
