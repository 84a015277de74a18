"""The consumer of the planted executors, run as a program: FOLDER POOL FAULT. FAULT is `none` for a good one."""

from __future__ import annotations

import fcntl
import os
import sys
import time
import uuid
from pathlib import Path

from automate_pools.consumers import ConsumerReports
from automate_pools.performer import perform_step


def receive(folder):
    """(path, file) of a message that no other process has, else None. The end of this process unlocks the file."""
    for path in sorted(folder.glob("*.*")):
        try:
            file = path.open()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        if path.exists():
            return path, file
    return None


def perform(path, fault):
    step, _, token = path.name.partition(".")
    step = step if fault == "id_as_text" else uuid.UUID(step)
    perform_step(step, 1 if fault == "no_token" else int(token), performer="" if fault == "no_name" else "folder-1")


def main(folder, pool, fault):
    reports = ConsumerReports(f"folder-{os.getpid()}", [pool], slots=1)
    if fault != "no_reports":
        reports.start()
    known, busy = set(), Path(folder).parent / "busy"
    while True:
        found = receive(Path(folder))
        if found is None or (fault == "leaves_a_lock" and busy.exists()):
            time.sleep(0.02)
            continue
        path, file = found
        if fault == "drops_known" and path.stem in known:
            path.unlink()
            continue
        known.add(path.stem)
        if fault == "acks_first":
            path.unlink()
        busy.touch()
        try:
            perform(path, fault)
        except Exception:
            if fault == "dies":
                raise
        finally:
            if fault != "never_acks":
                path.unlink(missing_ok=True)
            busy.unlink()
            file.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
