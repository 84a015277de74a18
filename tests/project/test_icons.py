"""Names of icons: each one that templates, scripts and Python write is one of the font's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from automate_connectors.registry import connectors
from tests.conftest import ROOT
from tests.support.icons import ICONS

ATTRIBUTE = re.compile(r'data-icon="((?:\{%.*?%\}|\{\{.*?\}\}|[^"{])*)"')
EXPRESSION = re.compile(r"\{%.*?%\}|\{\{.*?\}\}")
_OF_THE_FRAME = ROOT / "templates/automate_studio/ui/sidebar_icon.html"  #: drawn within Unfold's sidebar
_MAY_NAME_ICONS = re.compile(r"\bicon\b|ICONS|GLYPHS|_page\(")  #: in a module; the others need not be parsed


def test_every_name_is_one_of_the_fonts():
    used = {name for names in (_in_templates(), _in_scripts(), _in_python()) for name in names}
    assert used - ICONS == set()
    assert {"check_circle", "add", "data_object", "stop_circle", "touch_app"} <= used


def test_declared_connectors_have_icons_of_the_font():
    assert {adapter.icon for adapter in map(connectors.get, connectors.names())} - ICONS == set()


def test_every_icon_is_written_in_one_way():
    """An `<i class="icon">` has a name, and nothing else draws the font but Unfold's own frame."""
    for path in [*ROOT.glob("templates/automate_studio/**/*.html"), *ROOT.glob("templates/automate_api/**/*.html")]:
        html = path.read_text()
        assert "material-symbols" not in html or path == _OF_THE_FRAME, path
        for tag in re.findall(r"<i\b(?:(?!</i>).)*class=\"icon\b(?:(?!</i>).)*", html, re.DOTALL):
            assert "data-icon=" in tag, (path, tag)


def _in_templates() -> Iterator[str]:
    for path in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("*.py")]:
        for value in ATTRIBUTE.findall(path.read_text()):
            yield from filter(None, (part.strip() for part in EXPRESSION.split(value)))


def _in_scripts() -> Iterator[str]:
    for path in (ROOT / "static" / "automate_studio").glob("*/*.js"):
        code = path.read_text()
        yield from re.findall(r'\bbutton\(.*, "(\w+)"\)', code)
        for table in re.findall(r"\bICONS = \{(.*?)\}", code, re.DOTALL):
            yield from re.findall(r'\w: "(\w+)"', table)


def _in_python() -> Iterator[str]:
    """What is passed as `icon`, assigned to it, or stands in a table of icons."""
    for folder in ("apps", "automate_site", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            for node in ast.walk(ast.parse(text)) if _MAY_NAME_ICONS.search(text) else ():
                match node:
                    case ast.keyword(arg="icon", value=ast.Constant(value=str(name))):
                        yield name
                    case ast.Call(
                        func=ast.Name(id="_page" | "_list_page"),
                        args=[_, _, _, ast.Constant(value=str(name)), *_],
                    ):
                        yield name
                    case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                        yield from _assigned(target, node.value)


def _assigned(target: str, value: ast.expr | None) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(name)) if target == "icon":
            yield name
        case ast.Dict(values=values) if "ICONS" in target or "GLYPHS" in target:
            for each in values:
                first = each.elts[0] if isinstance(each, ast.Tuple) else each
                if isinstance(first, ast.Constant):
                    yield first.value
