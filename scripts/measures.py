"""The house in figures, one a line: how large rooms are, what is tangled, and in how many places a rule is written."""

from __future__ import annotations

import ast
import collections
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_LINE = 120
#: What one file alone may do, by how it is written there.
RULES = {
    "files that count a run as ended": r"INSERT INTO automate_core_endedrun",
    "files that make a dispatch job": r"INSERT INTO automate_core_outboxjob",
    "files that build the event scope": r"def event_scope\b",
}


def measures() -> dict[str, int]:
    """Each figure by its name. Less is better."""
    sources = {path: _read(path) for path in _files("apps/*.py") if "/migrations/" not in path}
    templates = [_read(path) for path in _files("templates/*.html", "apps/*.html")]
    scripts = [_read(path) for path in _files("static/*.js") if "/vendor/" not in path]
    folders = collections.Counter(Path(path).parent for path in sources if not path.endswith("__init__.py"))
    graph = _imports(sources)
    kernel = [text for path, text in sources.items() if path.startswith("apps/automate_core/")]
    program = [_read(path) for path in _files("cli/*.py")]
    return {
        "lines of the kernel": sum(text.count("\n") for text in kernel),
        "lines of the apps and the command line": sum(text.count("\n") for text in (*sources.values(), *program)),
        "files to follow a delivery to the run page": len(delivery_path()),
        "modules in one folder, most": max(folders.values()),
        "file cycles": len(_cycles(graph)),
        f"template lines over {LONGEST_LINE} columns": sum(
            len(line) > LONGEST_LINE for text in templates for line in text.splitlines()
        ),
        "scripts on window.automate": sum("window.automate" in text for text in scripts),
        "files of tests that import files of tests": sum(
            bool(re.search(r"from tests\.\w+\.test_", _read(path))) for path in _files("tests/*.py")
        ),
        **{name: sum(bool(re.search(rule, text)) for text in sources.values()) for name, rule in RULES.items()},
    }


def delivery_path() -> list[str]:
    """The files from a request to the page of its run, in reading order, as docs/architecture.md lists them."""
    return re.findall(r"^\d+\. `(apps/\S+\.py)`", _read("docs/architecture.md"), re.MULTILINE)


def _files(*patterns: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return [path for path in listed.stdout.split() if (ROOT / path).is_file()]


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def imports_of(path: str) -> set[str]:
    """The files of the apps that a file imports."""
    return _imported(_read(path), _modules(_files("apps/*.py")))


def _modules(paths: Iterable[str]) -> dict[str, str]:
    return {
        path.removeprefix("apps/").removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for path in paths
    }


def _imports(sources: dict[str, str]) -> dict[str, set[str]]:
    """The files that a file imports, late imports and those for types alone included."""
    files = _modules(sources)
    return {path: _imported(text, files) - {path} for path, text in sources.items()}


def _imported(text: str, files: dict[str, str]) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in files else str(node.module) for name in inner}
    return {files[name] for name in names if name in files}


def _cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of files that import each other, by what each can reach."""
    reached = {path: _reachable(graph, path) for path in graph}
    groups = {frozenset({path, *(each for each in reached[path] if path in reached[each])}) for path in graph}
    return [set(group) for group in groups if len(group) > 1]


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    left = [start]
    while left:
        new = graph[left.pop()] - found
        found |= new
        left += new
    return found


if __name__ == "__main__":
    for name, figure in measures().items():
        print(f"{name:45} {figure}")
