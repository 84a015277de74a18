"""Style sheets: each one is loaded by a page, and each class in them is written by something."""

from __future__ import annotations

import re

from tests.conftest import ROOT

SHEETS = [ROOT / "static" / app for app in ("automate_studio", "automate_api")]
CLASS = re.compile(r"\.((?:da|json)-[\w-]+)(?=[^{}]*\{)")


def _texts(*patterns: str) -> str:
    return "\n".join(
        path.read_text()
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
        if "vendor" not in path.parts and path.suffix in {".html", ".js", ".py"}
    )


def test_templates_load_every_sheet_and_no_other():
    loaded = set(re.findall(r"(automate_(?:studio|api)/[\w/-]+\.css)", _texts("templates/**/*")))
    assert loaded == {path.relative_to(ROOT / "static").as_posix() for path in _sheets()}
    assert [path for folder in SHEETS for path in folder.glob("*.css")] == []


def test_every_class_of_a_sheet_is_used():
    words = set(re.findall(r"[\w-]+", _texts("templates/**/*", "static/automate_*/**/*", "apps/automate_*/**/*")))
    unused = {
        f"{path.relative_to(ROOT)}: .{name}"
        for path in _sheets()
        for name in CLASS.findall(path.read_text())
        if name not in words
    }
    assert unused == set()


def _sheets():
    return [path for folder in SHEETS for path in folder.glob("*/*.css")]
