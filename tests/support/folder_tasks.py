"""A backend of `django.tasks` that keeps tasks as files, and its worker, which is run with the folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
import time
import uuid
from pathlib import Path

from django.tasks import TaskResult, TaskResultStatus
from django.tasks.backends.base import BaseTaskBackend
from django.utils.module_loading import import_string


class FolderBackend(BaseTaskBackend):
    """The option `folder` holds a file for each task that has not ended."""

    def enqueue(self, task, args, kwargs):
        self.validate_task(task)
        name = uuid.uuid4().hex
        folder = Path(self.options["folder"])
        (folder / f".{name}").write_text(json.dumps([task.module_path, list(args), kwargs]))
        (folder / f".{name}").rename(folder / name)
        return TaskResult(
            task=task, id=name, status=TaskResultStatus.READY, enqueued_at=None, started_at=None, finished_at=None,
            last_attempted_at=None, args=list(args), kwargs=kwargs, backend=self.alias, errors=[], worker_ids=[],
        )  # fmt: skip


def read_tasks(folder):
    """The texts of all tasks."""
    found = []
    for path in Path(folder).glob("[!.]*"):
        try:
            found.append(path.read_text())
        except FileNotFoundError:
            continue
    return found


def work(folder):
    """Perform one task after the other; one that its process did not end is performed by another process."""
    while True:
        for path in sorted(Path(folder).glob("[!.]*")):
            try:
                file = path.open()
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if path.exists():
                function, args, kwargs = json.loads(path.read_text())
                with contextlib.suppress(Exception):  # a backend keeps the error, and goes on
                    import_string(function).call(*args, **kwargs)
                path.unlink()
            file.close()
        time.sleep(0.02)


if __name__ == "__main__":
    work(sys.argv[1])
