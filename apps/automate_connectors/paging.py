"""Pages of an API's answer: by Link header, by cursor or by page number. Decides which page is next; sends nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.web import invalid_input
from automate_egress import HttpResponse
from automate_plugins import text

MAX_PAGES = 100
MAX_ITEMS = 10_000
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class NextPage:
    """The next page: another URL, or another value of one query parameter."""

    url: str = ""
    parameter: str = ""
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class Paging:
    """How an API announces further pages. `items` and `cursor` are dotted paths into the JSON answer."""

    kind: str
    items: str = ""
    cursor: str = ""
    cursor_parameter: str = "cursor"
    page_parameter: str = "page"
    first_page: int = 1

    def start(self) -> dict[str, Any]:
        """Return the query parameters of the first page."""
        return {self.page_parameter: self.first_page} if self.kind == "page" else {}

    def page(self, document: Any) -> list[Any]:
        """Return the items of one page. Raises ConnectorError when there is no list."""
        found = value_at(document, self.items)
        if not isinstance(found, list):
            message = text("The response is not a list. Set the path to the items.")
            if self.items:
                message = text("The response has no list at %(path)s.", path=self.items)
            raise ConnectorError(message, code="invalid_answer")
        return found

    def after(self, response: HttpResponse, document: Any, *, url: str, number: int) -> NextPage | None:
        """Return the page after page `number` (from 0), which came from `url`; None after the last one."""
        if self.kind == "link":
            target = next_link(response.headers.get("link", ""))
            return NextPage(url=_same_origin(url, target)) if target else None
        if self.kind == "page":
            more = bool(self.page(document))
            return NextPage(parameter=self.page_parameter, value=self.first_page + number + 1) if more else None
        cursor = value_at(document, self.cursor)
        if cursor is None or cursor is False or cursor == "":
            return None
        if isinstance(cursor, str) and (cursor.startswith("/") or "://" in cursor):
            return NextPage(url=_same_origin(url, cursor))
        if isinstance(cursor, dict | list):
            message = text("The cursor at %(path)s is neither text nor a number.", path=self.cursor)
            raise ConnectorError(message, code="invalid_answer")
        return NextPage(parameter=self.cursor_parameter, value=cursor)


def read_paging(params: dict[str, Any]) -> Paging | None:
    """Return the paging that a step's inputs describe. Raises ConnectorError when something is missing."""
    kind = params.get("pagination", "none")
    if kind == "none":
        return None
    if kind == "cursor" and not params.get("cursor"):
        raise invalid_input(text("Set the path to the next cursor, for example meta.next_cursor."))
    if params.get("method", "GET") != "GET":
        raise invalid_input(text("Pagination requires the method GET."))
    names = ("items", "cursor", "cursor_parameter", "page_parameter", "first_page")
    return Paging(kind=kind, **{name: params[name] for name in names if params.get(name) is not None})


def value_at(document: Any, path: str) -> Any:
    """Return the value at a dotted path, None where there is none; the whole document at ""."""
    for name in path.split(".") if path else ():
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def next_link(header: str) -> str:
    """Return the target of `rel="next"` in a Link header (RFC 8288), or ""."""
    for target, parameters in _LINK.findall(header):
        for inside, bare in _RELATION.findall(parameters):
            if "next" in (inside or bare).lower().split():
                return str(target)
    return ""


def _same_origin(url: str, target: str) -> str:
    """Return the absolute `target`. Raises ConnectorError for another origin: it would receive the credentials."""
    whole = urljoin(url, target)
    if urlsplit(whole)[:2] != urlsplit(url)[:2]:
        raise ConnectorError(
            text(
                "The next page is on another host, %(host)s. Call it in a separate step.", host=urlsplit(whole).netloc
            ),
            code="pagination_left",
        )
    return whole
