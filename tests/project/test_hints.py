"""Hints name pages of the documentation as files that a host has: `docs/...` is only in a checkout."""

from __future__ import annotations

import ast
import re

from automate_plugins.documentation import FOLDER, doc
from tests.conftest import ROOT

PAGE = re.compile(r"(?<![\w/])docs/[a-z/-]+\.md")
CALL = re.compile(r"\bdoc\(['\"]([\w/-]+)['\"]\)")
FILES = [path for top in ("apps", "automate_site", "cli") for path in sorted((ROOT / top).rglob("*.py"))]


def _docstrings(tree: ast.AST) -> set[int]:
    """The ids of all texts that are statements of their own."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def test_no_text_names_a_page_as_only_a_checkout_has_it():
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        own = _docstrings(tree)
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own
            if PAGE.search(node.value)
        ]
    assert found == [], "write f\"{doc('settings')} ...\""


def test_every_page_that_a_hint_names_is_there():
    named = {name for path in FILES for name in CALL.findall(path.read_text())}
    assert len(named) > 5 and [name for name in named if not (FOLDER / f"{name}.md").is_file()] == []
    assert doc("settings") == str(ROOT / "docs" / "settings.md")
