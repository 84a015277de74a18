"""The `threads` executor: the worker that walks a run performs its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automate_core.engine.executor import Executor, Message, Pool
from automate_plugins import text


class ThreadsExecutor(Executor):
    """The default: nothing is handed out."""

    code = "threads"
    name = text("Worker threads")
    description = text("Performs steps in the threads of the workers, without a pool of their own.")
    is_local = True

    def validate_options(self, options: Mapping[str, Any]) -> None:
        """It has no options. Raises ValueError."""
        if options:
            raise ValueError(f"the executor threads has no options, but {', '.join(sorted(options))} is set.")

    def send(self, pool: Pool, messages: Sequence[Message]) -> None:
        """Nothing is ever sent."""
        raise NotImplementedError("the worker's own threads perform these steps")
