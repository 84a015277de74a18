"""The lint finds every way out of the process, and the code has none that the lint cannot see."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

from tests.conftest import ROOT

WAYS_OUT = ROOT / "tests" / "egress" / "ways_out.txt"


def _found(source, name):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format", "json", "--no-cache",
         "--stdin-filename", name, "-"],
        input=source, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def test_the_lint_finds_every_way_out():
    lines = WAYS_OUT.read_text().splitlines()
    for name in ("apps/automate_core/new.py", "apps/automate_connectors/adapters/new.py", "automate_site/new.py"):
        found = _found("\n".join(lines) + "\n", name)
        rows = {one["location"]["row"] for one in found}
        assert [line for number, line in enumerate(lines, 1) if number not in rows] == []
    assert _found("import json\nfrom urllib.parse import urlsplit\n", "apps/automate_core/new.py") == []


def test_every_banned_name_is_tried():
    banned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
    outside = {name for name, why in banned["banned-api"].items() if re.search("egress|program", why["msg"])}
    said = " ".join(one["message"] for one in _found(WAYS_OUT.read_text(), "apps/automate_core/new.py"))
    assert {name for name in outside if f"`{name}`" not in said} == set()


def test_there_is_no_way_out_that_a_lint_cannot_see():
    """Methods of event loops open connections too, and a module can be imported by its name.

    An older migration of ours can be imported in no other way: its name begins with a digit. What a setting names is
    the project's own code, as an entry point is. Modules that moved are imported by the names of a table.
    """
    hidden = re.compile(
        r"\.create_connection\(|\.create_datagram_endpoint\(|\.sock_connect\(|\b__import__\(|\bexec\("
        r'|\bimport_module\((?!"automate_\w+\.migrations\.\d{4}_\w+"\))'
    )
    for path in [*(ROOT / "apps").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        if "automate_testing" not in path.parts and path.name not in {"project_classes.py", "moved.py"}:
            assert not hidden.search(path.read_text()), path


def test_each_exception_says_why():
    for folder in ("apps", "automate_site", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text().splitlines():
                if "noqa: TID251" in line and "jinja2" not in line and "automate_egress" not in path.parts:
                    assert re.search(r"noqa: TID251 - \w", line), f"{path}: {line}"
