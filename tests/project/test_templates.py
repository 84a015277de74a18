"""Templates and style sheets stay readable: short lines, words for classes."""

from __future__ import annotations

import re
from pathlib import Path

import django
import unfold

from tests.conftest import ROOT

_SHORT = {"bar", "key", "new", "off", "row", "top"}  # words of their own
_NAMED_TEMPLATE = re.compile(r"[\"']([\w/.-]+\.html)[\"']")
UNFOLD = Path(unfold.__file__).parent / "templates"
DJANGO = Path(django.__file__).parent / "contrib/admin/templates"
_NO_SELECTOR = re.compile(r"/\*.*?\*/|url\([^)]*\)|\"[^\"]*\"", re.DOTALL)


def test_no_line_of_a_template_is_over_120_columns():
    paths = list((ROOT / "templates").rglob("*.html"))
    assert len(paths) > 100
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert not wide


def test_forms_in_included_templates_get_the_token():
    """`only` keeps the token of the request from an included template, whose form would end in "Page expired"."""
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.html")}
    includes = [
        (path, path.parent / name if name.startswith("./") else ROOT / "templates" / name, rest)
        for path, text in texts.items()
        for name, rest in re.findall(r"{%\s*include\s+\"([^\"]+)\"([^%]*)%}", text)
    ]
    posting = {path for path, text in texts.items() if "{% csrf_token %}" in text}
    while more := {path for path, inner, rest in includes if inner in posting and " only" not in rest} - posting:
        posting |= more
    assert len(posting) > 50
    without = [
        f"{path.name}: {inner.name}"
        for path, inner, rest in includes
        if inner in posting and " only" in rest and "csrf_token=" not in rest
    ]
    assert not without


def test_classes_of_our_style_sheets_are_words():
    sheets = [path for path in (ROOT / "static").rglob("*.css") if "vendor" not in path.parts]
    assert len(sheets) > 10
    text = "\n".join(_NO_SELECTOR.sub("", path.read_text(encoding="utf-8")) for path in sheets)
    names = set(re.findall(r"\.([a-zA-Z_][\w-]*)", text))
    assert {name for name in names if len(name) < 4} - _SHORT == set()


def test_packages_name_no_template_of_the_site():
    """A host installs the apps without the site's folders of templates, such as those that replace unfold's."""
    packaged = {folder.name for folder in (ROOT / "templates").iterdir() if folder.name.startswith("automate_")}
    of_the_site = {
        path.relative_to(ROOT / "templates").as_posix()
        for path in (ROOT / "templates").rglob("*.html")
        if path.relative_to(ROOT / "templates").parts[0] not in packaged
    }
    assert of_the_site
    sources = [*(ROOT / "apps").rglob("*.py"), *(ROOT / "templates").glob("automate_*/**/*.html")]
    named = {name for path in sources for name in _NAMED_TEMPLATE.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 100
    only_ours = {name for name in of_the_site if not (UNFOLD / name).exists() and not (DJANGO / name).exists()}
    assert not named & only_ours
