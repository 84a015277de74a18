"""A process of a pool: `python -m $name.consumer POOL FOLDER`, with DJANGO_SETTINGS_MODULE."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sys
import time
import uuid
from pathlib import Path
from typing import TextIO

import django

log = logging.getLogger(__name__)


def receive(folder: Path) -> tuple[Path, TextIO] | None:
    """Lock and return a message, if there is one. The end of this process unlocks it."""
    for path in sorted(folder.glob("*.*")):
        try:
            file = path.open()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process has it, or removed it
            continue
        if path.exists():
            return path, file
        file.close()
    return None


def main(pool: str, folder: str) -> None:
    """Perform one step after the other."""
    from automate_pools.consumers import ConsumerReports
    from automate_pools.performer import perform_step

    name = f"{socket.gethostname()}-{os.getpid()}"
    ConsumerReports(name, [pool], slots=1).start()
    while True:
        found = receive(Path(folder))
        if found is None:
            time.sleep(0.2)
            continue
        path, file = found
        step, _, token = path.name.partition(".")
        try:
            perform_step(uuid.UUID(step), int(token), performer=name)
        except Exception:  # such as a database that is away: the step is sent again
            log.exception("step %s was not performed", step)
        path.unlink(missing_ok=True)
        file.close()


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
