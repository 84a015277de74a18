"""What the Makefile runs beside the tests still starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

IMPORT_ALL = """
import importlib, os, pathlib
os.environ["DJANGO_SETTINGS_MODULE"] = "automate_site.settings"
import django
django.setup()
for path in sorted(pathlib.Path("bench").glob("[!_]*.py")):
    importlib.import_module(f"bench.{path.stem}")
"""


@pytest.mark.parametrize(
    "command",
    [["-m", "bench", "--help"], ["-m", "tests.faults.long", "--help"], ["-m", "tests.mutations"], ["-c", IMPORT_ALL]],
    ids=str,
)
def test_it_starts(command):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
