"""The kernel imports what lies below it and these libraries, and nothing else, so that it can be read and used alone."""

from __future__ import annotations

import ast
import sys

from automate_studio.checks.installation import RINGS
from tests.conftest import ROOT

KERNEL = ROOT / "apps" / "automate_core"
BELOW = {
    "automate_llm", "automate_connectors", "automate_governance", "automate_egress", "automate_plugins",
}  # fmt: skip
LIBRARIES = {
    "altcha", "anymail", "babel", "cronsim", "cryptography", "django", "guardian", "jinja2", "msgspec", "opentelemetry",
    "pgtrigger", "psycopg", "re2", "ruamel",
}  # fmt: skip
#: What host code imports: its lists of runs and its metrics are loaded on first use.
FOR_HOSTS = {"api.py": {"automate_operations", "automate_telemetry"}}
#: The form of a webhook endpoint in the admin. It is imported where there is one.
FOR_THE_ADMIN = "admin.py"


def test_the_kernel_imports_no_ring_and_no_other_library():
    found = {}
    for path in KERNEL.rglob("*.py"):
        name = str(path.relative_to(KERNEL))
        if "migrations" not in path.parts and name != FOR_THE_ADMIN:
            found[name] = imported(path) - BELOW - LIBRARIES - sys.stdlib_module_names - {"automate_core"}
    assert {name: others for name, others in found.items() if others} == FOR_HOSTS


def test_only_the_contract_of_the_layers_exempts_what_hosts_import():
    text = (ROOT / "pyproject.toml").read_text()
    ignored = [line for line in text.splitlines() if '"automate_core.' in line and " -> automate_" in line]
    assert all('"automate_core.api -> ' in line for line in ignored) and len(ignored) == 2


def test_every_ring_has_a_page():
    for app in ("automate_core", *RINGS):
        lines = (ROOT / "apps" / app / "README.md").read_text().splitlines()
        assert 10 < len(lines) < 60, app
        assert {"**It does**", "**It may import**", "**Begin**"} <= {
            line[: line.find("**", 2) + 2] for line in lines
        }, app


def imported(path):
    """The packages that a file imports, late imports and those for types alone included."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names
