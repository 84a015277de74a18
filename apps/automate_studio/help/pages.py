"""The pages of the documentation: their order, their HTML, and what is found in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from posixpath import normpath

import markdown
from markdown.extensions.toc import slugify
from markdown.treeprocessors import Treeprocessor

import automate_studio

_PACKAGE = Path(automate_studio.__file__).parent
#: In the wheel, or in a checkout.
_PLACES = (_PACKAGE, _PACKAGE.parents[1])
FOLDER = next((place / "docs" for place in _PLACES if (place / "docs").is_dir()), _PACKAGE / "docs")
CONFIG = next((place / "zensical.toml" for place in _PLACES if (place / "zensical.toml").is_file()), None)
IMAGES = frozenset({".png", ".svg", ".webp"})
START = "index"
MOST_HITS = 40
_HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page by the path of its file without suffix: `connectors/http`."""

    name: str
    title: str


@dataclass(frozen=True)
class Section:
    """Pages for one kind of reader."""

    title: str
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Hit:
    """A heading of a page under which all words of a search stand."""

    page: Page
    heading: str
    anchor: str
    excerpt: str


@dataclass(frozen=True)
class Rendered:
    """A page's HTML, and the headings of its second level as (anchor, text)."""

    html: str
    headings: tuple[tuple[str, str], ...]


@cache
def sections() -> tuple[Section, ...]:
    """All pages in the order of the documentation."""
    if CONFIG is None:
        return ()
    with CONFIG.open("rb") as file:
        nav = tomllib.load(file)["project"]["nav"]
    return tuple(
        Section(title, tuple(_page(PurePosixPath(path)) for path in paths if (FOLDER / path).is_file()))
        for each in nav
        for title, paths in each.items()
    )


@cache
def pages() -> dict[str, Page]:
    """Every page by its name, those outside of the order among them."""
    listed = {page.name: page for section in sections() for page in section.pages}
    found = (path.relative_to(FOLDER) for path in sorted(FOLDER.rglob("*.md")))
    return listed | {page.name: page for path in found if (page := _page(PurePosixPath(path))).name not in listed}


@cache
def render(name: str) -> Rendered:
    """A page as HTML, its links leading to other pages of the help. Raises KeyError for an unknown name."""
    page = pages()[name]
    parser = markdown.Markdown(extensions=["tables", "fenced_code", "toc", "sane_lists"], output_format="html")
    parser.treeprocessors.register(_Links(parser, page), "links", 0)
    html = parser.convert(_text(page))
    for tag in ("pre", "table"):  # wide ones scroll by keys
        html = html.replace(f"<{tag}>", f'<{tag} tabindex="0">')
    tokens = parser.toc_tokens[0]["children"] if parser.toc_tokens else []  # type: ignore[attr-defined]
    return Rendered(html, tuple((token["id"], token["name"]) for token in tokens))


def image(name: str) -> Path | None:
    """The file of an image of the documentation, or None."""
    path = (FOLDER / name).resolve()
    return path if path.suffix in IMAGES and path.is_relative_to(FOLDER.resolve()) and path.is_file() else None


def search(text: str) -> list[Hit]:
    """Headings under which all words of `text` stand; those that bear a word themselves come first."""
    words = text.lower().split()
    if not words:
        return []
    found: list[tuple[int, int, Hit]] = []
    for hit, body in _passages():
        where = f"{hit.page.title} {hit.heading}".lower()
        if all(word in where or word in body.lower() for word in words):
            rank = -sum(word in where for word in words)
            found.append((rank, len(found), Hit(hit.page, hit.heading, hit.anchor, _excerpt(body, words))))
    return [hit for _rank, _number, hit in sorted(found, key=lambda each: each[:2])[:MOST_HITS]]


class _Links(Treeprocessor):
    """Leads links of the files to the help's own pages; a link to what it does not have becomes plain text."""

    def __init__(self, parser: markdown.Markdown, page: Page) -> None:
        super().__init__(parser)
        self.page = page

    def run(self, root: object) -> None:
        """Rewrite the links and the images below `root`."""
        up = "../" * self.page.name.count("/")
        for element in root.iter("a"):  # type: ignore[attr-defined]
            address, _hash, anchor = (element.get("href") or "").partition("#")
            if not address or re.match(r"[a-z]+:", address):
                continue
            name = self._target(address.removesuffix(".md"))
            if address.endswith(".md") and name in pages():
                element.set("href", f"../{up}{name}/" + (f"#{anchor}" if anchor else ""))
            else:
                element.tag = "span"
                element.attrib.pop("href")
        for element in root.iter("img"):  # type: ignore[attr-defined]
            element.set("src", f"../{up}images/{self._target(element.get('src') or '')}")

    def _target(self, address: str) -> str:
        return normpath(str(PurePosixPath(self.page.name).parent / address))


def _page(path: PurePosixPath) -> Page:
    title = re.match(r"# (.+)", (FOLDER / path).read_text(encoding="utf-8"))
    return Page(str(path.with_suffix("")), title[1] if title else path.stem)


def _text(page: Page) -> str:
    return (FOLDER / f"{page.name}.md").read_text(encoding="utf-8")


@cache
def _passages() -> tuple[tuple[Hit, str], ...]:
    """Each heading of each page with the text below it."""
    return tuple(passage for page in pages().values() for passage in _passages_of(page))


def _passages_of(page: Page) -> Iterator[tuple[Hit, str]]:
    text = _text(page)
    code = [match.span() for match in _FENCE.finditer(text)]
    marks = [match for match in _HEADING.finditer(text) if not any(start <= match.start() < end for start, end in code)]
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)]
        heading = mark[2] if len(mark[1]) > 1 else ""
        anchor = slugify(_plain(heading), "-") if heading else ""
        yield Hit(page, _plain(heading), anchor, ""), _plain(body)


def _plain(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"^[|>#*\-\s]+|[`*|]|^[-| :]+$", " ", text, flags=re.MULTILINE).split())


def _excerpt(body: str, words: list[str]) -> str:
    at = min((position for word in words if (position := body.lower().find(word)) >= 0), default=0)
    start = max(0, body.rfind(" ", 0, max(0, at - 60)) + 1)
    shown = body[start : start + 180]
    return ("… " if start else "") + (shown.rsplit(" ", 1)[0] + " …" if len(body) > start + 180 else shown)
