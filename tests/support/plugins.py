"""Plug-ins of strangers, and programs that know nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def python_outside(*command, cwd, **variables):
    """A process that knows nothing of this repository's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**environment, **variables}, capture_output=True, text=True
    )


PLUGIN_FOLDER = Path(sys.prefix) / "plugins"
