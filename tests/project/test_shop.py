"""The example is a host project that works: on the built wheel, in an environment of its own, by its own tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHOP = ROOT / "examples" / "shop"
PLACES = (
    "uv",
    ROOT / ".uv/bin/uv",
    ROOT / ".uv/lib/bin/uv",
    Path.home() / ".local/bin/uv",
)  # as scripts/setup.sh looks
UV = next(filter(None, map(shutil.which, PLACES)), None)


def run(*command, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=SHOP, env={**environment, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def uv(*command):
    """From what setting up left in uv's cache; what is not there any more is fetched."""
    try:
        return run(UV, *command, UV_OFFLINE="1")
    except AssertionError:
        return run(UV, *command)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment that has the wheel and the shop, and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("shop")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.txt", wheel, SHOP)
    return python


@pytest.mark.process
@pytest.mark.skipif(UV is None, reason="uv is needed to build the wheel; `make test` finds or installs it")
def test_the_shop_works_on_the_wheel(python):
    where = run(python, "-c", "import automate_core; print(automate_core.__file__)").stdout
    assert where.startswith(str(python.parent.parent)), "the wheel, not the checkout"
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    own = {"DATABASE_URL": f"{base.rpartition('/')[0]}/shop?{query}"}  # beside the database of these tests
    run(python, "manage.py", "makemigrations", "--check", "--dry-run", **own)
    done = run(python, "-W", "error", "manage.py", "test", "--noinput", **own)
    assert "Ran 10 tests" in done.stderr, done.stderr
