"""What the host's code does to start workflows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def originating(run_id: str, slug: str) -> Iterator[None]:
    """What is written in this block is the workflow's own doing."""
    yield
