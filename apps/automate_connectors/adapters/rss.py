"""RSS connector: the items of public RSS and Atom feeds.

Sources: https://www.rssboard.org/rss-specification (RSS 2.0), https://web.resource.org/rss/1.0/spec (RSS 1.0) and RFC
4287 (Atom). A feed is asked for with the ETag and the date of its last answer (RFC 9110, section 13), and answers 304
while it is unchanged.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from automate_connectors.adapters.base import (
    ConnectorAdapter,
    ConnectorError,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.polls import MAX_ITEMS, PollItem, PollResult
from automate_connectors.adapters.tables import read_tables
from automate_connectors.bounds.output_size import OutputSize
from automate_connectors.bounds.xml_answers import XmlError, iterate_xml
from automate_connectors.bounds.xml_answers import local_name as _name
from automate_connectors.context import Context
from automate_connectors.web import http_error, invalid_input
from automate_egress import HttpResponse
from automate_plugins import text

MOST_READ = 100
_MOST_FILES = 100  #: of one item
_LONGEST_TITLE = 1_000  #: of the feed: each item has it
_ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed: `items` in the order in which it lists them, each with its `id`."""

    title: str
    url: str
    items: list[dict[str, Any]]


_TABLES = read_tables(Path(__file__).with_suffix(".yaml"), max_items=MOST_READ)


class RssConnector(ConnectorAdapter):
    """Reads feeds that need no sign-in."""

    code = "rss"
    name = "RSS"
    description = text("Read RSS and Atom feeds")
    icon = "rss_feed"
    hue = 30
    actions = _TABLES.actions
    polls = _TABLES.polls

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Read the feed: `title`, `url` and `items`."""
        if action != "read_feed":
            raise unknown_action(self.code, action)
        most = params.get("limit") or 20
        if not 1 <= most <= MOST_READ:
            raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=MOST_READ))
        feed = read_feed(_answer(params["url"], context, {}), context, most)
        return {"title": feed.title, "url": feed.url, "items": feed.items}

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The request."""
        return {"summary": f"GET {params['url']}", "method": "GET", "url": params["url"]}

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """All items of the feed, which come again with each change of it; none while it is unchanged.

        The cursor is what the feed's server says of its state: `etag` and `modified`.
        """
        if name != "new_item":
            raise unknown_poll(self.code, name)
        known = cursor or {}
        headers = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("modified")}
        response = _answer(params["url"], context, {name: value for name, value in headers.items() if value})
        if response.status == 304:
            return PollResult(items=(), cursor=known)
        found = [_item(data) for data in read_feed(response, context).items]
        items = list(reversed(found))
        if all(item.time for item in items):
            items.sort(key=lambda item: item.time or dt.datetime.min)
        state = {"etag": response.headers.get("etag", ""), "modified": response.headers.get("last-modified", "")}
        return PollResult(items=items, cursor=state)


def _answer(url: str, context: Context, headers: dict[str, str]) -> HttpResponse:
    """The answer of a feed's server. Raises ConnectorError."""
    context["log"](f"GET {url}")
    response: HttpResponse = context["http"].request("GET", url, headers={"Accept": _ACCEPT, **headers})
    if response.status == 304 and headers:
        return response
    if not 200 <= response.status < 300:
        message = text("The feed answered with HTTP %(status)s. Check its URL.", status=response.status)
        raise http_error(message, response)
    return response


def _item(data: dict[str, Any]) -> PollItem:
    time = dt.datetime.fromisoformat(data["published"]) if data["published"] else None
    return PollItem(id=data["id"], time=time, data=data)


# --- the document -----------------------------------------------------------------------------------------------------


def read_feed(response: HttpResponse, context: Context, most: int = MAX_ITEMS) -> Feed:
    """Read the first `most` items of a response as RSS 2.0, RSS 1.0 or Atom, and no further.

    Raises ConnectorError (`not_a_feed`, `output_too_large`), EgressError.
    """
    try:
        root, items = _read_items(response, context, most)
    except XmlError as error:
        if not error.has_entities:
            raise _no_feed(response) from error
        message = text("The feed declares XML entities, which are not read.")
        raise ConnectorError(message, code="not_a_feed") from error
    top = root if _name(root) == "feed" else _child(root, "channel")
    if top is None:
        raise _no_feed(response)
    title = _text(top, "title")[:_LONGEST_TITLE]
    link = _link(top) if _name(root) == "feed" else _text(top, "link")
    return Feed(title=title, url=_absolute(response.url, link), items=[{**item, "feed": title} for item in items])


