"""Large tables of cases: representatives run always, all of them with `make test-all`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def representatives(cases: Iterable[Any], *, always: int = 0, every: int = 0) -> list[Any]:
    """The cases as parameters, all `extended` but the first ones (`always`), or one of so many (`every`)."""
    made = [each if isinstance(each, tuple) else (each,) for each in cases]
    kept = {at for at in range(len(made)) if at < (always or not every) or (every and at % every == 0)}
    return [pytest.param(*each, marks=[] if at in kept else [pytest.mark.extended]) for at, each in enumerate(made)]
