"""The pages of the documentation: their order, their HTML, and what is found in them.

`translations/de/` has pages in German, with the names and headings of the English ones. All others are shown in
English.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from posixpath import normpath

import markdown
from django.utils.translation import get_language, override
from markdown.extensions.toc import TocExtension, slugify
from markdown.treeprocessors import Treeprocessor

from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.documentation import FOLDER, PLACES

CONFIG = next((place / "zensical.toml" for place in PLACES if (place / "zensical.toml").is_file()), None)
IMAGES = frozenset({".png", ".svg", ".webp"})
START, SETTINGS = "index", "settings"
TRANSLATIONS = Path(__file__).with_name("translations")
_TITLES = (
    text("Start"),
    text("Build workflows"),
    text("Administer"),
    text("Audit"),
    text("Operate"),
    text("Develop"),
    text("Decisions"),
)  #: of the sections that zensical.toml names
#: The first line of a translation: the beginning of the SHA-256 of the English page that it says the same as.
_TRANSLATES = re.compile(r"<!-- translates ([0-9a-f]{12}) -->\n")
MOST_HITS = 40
_HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
_SETTING = re.compile(r"\bAUTOMATE_[A-Z0-9_]*[A-Z0-9]\b")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page by the path of its file without suffix: `connectors/http`. `language` is the one that it is written in."""

    name: str
    title: str
    language: str = "en"


@dataclass(frozen=True)
class Section:
    """Pages for one kind of reader, whom `name` tells in every language."""

    name: str
    title: str
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Hit:
    """A heading of a page under which all words of a search stand."""

    page: Page
    heading: str
    anchor: str
    excerpt: str
    is_named: bool = False  #: whether the page's title and the heading have all words themselves


@dataclass(frozen=True)
class Rendered:
    """A page's HTML, and the headings of its second level as (anchor, text).

    `is_current` says whether a translation is one of the English page as it is now.
    """

    html: str
    headings: tuple[tuple[str, str], ...]
    is_current: bool = True


def present_language() -> str:
    """The language of the reader, as the pages name it."""
    return (get_language() or "en").partition("-")[0]


@cache
def sections(language: str = "en") -> tuple[Section, ...]:
    """All pages in the order of the documentation."""
    if CONFIG is None:
        return ()
    with CONFIG.open("rb") as file:
        nav = tomllib.load(file)["project"]["nav"]
    return tuple(
        Section(
            title,
            _title(title, language),
            tuple(_page(PurePosixPath(path), language) for path in paths if (FOLDER / path).is_file()),
        )
        for each in nav
        for title, paths in each.items()
    )


@cache
def pages(language: str = "en") -> dict[str, Page]:
    """Every page by its name, those outside of the order among them."""
    listed = {page.name: page for section in sections(language) for page in section.pages}
    paths = (PurePosixPath(path.relative_to(FOLDER)) for path in sorted(FOLDER.rglob("*.md")))
    found = (_page(path, language) for path in paths)
    return listed | {page.name: page for page in found if page.name not in listed}


@cache
def render(name: str, language: str = "en") -> Rendered:
    """A page as HTML, its links leading to other pages of the help. Raises KeyError for an unknown name."""
    page = pages(language)[name]
    parser = markdown.Markdown(
        extensions=["tables", "fenced_code", TocExtension(slugify=_Anchors(page)), "sane_lists"], output_format="html"
    )
    parser.treeprocessors.register(_Links(parser, page), "links", 0)
    html = parser.convert(_text(page))
    for tag in ("pre", "table"):  # wide ones scroll by keys
        html = html.replace(f"<{tag}>", f'<{tag} tabindex="0">')
    tokens = parser.toc_tokens[0]["children"] if parser.toc_tokens else []  # type: ignore[attr-defined]
    return Rendered(html, tuple((token["id"], token["name"]) for token in tokens), _is_current(page))


def image(name: str) -> Path | None:
    """The file of an image of the documentation, or None."""
    path = (FOLDER / name).resolve()
    return path if path.suffix in IMAGES and path.is_relative_to(FOLDER.resolve()) and path.is_file() else None


