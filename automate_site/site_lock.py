"""Lock that allows one site per data folder: the running site holds it on the file `site`, which contains its port."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class RunningAlreadyError(Exception):
    """Another site runs on the data folder."""


@contextlib.contextmanager
def hold_site_lock(folder: Path, port: int) -> Iterator[None]:
    """Hold the lock of `folder` for the duration of the block, and store `port` in it. Raises RunningAlreadyError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "site").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            where = f"http://127.0.0.1:{port_of(folder)}/"
            raise RunningAlreadyError(
                f"the site in {folder} is already running at {where}: stop it, or set AUTOMATE_DATA to another folder"
            ) from error
        file.truncate(0)
        file.write(f"{port}\n")
        file.flush()
        yield


def port_of(folder: Path) -> int | None:
    """Return the port of the site that runs on `folder`; None when no process holds the lock."""
    try:
        with (folder / "site").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except (OSError, ValueError):
        pass
    return None
