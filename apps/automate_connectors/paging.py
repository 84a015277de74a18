"""Pages of an API's answer: which is next, by Link header, cursor, page number or offset, and reading them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.web import invalid_input, read_json
from automate_egress import HttpResponse
from automate_plugins import text

MAX_PAGES = 100
MAX_ITEMS = 10_000
MAX_PAGES_BYTES = 5_000_000
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
    """How an API announces further pages. `items`, `cursor` and `more` are dotted paths into the JSON answer.

    `kind` is link, cursor, page or offset; `parameter` is that of the request which carries the last three. `last_item`
    names the member of the last item that is the next cursor. Where `more` leads to nothing, or to false, there is no
    further page. `size` is the number of items that a page was asked for: one with fewer is the last. `may_lack` is for
    APIs that leave out a list without items.
    """

    kind: str
    items: str = ""
    cursor: str = ""
    parameter: str = ""
    first_page: int = 1
    last_item: str = ""
    more: str = ""
    size: int = 0
    may_lack: bool = False

    def start(self) -> dict[str, Any]:
        """Return the parameters of the first page."""
        match self.kind:
            case "page":
                return {self.parameter: self.first_page}
            case "offset":
                return {self.parameter: 0}
        return {}

    def page(self, document: Any) -> list[Any]:
        """Return the items of one page. Raises ConnectorError when there is no list."""
        found = value_at(document, self.items)
        if found is None and self.may_lack and isinstance(document, dict):
            return []
        if not isinstance(found, list):
            message = text("The response is not a list. Set the path to the items.")
            if self.items:
                message = text("The response has no list at %(path)s.", path=self.items)
            raise ConnectorError(message, code="invalid_answer")
        return found

    def after(self, response: HttpResponse, document: Any, *, url: str, number: int, count: int = 0) -> NextPage | None:
        """Return the page after page `number` (from 0), which came from `url`; None after the last one.

        `count` is the number of items so far.
        """
        if self.kind == "link":
            target = next_link(response.headers.get("link", ""))
            return NextPage(url=_same_origin(url, target)) if target else None
        if self.more and not value_at(document, self.more):
            return None
        if self.kind in {"page", "offset"}:
            items = self.page(document)
            if not items or len(items) < self.size:
                return None
            return NextPage(
                parameter=self.parameter, value=count if self.kind == "offset" else self.first_page + number + 1
            )
        return self._after_cursor(document, url)

    def _after_cursor(self, document: Any, url: str) -> NextPage | None:
        cursor = value_at(document, self.cursor)
        if self.last_item:
            items = self.page(document)
            cursor = value_at(items[-1], self.last_item) if items else None
        if cursor is None or cursor is False or cursor == "":
            return None
        if isinstance(cursor, str) and (cursor.startswith("/") or "://" in cursor):
            return NextPage(url=_same_origin(url, cursor))
        if isinstance(cursor, dict | list):
            message = text("The cursor at %(path)s is neither text nor a number.", path=self.cursor)
            raise ConnectorError(message, code="invalid_answer")
        return NextPage(parameter=self.parameter, value=cursor)


@dataclass(frozen=True, kw_only=True)
class PagesRead:
    """The items of all pages that were read, and the last answer. `complete`: there are no others."""

    items: list[Any]
    pages: int
    complete: bool
    response: HttpResponse


def read_pages(
    paging: Paging,
    send: Callable[[str, Mapping[str, Any] | None], HttpResponse],
    *,
    url: str,
    max_pages: int,
    max_items: int,
    cancelled: Callable[[], bool],
    is_enough: Callable[[list[Any]], bool] = lambda items: False,
) -> PagesRead:
    """Read pages until the last one or a limit, or until the items so far are enough.

    `send(url, changes)` sends one request: `changes` are parameters by name, None for a URL that is complete. Raises
    ConnectorError, and what `send` raises.
    """
    changes: Mapping[str, Any] | None = paging.start()
    items: list[Any] = []
    seen: set[tuple[str, str]] = set()
    size = number = 0
    while True:
        if cancelled():
            raise ConnectorError(text("Cancelled between two pages."), code="cancelled")
        place = (url, json.dumps(changes, sort_keys=True))
        if place in seen:
            message = text("The pages repeat. Check the path to the cursor and the cursor parameter.")
            raise ConnectorError(message, code="invalid_answer")
        seen.add(place)
        response = send(url, changes)
        size += len(response.body)
        if size > MAX_PAGES_BYTES:
            raise ConnectorError(
                text("The pages are larger than %(size)s MB. Request fewer pages.", size=MAX_PAGES_BYTES // 1_000_000),
                code="output_too_large",
            )
        document = read_json(response)
        items += paging.page(document)
        step = paging.after(response, document, url=url, number=number, count=len(items))
        number += 1
        if step is None or number >= max_pages or len(items) >= max_items or is_enough(items):
            complete = step is None and len(items) <= max_items
            return PagesRead(items=items[:max_items], pages=number, complete=complete, response=response)
        url, changes = (step.url, None) if step.url else (url, {**(changes or {}), step.parameter: step.value})


def read_paging(params: dict[str, Any]) -> Paging | None:
    """Return the paging that a step's inputs describe. Raises ConnectorError when something is missing."""
    kind = params.get("pagination", "none")
    if kind == "none":
        return None
    if kind == "cursor" and not params.get("cursor"):
        raise invalid_input(text("Set the path to the next cursor, for example meta.next_cursor."))
    if params.get("method", "GET") != "GET":
        raise invalid_input(text("Pagination requires the method GET."))
    given = {name: params[name] for name in ("items", "cursor", "first_page") if params.get(name) is not None}
    parameter = params.get(f"{kind}_parameter")
    return Paging(kind=kind, parameter=kind if parameter is None else parameter, **given)


def value_at(document: Any, path: str) -> Any:
    """Return the value at a dotted path, None where there is none; the whole document at "".

    A name with dots is found where it ends the path, such as `@odata.nextLink`.
    """
    while path:
        if isinstance(document, dict):
            if path in document:
                return document[path]
            name, _, path = path.partition(".")
            document = document.get(name)
        elif isinstance(document, list):
            name, _, path = path.partition(".")
            document = document[int(name)] if name.isdecimal() and int(name) < len(document) else None
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
