"""The server and its command line are two wheels: each works without the other, also after the other was there."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.conftest import ROOT
from tests.host.host import host
from tests.support.wheel import built_wheel, environment_with, run, uv

pytestmark = [pytest.mark.extended, pytest.mark.process, pytest.mark.timeout(600)]

TOKEN = "dat_AbCd1234_" + "s" * 49
#: The command line and what it brings, which is less than 10 MB.
INSTALLED = {
    "django-automate-cli", "click", "requests", "certifi", "charset-normalizer", "idna", "urllib3", "ruamel-yaml",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """That of the server, and that of the command line."""
    return [built_wheel(each, tmp_path_factory.mktemp("wheel")) for each in (ROOT, ROOT / "cli")]


def check_program(python, folder):
    """It runs, in an environment without this checkout, up to a server that cannot be reached."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"}

    def call(*arguments, **variables):
        return subprocess.run(
            [python.parent / "automate", *arguments],
            env={**environment, **variables}, cwd=folder, capture_output=True, text=True,
        )  # fmt: skip

    assert call("--help").stdout.startswith("Usage: automate ")
    assert call("--version").stdout.startswith("automate 0.")
    assert call("runs", "--bad").returncode == 2
    assert call("runs", "list").returncode == 3
    unreachable = call("runs", "list", AUTOMATE_SERVER="http://127.0.0.1:9", AUTOMATE_TOKEN=TOKEN)
    assert unreachable.returncode == 4 and unreachable.stderr.count("\n") == 1 and TOKEN not in unreachable.stderr
    (folder / "bad.yaml").write_text("a: [")
    bad = call("workflows", "push", "bad.yaml", AUTOMATE_SERVER="http://127.0.0.1:9", AUTOMATE_TOKEN=TOKEN)
    assert bad.returncode == 2 and "bad.yaml" in bad.stderr, "it reads files with a library of its own"


def test_the_command_line_alone_is_small(wheels, tmp_path):
    python = environment_with(tmp_path / "venv", wheels[1])
    check_program(python, tmp_path)
    listed = "import importlib.metadata as m, json; print(json.dumps([d.name.lower().replace('.', '-').replace('_', '-') for d in m.distributions()]))"
    assert set(json.loads(run(python, "-c", listed).stdout)) == INSTALLED
    assert sum(path.stat().st_size for path in (tmp_path / "venv" / "lib").rglob("*") if path.is_file()) < 10_000_000


def test_each_stays_when_the_other_is_removed(wheels, tmp_path):
    server, command_line = wheels
    python = environment_with(tmp_path / "venv", f"{server}[api,cli]", command_line, "psycopg[binary]")
    check_program(python, tmp_path)
    uv("pip", "uninstall", "--quiet", "--python", python, "django-automate-cli", "click")
    assert not (python.parent / "automate").exists()
    with host(tmp_path, python, "without_command_line") as made:
        made.manage("check")
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.txt", command_line)
    uv("pip", "uninstall", "--quiet", "--python", python, "django-automate", "django")
    check_program(python, tmp_path)
