"""$title as an executor: a message is a file in a folder, which the processes of the pool share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automate_core.engine.executor import Executor, ExecutorError, Message, Pool


class $class_name(Executor):
    """The option `folder` of a pool is the path of the folder."""

    code = "$name"
    name = "$title"

    def validate_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError."""
        if options.keys() != {"folder"} or not isinstance(options["folder"], str) or not options["folder"]:
            raise ValueError("$title needs the option folder, and no other.")

    def send(self, pool: Pool, messages: Sequence[Message]) -> None:
        """Create one file for each message. Raises ExecutorError."""
        folder = Path(pool.options["folder"])
        try:
            for message in messages:
                (folder / f"{message.step_id}.{message.token}").touch()
        except OSError as error:
            raise ExecutorError(str(error)) from error
