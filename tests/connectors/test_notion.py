"""Notion, against a server with its rules: databases with several data sources, and the length of texts."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.polling.calls import call_poll
from automate_connectors.registry import connectors
from tests.connectors.conftest import real_context

DATABASE, SOURCES = "db-1", ["ds-1", "ds-2"]
PAGE = {
    "object": "page", "id": "p-1", "created_time": "2026-11-28T08:01:00.000Z",
    "last_edited_time": "2026-11-28T09:25:00.000Z", "archived": False, "url": "https://www.notion.so/p-1", "properties": {},
}  # fmt: skip


def refused(status, code):
    return status, {"object": "error", "status": status, "code": code, "message": code}, {}


def texts(found):
    """All texts of a body, each as (its length as Notion counts it, the text)."""
    if isinstance(found, dict):
        if isinstance(found.get("content"), str):
            yield len(found["content"].encode("utf-16-le")) // 2, found["content"]
        found = list(found.values())
    if isinstance(found, list):
        for each in found:
            yield from texts(each)


@pytest.fixture
def notion(server):
    def respond(asked):
        assert asked.headers["notion-version"] >= "2025-09-03", "older versions fail for several data sources"
        place = asked.path.removeprefix("/v1/").split("/")
        if any(length > 2_000 for length, _ in texts(asked.json if asked.body else None)):
            return refused(400, "validation_error")
        match place:
            case ["databases", name] if name == DATABASE:
                sources = [{"id": source, "name": source} for source in SOURCES]
                return 200, {"object": "database", "id": DATABASE, "data_sources": sources}, {}
            case ["data_sources", name, "query"] if name in SOURCES:
                return 200, {"object": "list", "results": [{**PAGE, "id": name}], "has_more": False}, {}
            case ["pages"] if asked.json["parent"].get("data_source_id") in {None, *SOURCES}:
                return 200, PAGE, {}
            case ["blocks", _, "children"]:
                return 200, {"object": "list", "results": []}, {}
            case ["comments"]:
                return 200, {"object": "comment", "id": "c-1", "created_time": "2026-11-28T08:01:00.000Z"}, {}
        return refused(404, "object_not_found")

    server.answer = respond
    return {"token": "any", "base_url": f"{server.url}/v1"}


@pytest.mark.parametrize(("given", "found", "requests"), [("ds-2", "ds-2", 1), (DATABASE, "ds-1", 3)])
def test_a_database_stands_for_its_first_data_source(server, notion, call, given, found, requests):
    adapter = connectors.get("notion")
    assert call(adapter, "query_database", {"database": given}, notion)["items"][0]["id"] == found
    assert len(server.asked) == requests
    call(adapter, "create_database_page", {"database": given, "properties": {"Name": {}}}, notion)
    assert server.asked[-1].json["parent"] == {"type": "data_source_id", "data_source_id": found}
    poll = next(each for each in adapter.polls if each.name == "new_page")
    [item] = call_poll(adapter, poll, {"database": given}, None, real_context(notion)).items
    assert item.id == found


def test_an_unknown_id_is_refused_as_it_was(server, notion, call):
    with pytest.raises(ConnectorError, match=r"data_sources/gone/query .*Share the page or the database"):
        call(connectors.get("notion"), "query_database", {"database": "gone"}, notion)
    assert [asked.path for asked in server.asked] == ["/v1/data_sources/gone/query", "/v1/databases/gone"]


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("create_page", {"parent": "p-1", "title": "Long"}),
        ("append_text", {"page": "p-1"}),
        ("add_comment", {"page": "p-1"}),
    ],
)
def test_a_long_text_is_sent_in_pieces(server, notion, call, action, inputs):
    written = "x" * 1_999 + "🥬" * 1_500 + " end"
    call(connectors.get("notion"), action, {**inputs, "text": written}, notion)
    pieces = [text for _, text in texts(server.asked[-1].json) if text != "Long"]
    assert len(pieces) == 3 and "".join(pieces) == written


def test_a_short_text_stays_whole(server, notion, call):
    call(connectors.get("notion"), "append_text", {"page": "p-1", "text": "Short"}, notion)
    assert server.asked[-1].json["children"][0]["paragraph"] == {"rich_text": [{"text": {"content": "Short"}}]}
