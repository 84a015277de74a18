"""The other side of a declared poll, made from a file: a list that is sorted, filtered and read in pages.

A file is one poll:

    {"poll": "new_order", "source": "where the shapes are from, and when", "params": {"state": "open"},
     "connection": {"token": "any"},
     "requests": [{"method": "GET", "url": "https://erp.example.com/orders", "params": {"state": "open"}}],
     "answers": [{"body": {"orders": [{"id": 7, "created": "2026-01-31T12:00:00Z"}]}}],
     "items": [{"id": "7", "time": "2026-01-31T12:00:00+00:00"}]}

`items` are what a first call finds. The first answer is the shape of the list, and its first item that of all items;
the second is that of the details. `tick` is the clock of the service in seconds, 1 by default, `late` how much later
than others an item may be listed, and `next` is `url` where a page names the next one so.
"""

from __future__ import annotations

import copy
import datetime as dt
import json as json_module
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.declared.document import ActionPart, Clock, Order, Pages, PagesKind, PollPart, Where
from automate_connectors.declared.placing import put
from automate_connectors.declared.requests import where_of
from automate_connectors.declared.templates import fill, names_in
from automate_connectors.paging import value_at
from automate_egress import HttpResponse
from automate_testing.contracts.triggers.polls import NOON, PollSource
from automate_testing.fakes import ScriptedHttp, answer, context

_PAGE = 50  #: items of a page where the request asks for no number
_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def load_poll_sources(adapter_cls: type[DeclaredConnector], folder: Path | str) -> dict[str, Callable[[], PollSource]]:
    """Return the sources of the polls that the JSON files of a folder describe, by name of the poll."""
    given = [json_module.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))]
    return {each["poll"]: partial(DeclaredPollSource, adapter_cls, each) for each in given}


class DeclaredPollSource(PollSource):
    """A list of the service that a file describes."""

    def __init__(self, adapter_cls: type[DeclaredConnector], given: Mapping[str, Any]) -> None:
        document = adapter_cls.document
        self.rule = document.poll(given["poll"])
        self.action = document.action(self.rule.action)
        self.params, self.connection = given.get("params", {}), given.get("connection", {})
        self.tick = dt.timedelta(seconds=given.get("tick", 1))
        self.late = dt.timedelta(seconds=given.get("late", 1))
        self.given = given
        #: A service that is asked by a clock lives in the present.
        is_by_clock = self.rule.since is not None and self.rule.since.first is not None
        self._shift = dt.datetime.now(dt.UTC).replace(microsecond=0) - NOON if is_by_clock else dt.timedelta(0)
        self.made: list[tuple[int, dt.datetime]] = []

    def add(self, number: int, at: dt.datetime) -> None:
        """Make an item."""
        self.made.append((number, at + self._shift))

    def context(self) -> Context:
        """The context of one call."""
        return context(_Service(self), dict(self.connection))


