"""A command of `manage.py` with the old migrations alone: `python -m tests.support.unsquashed migrate`.

A project's own: copy this file beside its `manage.py`.
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line
from django.db.migrations.loader import MigrationLoader

_load = MigrationLoader.load_disk


def load_old(loader: MigrationLoader) -> None:
    """Find those that replace no others. What depends on a squashed one depends on the last that it replaces."""
    _load(loader)
    squashed = {key: each.replaces[-1] for key, each in loader.disk_migrations.items() if each.replaces}
    for key in squashed:
        del loader.disk_migrations[key]
    for each in loader.disk_migrations.values():
        each.dependencies = [squashed.get(key, key) for key in each.dependencies]


class OldLoader(MigrationLoader):
    load_disk = load_old


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automate_site.settings")
    sys.path.insert(0, "apps")
    MigrationLoader.load_disk = load_old  # type: ignore[method-assign]
    execute_from_command_line(sys.argv)
