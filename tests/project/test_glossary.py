"""docs/glossary.md is kept: no identifier of the code bears a name that it rules out."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = (ROOT / "apps", ROOT / "cli" / "src")


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Ruled out whatever bears them: modules, classes, functions, attributes, parameters.
ANYWHERE = words(
    """
    Strand strand strands Chore chore chores Told told owed Whence whence hasty nudge Doing doing doings DOINGS
    trial trials Trial gallery Gallery performers Performers spellings Needles needles verdict verdicts Verdict Parked
    StandIn stand_in Asking asking Offered Unreadable Matter Recorded foreseen BURIED spellings_of exposed Exposed
    """
)
MODULES = words(
    """
    asked refused started starting managing watching explaining looks words sentences overlay recorded earlier
    documented frames terms dry kinds suspects waking wakeups children captures used_by uses following sending
    spans literals comparing replaying looking wording quiet planting cautions clips places touches keeping
    shapes sinks boot offering exposed reach run_lanes
    """
)
CLASSES = words(
    """
    Teller Reached Around Looks Said Waited Fork Frame Terms Standing Happening Guide Taken Turn Accepting Did Ask Hand Past
    Outline
    """
)
FUNCTIONS = words(
    """
    of look turn feed tell ask do breath rest give_up let_go take_in hurry withdraw abandon overstaying seeing apart
    rehearse hasty tidy knowing judge nobody
    """
)
CTES = words("said told owed cut moved made kept foreseen termed stepped fallen")
CSS_CLASSES = words("gh pri dng wtk bkk t2 t3 b6 s12 nm tx r1 sb cv ph rh emp lab")
#: Columns of the database keep their names.
COLUMNS = {"automate_core/models/runs.py": words("told")}
URL_NAMES = words("rule_do rule_new_of run_asks builder_here")


def sources(having: str = "") -> Iterator[tuple[str, ast.Module]]:
    """The modules, or those with text of that pattern."""
    for folder in SOURCES:
        for path in sorted(folder.rglob("*.py")):
            if "migrations" not in path.parts and re.search(having, text := path.read_text(encoding="utf-8")):
                yield str(path.relative_to(folder)), ast.parse(text)


def names_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(kind, name) of every class, function, parameter and attribute that a module defines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield "class", node.name
                for statement in node.body:
                    yield from (("attribute", name) for name in _assigned(statement))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield "function", node.name
            case ast.arg():
                yield "parameter", node.arg
            case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                yield "attribute", node.attr
    for statement in tree.body:
        yield from (("constant", name) for name in _assigned(statement))


def _assigned(statement: ast.stmt) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.extended
def test_identifiers_keep_the_glossary():
    found = defaultdict(set)
    for path, tree in sources():
        parts = Path(path).with_suffix("").parts
        for part in parts[1:]:
            if part in ANYWHERE | MODULES:
                found[f"module {part}"].add(path)
        for kind, name in names_in(tree):
            bare = name.strip("_")
            if bare in COLUMNS.get(path, ()):
                continue
            ruled_out = ANYWHERE | {"class": CLASSES, "function": FUNCTIONS}.get(kind, frozenset())
            if bare in ruled_out:
                found[f"{kind} {name}"].add(path)
    assert not found, "\n".join(f"{name}: {', '.join(sorted(paths))}" for name, paths in sorted(found.items()))


def test_ctes_are_named_for_their_rows():
    pattern = re.compile(
        r"\b(?:WITH(?:\s+RECURSIVE)?|\),)\s+(\w+)\s*(?:\([\w, ]+\)\s*)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\("
    )
    found = {
        f"{path}: {name}"
        for path, tree in sources(r"\bAS\s+(NOT|MATERIALIZED|\()")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in pattern.findall(node.value)
        if name in CTES
    }
    assert not found, sorted(found)


def test_css_classes_are_words():
    found = {
        f"{path.relative_to(ROOT)}: .{name}"
        for path in sorted((ROOT / "static").rglob("*.css"))
        if "vendor" not in path.parts
        for name in re.findall(r"\.(-?[A-Za-z_][\w-]*)(?=[^{}]*\{)", path.read_text(encoding="utf-8"))
        if name in CSS_CLASSES
    }
    assert not found, sorted(found)


def test_url_names_are_operations_or_things():
    found = {
        f"{path}: {node.value.value}"
        for path, tree in sources("|".join(URL_NAMES))
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "name" and isinstance(node.value, ast.Constant)
        if node.value.value in URL_NAMES
    }
    assert not found, sorted(found)