def _read_items(response: HttpResponse, context: Context, most: int) -> tuple[Element, list[dict[str, Any]]]:
    """The root, and the items in it. What an item was made of is dropped at once. Raises as `read_feed` does."""
    root: Element | None = None
    items: list[dict[str, Any]] = []
    size = OutputSize()
    for event, element in iterate_xml(response, context):
        if root is None:
            root = element
            if _name(root) not in {"rss", "RDF", "feed"}:
                raise _no_feed(response)
        if event == "end" and _name(element) in {"item", "entry"}:
            read = _read_entry if _name(root) == "feed" else _read_item
            items.append(read(element, response.url))
            size.add(items[-1])
            element.clear()
            if len(items) == most:
                break
    if root is None:
        raise _no_feed(response)
    return root, items


def _no_feed(response: HttpResponse) -> ConnectorError:
    message = text("This is not an RSS or Atom feed. Enter the URL of the feed itself.")
    return http_error(message, response, code="not_a_feed", retryable=False)


def _read_item(item: Element, base: str) -> dict[str, Any]:
    """An item of RSS."""
    link = _text(item, "link") or _text(item, "guid")
    return _made(
        base=base,
        identifier=_text(item, "guid") or _text(item, "link"),
        title=_text(item, "title"),
        link=link if "://" in link or link.startswith("/") else "",
        published=_date(_text(item, "pubDate") or _text(item, "date")),
        author=_text(item, "creator") or _text(item, "author"),
        summary=_text(item, "description"),
        content=_text(item, "encoded"),
        categories=[each for each in map(_own_text, _children(item, "category")) if each],
        files=[(each.get("url", ""), each.get("type", "")) for each in _children(item, "enclosure")],
    )


def _read_entry(entry: Element, base: str) -> dict[str, Any]:
    """An entry of Atom."""
    author = _child(entry, "author")
    links = list(_children(entry, "link"))
    return _made(
        base=base,
        identifier=_text(entry, "id") or _link(entry),
        title=_text(entry, "title"),
        link=_link(entry),
        published=_date(_text(entry, "published") or _text(entry, "updated")),
        author=_text(author, "name") if author is not None else "",
        summary=_text(entry, "summary"),
        content=_text(entry, "content"),
        categories=[each.get("term", "") for each in _children(entry, "category") if each.get("term")],
        files=[(each.get("href", ""), each.get("type", "")) for each in links if each.get("rel") == "enclosure"],
    )


def _made(
    *, base: str, identifier: str, title: str, link: str, published: str, files: list[tuple[str, str]], **more: Any
) -> dict[str, Any]:
    written = "\n".join([title, link, more["summary"], more["content"]])
    return {
        "id": identifier or f"sha256:{hashlib.sha256(written.encode()).hexdigest()}",
        "title": title,
        "url": _absolute(base, link),
        "published": published,
        **more,
        "files": [{"url": _absolute(base, url), "type": kind} for url, kind in files[:_MOST_FILES] if url],
    }


def _date(written: str) -> str:
    """A date as ISO 8601 in UTC; empty for one that cannot be read."""
    for read in (parsedate_to_datetime, dt.datetime.fromisoformat):
        try:
            found = read(written)
            return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()
        except (ValueError, TypeError, OverflowError):
            continue
    return ""


def _absolute(base: str, link: str) -> str:
    try:
        return urljoin(base, link) if link else ""
    except ValueError:
        return link


def _link(entry: Element) -> str:
    """The page of an Atom feed or entry."""
    links = {each.get("rel", "alternate"): each.get("href", "") for each in reversed(list(_children(entry, "link")))}
    return links.get("alternate", "")


def _children(parent: Element, name: str) -> Iterator[Element]:
    return (each for each in parent if _name(each) == name)


def _child(parent: Element, name: str) -> Element | None:
    return next(_children(parent, name), None)


def _text(parent: Element, name: str) -> str:
    """The text of the first child of that name that has one."""
    return next((found for each in _children(parent, name) if (found := _own_text(each))), "")


def _own_text(element: Element) -> str:
    return "".join(element.itertext()).strip()