class _Service(ScriptedHttp):
    """Answers requests for the list, and for details of an item."""

    def __init__(self, source: DeclaredPollSource) -> None:
        super().__init__()
        self._source, self._rule, self._action = source, source.rule, source.action

    def request(self, method: str, url: str, *, params: Any = None, json: Any = None, **more: Any) -> HttpResponse:
        """Return a page of the list, or the details of the item that the request names."""
        where = urlsplit(url)
        query = {**dict(parse_qsl(where.query)), **(params or {})}
        wanted = self._source.given["requests"][0]
        if (method, where.path) != (wanted["method"], urlsplit(wanted["url"]).path):
            return self._details(f"{where.path} {query} {json}")
        found = self._items(query, json)
        start, size = self._page(found, query, json)
        page = [self._item(number, at) for number, at in found[start : start + size]]
        rest = start + size if start + size < len(found) else None
        return self._answer(page, rest, f"{where.scheme}://{where.netloc}{where.path}")

    def _items(self, query: Mapping[str, Any], json: Any) -> list[tuple[int, dt.datetime]]:
        """The items that are asked for, in the order of the list."""
        since = self._since(query, json)
        found = [each for each in self._source.made if since is None or each[1] >= since]
        is_newest_first = self._rule.order is Order.NEWEST
        if not self._rule.time:
            return found[::-1] if is_newest_first else found
        return sorted(found, key=lambda each: each[::-1], reverse=is_newest_first)

    def _since(self, query: Mapping[str, Any], json: Any) -> dt.datetime | None:
        asked = self._rule.since
        if asked is None:
            return None
        field = next(each for each in self._action.fields if each.name == asked.input)
        name = field.at or field.name
        value = value_at(json, name) if where_of(self._action, field) is Where.BODY else query.get(name)
        template = asked.template if not field.template else field.template.replace("{value}", asked.template)
        before, _, after = template.partition("{since}")
        edges = [re.sub(r"\\\{\w+\\\}", ".*", re.escape(edge).strip()) for edge in (before, after)]
        match = re.fullmatch(f"{edges[0]}\\s*(?P<since>\\S+?)\\s*{edges[1]}", str(value or ""))
        if match is None:
            return None
        clock, written = asked.form or self._rule.time_in, match["since"]
        if clock is Clock.ISO:
            return dt.datetime.fromisoformat(written)
        return _START + dt.timedelta(seconds=int(written) / (1_000 if clock is Clock.MILLISECONDS else 1))

    def _page(self, found: list[tuple[int, dt.datetime]], query: Mapping[str, Any], json: Any) -> tuple[int, int]:
        """The first item of the page that is asked for, and its length."""
        pages = self._action.pages
        if pages is None:
            return 0, len(found)
        size = int(self._asked(pages, pages.size.parameter, query, json) or _PAGE) if pages.size else _PAGE
        if pages.kind is PagesKind.LINK or self._source.given.get("next") == "url":
            return int(query.get("from", 0)), size
        asked = self._asked(pages, pages.parameter, query, json)
        if not asked:
            return 0, size
        if pages.last_item:
            ids = [str(value_at(self._item(*each), pages.last_item)) for each in found]
            return ids.index(str(asked)) + 1, size
        return (int(asked) - pages.first) * size if pages.kind is PagesKind.PAGE else int(asked), size

    @staticmethod
    def _asked(pages: Pages, name: str, query: Mapping[str, Any], json: Any) -> Any:
        return value_at(json, name) if pages.where == "body" else query.get(name)

    def _answer(self, page: list[Any], rest: int | None, url: str) -> HttpResponse:
        pages, headers = self._action.pages, {}
        body = copy.deepcopy(self._source.given["answers"][0]["body"])
        place = _list_place(self._action, self._rule)
        if self._rule.rows:
            page = [value_at(body, place)[0], *page]
        if place:
            put(body, place, page)
        else:
            body = page
        if pages is not None and pages.kind is PagesKind.LINK and rest:
            headers["Link"] = f'<{url}?from={rest}>; rel="next"'
        if pages is not None and pages.cursor:
            next_page = f"{url}?from={rest}" if self._source.given.get("next") == "url" else str(rest)
            put(body, pages.cursor, next_page if rest else None)
        if pages is not None and pages.more:
            put(body, pages.more, bool(rest))
        return answer(200, body, headers)

    def _item(self, number: int, at: dt.datetime) -> Any:
        rule = self._rule
        shapes = value_at(self._source.given["answers"][0]["body"], _list_place(self._action, rule))
        if rule.rows:
            return [str(number), *shapes[1][1:]]
        item = copy.deepcopy(shapes[0])
        paths = [rule.id] if isinstance(rule.id, str) else rule.id
        place = next(each for each in paths if all(self._source.params.get(name) for name in names_in(each)))
        self._put(item, place, number)
        for place in filter(None, ("" if rule.details else rule.time, rule.version)):
            self._put(item, place, number if rule.time_in is Clock.NUMBER else at)
        return item

    def _put(self, item: Any, path: str, value: int | dt.datetime) -> None:
        """Write a value of the type that stands there."""
        place = fill(path, self._source.params)
        written: Any = value
        if isinstance(value, dt.datetime):
            seconds = int((value - _START).total_seconds())
            written = {Clock.ISO: value.isoformat(), Clock.MILLISECONDS: seconds * 1_000}.get(
                self._rule.time_in, seconds
            )
        put(item, place, str(written) if isinstance(value_at(item, place), str) else written)

    def _details(self, asked: str) -> HttpResponse:
        """The details of the item whose id is in the request."""
        if self._rule.details is None:
            raise AssertionError(f"no request of the file is for {asked}")
        numbers = {int(word) for word in re.findall(r"(?<!\w)\d+(?!\w)", asked)}
        number, at = next(each for each in self._source.made if each[0] in numbers)
        body = copy.deepcopy(self._source.given["answers"][1]["body"])
        self._put(body, str(self._rule.id), number)
        if self._rule.time:
            self._put(body, self._rule.time, at)
        return answer(200, body)


def _list_place(action: ActionPart, rule: PollPart) -> str:
    if action.pages is not None:
        return action.pages.items
    return ".".join(filter(None, (action.result, rule.items)))
