"""HTML of messages: cleaned for those who show it or send it on, and as a text for those who read it.

The cleaner parses as browsers do, which takes time and memory by the depth of a document and by what it leaves open.
It is therefore given a document that was written again: nested properly, and not deeper than mail is.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser

MAX_DEPTH = 100
_MAX_FORMATS = 10  #: of the elements that browsers open again in each paragraph
_MAX_ATTRIBUTES = 20
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_FORMATS = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"})
_VOID = frozenset({"area", "br", "col", "hr", "img", "wbr"})
_BREAKS = frozenset(
    {"address", "article", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "pre", "tr"}
)
_SKIPPED = frozenset(
    {"script", "style", "title", "template", "textarea", "select", "svg", "math", "object", "iframe", "noscript", "xmp"}
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
#: Comments and declarations, also without an end: the standard library takes time by the square of their number.
_COMMENTS = re.compile(r"<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)", re.DOTALL)
_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class HtmlBody:
    """Some HTML: `clean`, without scripts, styles, forms and events; and its words, a paragraph a line."""

    clean: str
    text: str


def read_html(html: str) -> HtmlBody:
    """Clean some HTML. `clean` is empty where the library for it is not installed (extra `mail`)."""
    try:
        import nh3
    except ImportError:
        return HtmlBody("", _Rewriter(()).read(html).text)
    written = _Rewriter(nh3.ALLOWED_TAGS).read(html)
    return HtmlBody(nh3.clean(written.clean, url_schemes=_SCHEMES), written.text)


class _Rewriter(HTMLParser):
    """Writes a document again, of the `allowed` elements alone; of deeper ones only the content."""

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._allowed = allowed
        self._html: list[str] = []
        self._words: list[str] = []
        self._open: list[str] = []
        self._skipped, self._skipped_depth = "", 0

    def read(self, html: str) -> HtmlBody:
        """The document and its words."""
        self.feed(_COMMENTS.sub(" ", html))
        self.close()
        self._close_to(0)
        lines = (_SPACES.sub(" ", line).strip() for line in "".join(self._words).split("\n"))
        return HtmlBody("".join(self._html), _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipped:
            self._skipped_depth += tag == self._skipped
        elif tag in _SKIPPED:
            self._skipped, self._skipped_depth = tag, 1
        else:
            if tag in _BREAKS:
                self._words.append("\n")
            if tag in self._allowed:
                self._write_start(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._skipped_depth -= tag == self._skipped
            if not self._skipped_depth:
                self._skipped = ""
            return
        if tag in _BREAKS:
            self._words.append("\n")
        if tag in self._open:
            self._close_to(len(self._open) - 1 - self._open[::-1].index(tag))

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._html.append(escape(data, quote=False))
            self._words.append(data.replace("\n", " "))

    def _write_start(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            formats = sum(each in _FORMATS for each in self._open) if tag in _FORMATS else 0
            if len(self._open) >= MAX_DEPTH or formats >= _MAX_FORMATS:
                return
            self._open.append(tag)
        named = [(name, value) for name, value in attrs[:_MAX_ATTRIBUTES] if _NAME.fullmatch(name)]
        written = "".join(f' {name}="{escape(value or "")}"' for name, value in named)
        self._html.append(f"<{tag}{written}>")

    def _close_to(self, depth: int) -> None:
        while len(self._open) > depth:
            self._html.append(f"</{self._open.pop()}>")
