"""The space that is left in the folders that this process writes to."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.core.files.storage import FileSystemStorage

from automate_core import artifacts


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The disk of a folder: `use` is "files" (stored files) or "temporary"; sizes are in bytes."""

    use: str
    folder: str
    free: int
    total: int


def written_disks() -> list[Disk]:
    """The disks of stored files and of temporary files, where they are folders that can be read."""
    folders = {"temporary": tempfile.gettempdir()}
    storage = artifacts.storage()
    if isinstance(storage, FileSystemStorage):
        location = Path(storage.location)  # or the nearest one above it, while nothing was stored
        nearest = next((each for each in (location, *location.parents) if each.is_dir()), location)
        folders = {"files": str(nearest), **folders}
    found = []
    for use, folder in folders.items():
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            found.append(Disk(use=use, folder=folder, free=usage.free, total=usage.total))
    return found
