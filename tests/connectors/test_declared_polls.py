"""Polls of declared connectors: what they read, what they take for new, and what a faulty file says.

The contract of each shipped one is in tests/contracts/test_fixtures.py.
"""

from __future__ import annotations

import datetime as dt

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.declared.loading import ConnectorFileError, load_connector
from automate_connectors.polling.calls import MAX_CURSOR_BYTES, call_poll
from automate_testing.contracts import PollContractTest
from automate_testing.contracts.declared_polls import DeclaredPollSource
from automate_testing.fakes import ScriptedHttp, answer, context

CONNECTOR = """\
format: 1
code: shop
name: Shop
description: Sell things
base_url: https://api.shop.example/v1
actions:
  - name: list_orders
    label: List orders
    path: /orders
    fields:
      - {name: state, label: State}
      - {name: shop, label: Shop, required: true, default: main}
      - {name: after, in: query, at: after_id}
    pages: {kind: page, items: orders, parameter: page, size: {parameter: per, most: 50}}
    sample: {number: 7}
  - {name: get_order, label: Get order, path: "/orders/{order}", fields: [{name: order, required: true}], sample: {number: 7}}
  - {name: read_table, label: Read table, path: /table, sample: {values: []}}
  - {name: delete_order, label: Delete order, method: DELETE, path: "/orders/{order}", fields: [{name: order, required: true}], answer: none}
polls:
  - name: new_order
    label: New order
    action: list_orders
    fields: [state, {name: kind, label: Kind}]
    id: number
    time: changed
    overlap: 60
  - name: by_number
    label: By number
    action: list_orders
    id: number
    time: number
    time_in: number
    order: oldest
    overlap: 5
    since: {input: after}
  - name: by_clock
    label: By clock
    action: list_orders
    fields: [state]
    id: number
    time: changed
    order: oldest
    since: {input: state, template: "state:{state} after:{since}", as: seconds, first: 3600, most: 86400}
  - {name: row, label: Row, action: read_table, fields: [{name: key, label: Key}], items: values, may_lack: true, rows: true, order: oldest, id: ["columns.{key}", row]}
  - {name: changed_row, label: Changed row, action: read_table, fields: [{name: key, label: Key}], items: values, may_lack: true, rows: true, order: oldest, id: ["columns.{key}", values], version: values}
"""
HEAD = ["No", "Name"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "connector.yaml"
    path.write_text(CONNECTOR)
    return load_connector(path)()


class Polled:
    """A poll that is asked again and again, as the platform does."""

    def __init__(self, adapter, name, params=None):
        self.adapter, self.params, self.cursor, self.seen, self.requests = adapter, params or {}, None, set(), []
        self.poll = next(each for each in adapter.polls if each.name == name)

    def find(self, *bodies, headers=None):
        """The new items of one answer, or of one a page."""
        http = ScriptedHttp([answer(200, body, headers) for body in bodies])
        found = call_poll(self.adapter, self.poll, self.params, self.cursor, context(http))
        self.cursor, self.requests = found.cursor, http.requests
        fresh = [item.id for item in found.items if item.id not in self.seen]
        self.seen |= {item.id for item in found.items}
        return fresh

    def rows(self, *rows):
        return [each.partition(" ")[0] for each in self.find({"values": [HEAD, *rows]} if rows else {})]


def order(number, minute=0):
    return {"number": number, "changed": f"2026-01-31T12:{minute:02}:00Z"}


def test_rows_are_new_by_their_number_or_by_a_column(shop):
    polled = Polled(shop, "row")
    assert polled.rows() == [] and polled.rows([1, "a"]) == ["2"]
    assert polled.rows([1, "b"], [], [2, "c"]) == ["4"], "a changed row is not new, an empty one is none"
    assert polled.rows([1, "b"]) == [] and polled.rows([1, "b"], [], [9, "d"]) == ["4"], "another row took its place"
    by_key = Polled(shop, "row", {"key": "No"})
    by_key.rows([1, "a"], [2, "b"])
    assert by_key.rows([3, "new"], [2, "b"], ["", "no number yet"], [1, "a"]) == ["3"]
    with pytest.raises(ConnectorError, match=r"No item has a value at columns\.Nr"):
        Polled(shop, "row", {"key": "Nr"}).rows([1, "a"])


@pytest.mark.extended
def test_changed_rows_start_again_and_sorted_ones_do_not(shop):
    for params in ({}, {"key": "No"}):
        polled = Polled(shop, "changed_row", params)
        polled.rows([1, "a"], [2, "b"], [3, "c"])
        assert polled.rows([3, "c"], [1, "a"]) == [], "deleted and sorted"
        assert len(polled.rows([3, "c"], [1, "A"], [4, "d"])) == 2
    long = [[number, "x"] for number in range(9_990)]
    polled = Polled(shop, "changed_row")
    assert polled.rows(*long) and len(polled.cursor["known"]) < MAX_CURSOR_BYTES
    assert len(polled.rows(*long, [-1, "new"])) == 1


def test_a_list_that_begins_with_the_newest_is_read_back_to_the_time_before(shop):
    polled = Polled(shop, "new_order", {"state": "open", "kind": "not sent"})
    page = [order(number, 30) for number in range(50)]
    assert polled.find({"orders": page}, {"orders": [order(50, 10)]}) and len(polled.requests) == 2
    assert polled.requests[0].params == {"state": "open", "shop": "main", "page": "1", "per": "50"}
    listed = [order(51, 31), *page]
    assert polled.find({"orders": listed[:50]}, {"orders": listed[50:]}) == ["51"] and len(polled.requests) == 2
    older = [order(number, 20) for number in range(60, 109)]
    assert polled.find({"orders": [order(52, 40), *older]}) == ["52"], "what is older is not new"
    assert len(polled.requests) == 1 and polled.cursor["since"] == 1_769_863_200_000_000
    assert polled.find({"orders": [{"number": 53}]}) == [], "without a time"
    later, due = order(55, 41), {"number": 54, "changed": "2999-01-01T00:00:00Z"}
    answered = {"date": "Sat, 31 Jan 2026 12:40:00 GMT"}
    assert polled.find({"orders": [due]}, headers=answered) == ["54"]
    assert polled.find({"orders": [due, later]}, headers=answered) == ["55"], "a date in the future hides nothing"
    for written in ("yesterday", "9999-12-31T23:59:59-12:00"):
        with pytest.raises(ConnectorError, match="is not a time"):
            polled.find({"orders": [{"number": 54, "changed": written}]})
    with pytest.raises(ConnectorError, match="no list"):
        polled.find({"orders": ["text"]})


def test_a_request_names_the_time_or_the_number_from_which_on_it_asks(shop):
    polled = Polled(shop, "by_number")
    assert polled.find({"orders": [order(7), order(8)]}) == ["7", "8"] and "after_id" not in polled.requests[0].params
    assert polled.find({"orders": [order(6), order(9)]}) == ["6", "9"]
    with pytest.raises(ConnectorError, match="is not a time"):  # nothing would ever be newer
        polled.find({"orders": [order(10**30)]})
    assert polled.requests[0].params["after_id"] == "3"
    now = dt.datetime.now(dt.UTC)
    by_clock = Polled(shop, "by_clock", {"state": "open"})
    answered = {"date": f"{now - dt.timedelta(days=3):%a, %d %b %Y %H:%M:%S GMT}"}
    asked = []
    for _ in range(2):
        by_clock.find({"orders": []}, headers=answered)
        words = by_clock.requests[0].params["state"].partition(" after:")
        assert words[0] == "state:open"
        asked.append(now.timestamp() - int(words[2]))
    assert asked[0] == pytest.approx(3_600, abs=60), "the first call asks for the last hour"
    assert asked[1] == pytest.approx(86_400, abs=60), "by the clock of the service, and no further back than it can be"


class TestNumbers(PollContractTest):
    poll_sources = {}

    @pytest.fixture
    def adapter(self, shop):
        given = {
            "params": {},
            "requests": [{"method": "GET", "url": "https://api.shop.example/v1/orders"}],
            "answers": [{"body": {"orders": [order(1)]}}],
        }
        self.poll_sources = {
            name: lambda name=name: DeclaredPollSource(type(shop), {**given, "poll": name}) for name in ("by_number",)
        }
        self.untried_polls = {"new_order", "by_clock", "row", "changed_row"}
        return shop

    def test_contract_poll_overlap(self, adapter):
        """A number does not say when it was given."""


MISSES = (
    ("label: New order\n", "colour: red\n", 21, "polls[0]: The format has no name 'colour' here"),
    ("name: by_number", "name: new_order", 27, "occurs twice"),
    ("    label: By clock\n", "", 36, "The name label is missing"),
    ("name: by_clock", "name: By clock", 36, "Use lowercase letters"),
    ("label: New order\n    action: list_orders", "label: New order\n    action: nothing", 22, "There is no action 'nothing'"),
    ("label: New order\n    action: list_orders", "label: New order\n    action: delete_order", 22, "changes data"),
    ("label: New order\n    action: list_orders", "label: New order\n    action: get_order", 22, "The action needs order"),
    ("[state, {name: kind", "[status, {name: kind", 23, "There is no field 'status'"),
    ("{name: kind, label: Kind}", "{name: kind, kind: secret}", 23, "A secret is a setting"),
    ("time: changed\n    overlap: 60", "time: 'changed.{when}'\n    overlap: 60", 25, "There is no field 'when'"),
    ("overlap: 60", "overlap: -1", 26, "Expected `int` >= 0"),
    ("overlap: 60", "least_seconds: 1", 26, "Expected `int` >= 10"),
    ("time_in: number", "time_in: days", 32, "'days' is not one of the values"),
    ("since: {input: after}", "order: oldest", 0, "occurs twice"),
    ("    since: {input: after}\n", "", 33, "needs since. Add since"),
    ("since: {input: after}", "since: {input: since}", 35, "There is no field 'since'"),
    ("since: {input: after}", "since: {input: after, first: 60}", 35, "works with times"),
    ("after:{since}", "after", 43, "The template has no {since}"),
    ("state:{state}", "state:{shop}", 43, "There is no field 'shop'"),
    (", first: 3600", "", 43, "The name first is missing"),
    ("first: 3600", "first: 60", 43, "at least as long as overlap"),
    ("id: number\n    time: changed\n    overlap", "details: {action: get_order, params: {id: number}}\n    time: changed\n    overlap", 24, "There is no field 'id'"),
    ("items: values, may_lack: true, rows: true, order: oldest, id: [\"columns.{key}\", row]", "rows: true", 44, "The name items is missing"),
    ("id: number\n    time: changed\n    overlap", "items: orders\n    time: changed\n    overlap", 24, "An action with pages already defines"),
    ("    sample: {number: 7}\n  - {name: get", "  - {name: get", 19, "The name sample is missing"),
)  # fmt: skip


def test_a_faulty_poll_names_file_line_and_fault(tmp_path):
    path, wrong = tmp_path / "connector.yaml", []
    for old, new, line, said in MISSES:
        assert old in CONNECTOR, old
        path.write_text(CONNECTOR.replace(old, new, 1))
        try:
            load_connector(path)
            wrong.append((new, "is taken"))
        except ConnectorFileError as error:
            if said not in str(error) or (line and f", line {line}: " not in str(error)):
                wrong.append((new, line, said, str(error)))
    assert not wrong, "\n".join(map(str, wrong))