def search(text: str, language: str = "en", last: Collection[str] = ()) -> list[Hit]:
    """Headings under which all words of `text` stand; those that bear a word themselves come first.

    Pages of the sections that `last` names stand behind all others.
    """
    words = text.lower().split()
    if not words:
        return []
    behind = {page.name for section in sections(language) if section.name in last for page in section.pages}
    found: list[tuple[bool, int, int, Hit]] = []
    for hit, body in _passages(language):
        where = f"{hit.page.title} {hit.heading}".lower()
        if all(word in where or word in body.lower() for word in words):
            rank = -sum(word in where for word in words)
            shown = replace(hit, excerpt=_excerpt(body, words), is_named=rank == -len(words))
            found.append((hit.page.name in behind, rank, len(found), shown))
    return [hit for *_rank, hit in sorted(found, key=lambda each: each[:3])[:MOST_HITS]]


def search_settings(text: str, language: str = "en") -> list[Hit]:
    """The settings whose name has `text` in it, each as a heading of the page that describes it."""
    part = text.upper().replace(" ", "_")
    found: dict[str, Hit] = {}
    for hit, body in _passages(language):
        for name in _SETTING.findall(body) if hit.page.name == SETTINGS else ():
            if part in name:
                found.setdefault(name, replace(hit, heading=name))
    return sorted(found.values(), key=lambda hit: (not hit.heading.startswith(part), hit.heading))


def _title(title: str, language: str) -> str:
    with override(language):
        return translated(title)


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


class _Anchors:
    """Gives the headings of a translation the anchors of the English page, in order: links to them stay valid."""

    def __init__(self, page: Page) -> None:
        self.english = iter(_headings(Page(page.name, ""))) if page.language != "en" else None

    def __call__(self, heading: str, separator: str) -> str:
        english = next(self.english, heading) if self.english else heading
        return slugify(english, separator)


def _headings(page: Page) -> list[str]:
    return [_plain(mark[2]) for mark in _heading_marks(_text(page))]


def _page(path: PurePosixPath, language: str) -> Page:
    is_translated = (TRANSLATIONS / language / path).is_file()
    page = Page(str(path.with_suffix("")), path.stem, language if is_translated else "en")
    title = re.match(r"# (.+)", _text(page))
    return replace(page, title=title[1]) if title else page


def _text(page: Page) -> str:
    folder = FOLDER if page.language == "en" else TRANSLATIONS / page.language
    return _TRANSLATES.sub("", (folder / f"{page.name}.md").read_text(encoding="utf-8"), count=1)


def _is_current(page: Page) -> bool:
    if page.language == "en":
        return True
    first = _TRANSLATES.match((TRANSLATIONS / page.language / f"{page.name}.md").read_text(encoding="utf-8"))
    return first is not None and first[1] == digest(page.name)


def digest(name: str) -> str:
    """The beginning of the SHA-256 of an English page, as the first line of its translations has it."""
    return hashlib.sha256((FOLDER / f"{name}.md").read_bytes()).hexdigest()[:12]


@cache
def _passages(language: str) -> tuple[tuple[Hit, str], ...]:
    """Each heading of each page with the text below it."""
    return tuple(passage for page in pages(language).values() for passage in _passages_of(page))


def _heading_marks(text: str) -> list[re.Match[str]]:
    code = [match.span() for match in _FENCE.finditer(text)]
    return [match for match in _HEADING.finditer(text) if not any(start <= match.start() < end for start, end in code)]


def _passages_of(page: Page) -> Iterator[tuple[Hit, str]]:
    text = _text(page)
    marks, anchors = _heading_marks(text), _Anchors(page)
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)]
        heading, anchor = _plain(mark[2]), anchors(_plain(mark[2]), "-")
        is_title = len(mark[1]) == 1
        yield Hit(page, "" if is_title else heading, "" if is_title else anchor, ""), _plain(body)


def _plain(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"^[|>#*\-\s]+|[`*|]|^[-| :]+$", " ", text, flags=re.MULTILINE).split())


def _excerpt(body: str, words: list[str]) -> str:
    at = min((position for word in words if (position := body.lower().find(word)) >= 0), default=0)
    start = max(0, body.rfind(" ", 0, max(0, at - 60)) + 1)
    shown = body[start : start + 180]
    return ("… " if start else "") + (shown.rsplit(" ", 1)[0] + " …" if len(body) > start + 180 else shown)
