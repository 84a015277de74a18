"""The built wheel in an environment of its own, for the projects that have Automate inside."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

PLACES = (
    "uv",
    ROOT / ".uv/bin/uv",
    ROOT / ".uv/lib/bin/uv",
    Path.home() / ".local/bin/uv",
)  # as scripts/setup.sh looks
UV = next(filter(None, map(shutil.which, PLACES)), None)
SHOP = ROOT / "examples" / "shop"


def run(*command: Any, cwd: Path = ROOT, fails: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program that knows nothing of the project that tests it, nor of this checkout; it works unless it `fails`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**environment, **variables}, capture_output=True, text=True
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done


def uv(*command: Any) -> None:
    """From what setting up left in uv's cache; what is not there any more is fetched. Skips without uv."""
    if UV is None:
        pytest.skip("uv is needed to build the wheel; `make test` finds or installs it")
    try:
        run(UV, *command, UV_OFFLINE="1")
    except AssertionError:
        run(UV, *command)


def built_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the files in `source`, made in that folder."""
    uv("build", "--quiet", "--wheel", "--out-dir", folder, source)
    [wheel] = folder.glob("*.whl")
    return wheel


def environment_with(folder: Path, *packages: str | Path) -> Path:
    """The interpreter of a new environment that has those, as far as they need others in their pinned versions."""
    python = folder / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, "--clear", folder)
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.txt", *packages)
    return python


@pytest.fixture(scope="session")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and the shop, and nothing of this checkout.

    All processes of one test run share it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "wheel"
    folder.mkdir(exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            environment_with(folder / "venv", f"{built_wheel(ROOT, folder)}[api]", SHOP, "uvicorn")
            (folder / "done").touch()
    return python
