"""The data connector: what it makes of values, and that nothing makes it slow, large or loud.

A good call of each action, with its output, stands in tests/contracts/fixtures/data.
"""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data import DataConnector
from automate_connectors.adapters.models import ModelsConnector
from automate_connectors.invocation import invoke
from automate_governance.redaction import spreadsheets
from automate_plugins.typed_values import number_readings
from automate_testing.fakes import MemoryFiles, context
from tests.support.costs import at_most, in_proportion

ADAPTER = DataConnector()


def call(action, **params):
    return json.loads(invoke(ADAPTER, ADAPTER.action(action), params, context()))


def refused(action, **params):
    with pytest.raises(ConnectorError) as caught:
        call(action, **params)
    assert caught.value.code in {"invalid_input", "missing_field"}, caught.value
    return caught.value.message


# --- lists ------------------------------------------------------------------------------------------------------------

ITEMS = [
    {"n": 1, "name": "Ada", "tags": ["a", "b"], "at": {"city": "Bonn"}},
    {"n": 2.0, "name": "bo", "tags": [], "at": None},
    {"n": "3", "name": None, "x.y": 5},
    {"n": True},
]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"n": 1}, [0]),
        ({"n": 2}, [1]),
        ({"n": True}, [3]),
        ([{"field": "n", "op": ">=", "value": 1}], [0, 1, 2]),
        ([{"field": "n", "op": "<", "value": "4"}], [2]),
        ([{"field": "name", "op": "!=", "value": "Ada"}], [1, 2, 3]),
        ([{"field": "n", "op": "in", "value": [2, "3"]}], [1, 2]),
        ([{"field": "n", "op": "not_in", "value": [2, "3"]}], [0, 3]),
        ([{"field": "at.city", "op": "starts_with", "value": "B"}], [0]),
        ([{"field": "name", "op": "ends_with", "value": "o"}], [1]),
        ([{"field": "tags", "op": "contains", "value": "a"}], [0]),
        ([{"field": "name", "op": "contains", "value": "d"}], [0]),
        ([{"field": "tags", "op": "empty"}], [1, 2, 3]),
        ([{"field": "name", "op": "empty", "value": False}], [0, 1]),
        ([{"field": "x.y", "value": 5}], [2]),
        ([{"field": "name", "op": "<", "value": 5}], []),
        ([], [0, 1, 2, 3]),
    ],
)
def test_filter(where, kept):
    assert call("filter", items=ITEMS, where=where) == {"items": [ITEMS[index] for index in kept], "count": len(kept)}


@pytest.mark.parametrize(
    ("value", "wanted", "question"),
    [
        ("1.234,50", 200, "1234.5"),
        ("250,00 EUR", 200, "250"),
        ("5.000", 200, "two readings"),
        ("15.12.2026", "2026-12-02", "2026-12-15"),
        ("03/04/2026", "2026-12-02", "two readings"),
    ],
)
@pytest.mark.parametrize("op", ["<", "<=", ">", ">="])
def test_filter_asks_what_a_number_or_a_date_of_people_means(value, wanted, question, op):
    message = refused("filter", items=[{"due": value}], where=[{"field": "due", "op": op, "value": wanted}])
    assert "due" in message and value in message and question in message


def test_filter_of_numbers_as_csv_has_them():
    rows = call("parse_csv", text='a,n\nx,250.00\nv,"1,234.50"\ny,99.90\nz,\nw,n/a\n')["items"]
    assert [
        row["a"] for row in call("filter", items=rows, where=[{"field": "n", "op": ">", "value": 200}])["items"]
    ] == ["x", "v"]
    dates = [{"d": "2026-12-01"}, {"d": "2026-12-15T10:00:00Z"}, {"d": ""}, {"d": None}]
    kept = call("filter", items=dates, where=[{"field": "d", "op": ">", "value": "2026-12-02"}])["items"]
    assert kept == [dates[1]]


@pytest.mark.parametrize(
    ("given", "named"), [("a;b\n1;2\n", "Semicolon"), ("a\tb\n1\t2\n", "Tab"), ("a;b\n1;2,5\n", "Semicolon")]
)
def test_a_csv_with_another_delimiter_is_no_single_column(given, named):
    assert named in refused("parse_csv", text=given)
    assert call("parse_csv", text=given.replace(";", ",").replace("\t", ",").replace("2,5", "2"))["count"] == 1
    assert call("parse_csv", text="only\n1\n")["items"] == [{"only": "1"}]


def test_filter_of_plain_values():
    assert call("filter", items=[1, 5, "x"], where=[{"field": "", "op": ">", "value": 2}])["items"] == [5]


@pytest.mark.parametrize(
    ("by", "order"),
    [([], [1, 2.5, "a", "b", True, None, None]), (["-"], [True, "b", "a", 2.5, 1, None, None])],
)
def test_sort_has_a_place_for_everything(by, order):
    found = call("sort", items=["b", None, 2.5, True, "a", 1, None], by=by)["items"]
    assert [repr(each) for each in found] == [repr(each) for each in order]


def test_sort_by_several_fields_is_stable():
    rows = [{"a": 1, "b": 1, "k": 0}, {"a": 1, "b": 2, "k": 1}, {"a": 0, "b": 1, "k": 2}, {"a": 1, "b": 1, "k": 3}]
    assert [row["k"] for row in call("sort", items=rows, by=["-a", "b"])["items"]] == [0, 3, 1, 2]


def test_measures():
    measures = {
        "all": "count", "named": "count name", "total": "sum n", "mean": "average n", "least": "min n", "most": "max n",
        "first": "first name", "last": "last name", "names": "list name",
    }  # fmt: skip
    rows = [{"name": "Ada", "n": 1}, {"name": None, "n": 0.1}, {"name": "Bo", "n": 0.2}]
    [found] = call("aggregate", items=rows, measures=measures)["items"]
    assert found == {
        "all": 3, "named": 2, "total": 1.3, "mean": 1.3 / 3, "least": 0.1, "most": 1, "first": "Ada", "last": "Bo", "names": ["Ada", "Bo"],
    }  # fmt: skip
    [none] = call("aggregate", items=[], measures=measures)["items"]
    assert (none["all"], none["total"], none["mean"], none["least"]) == (0, 0, None, None)
    assert "is not a number" in refused("aggregate", items=[{"n": "x"}], measures={"t": "sum n"})
    gaps = [{"n": 1}, {"n": ""}, {"n": 3}]
    measured = {"s": "sum n", "a": "average n", "l": "min n", "m": "max n"}
    assert call("aggregate", items=gaps, measures=measured)["items"] == [{"s": 4, "a": 2, "l": 1, "m": 3}]
    for bad in ("median n", "", 5, None):
        assert "must be one of count" in refused("aggregate", items=[], measures={"t": bad})
    assert "too large" in refused("aggregate", items=[1e308, 1e308], measures={"t": "sum"})


def test_duplicates_and_merges():
    assert call("dedupe", items=[1, 1.0, True, "1", None, None])["items"] == [1, True, "1", None]
    assert call("dedupe", items=[{"a": 1, "b": 2}, {"b": 2, "a": 1}])["removed"] == 1
    assert call("merge_lists", lists=[[1], [], [1, 2]]) == {"items": [1, 1, 2], "count": 3}
    assert call("merge", sources=[{"a": {"x": 1}}, {"a": {"y": 2}}]) == {"a": {"y": 2}}
    assert "sources[1] must be a mapping" in refused("merge", sources=[{}, []])
    assert "lists[0] must be a mapping" in refused("merge_lists", lists=[[1]], on="a")
    assert "It has: a" in refused("pick", source={"a": 1}, fields=["b"])


# --- formats ----------------------------------------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "=cmd|' /C calc'!A0"]
FORMULAS += ["  \t=1", " \n=1", "\u00a0=1", "\u200b=1", "\x01@x", "\uff1d1", " \uff0b1", "\uff0d1", "\uff20SUM(A1)"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_or_title_is_a_formula(text):
    written = call("write_csv", items=[{text: text, "n": -1}])["text"]
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert cells == [f"'{text}", "n", f"'{text}", "-1"]
    assert spreadsheets.inert(text) == f"'{text}", "reports are written by the same rule"
    kept = call("write_csv", items=[{"a": text}], guard_formulas=False)["text"]
    assert list(csv.reader(io.StringIO(kept, newline="")))[1] == [text]


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": _TEXT, "b": _TEXT}), max_size=5), st.sampled_from([",", ";", "\t", "|"]))
def test_csv_reads_what_it_wrote(rows, delimiter):
    text = call("write_csv", items=rows, columns=["a", "b"], delimiter=delimiter, guard_formulas=False)["text"]
    assert call("parse_csv", text=text, delimiter=delimiter)["items"] == rows


def test_csv_of_others():
    assert call("parse_csv", text="\ufeffa,b\n1\n\n2,3\n")["items"] == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]
    assert call("parse_csv", text="a,b\n", header=False)["items"] == [["a", "b"]]
    assert call("parse_csv", text="")["items"] == []
    assert "Row 2 has 3 columns, but the header has 2" in refused("parse_csv", text="a,b\n1,2,3")
    assert "The header repeats" in refused("parse_csv", text="a,a\n1,2")
    assert "Invalid CSV" in refused("parse_csv", text='a\n"open')
    assert "more than 10,000 rows" in refused("parse_csv", text="a\n" * 10_002)
    assert "columns" in refused("parse_csv", text="a," * 501)
    assert "field larger than" in refused("parse_csv", text="x" * 200_000)


def test_cells_of_every_kind():
    row = {"none": None, "yes": True, "list": [1, "a"], "number": 1.5}
    assert call("write_csv", items=[row])["text"] == 'none,yes,list,number\r\n,true,"[1,""a""]",1.5\r\n'
    assert "items[0] must be a mapping" in refused("write_csv", items=[1])
    assert "more than 1,000,000 characters" in refused("write_csv", items=[{"a": "x" * 200_000}] * 6)


def test_json_of_others():
    deep = "[" * 100 + "]" * 100
    for text, reason in (
        ("{", "Invalid JSON"), ("NaN", "Invalid JSON"), ('"\\ud800"', "Invalid JSON"), (deep, "nested more than 64"), ("[" * 100_000, "Invalid JSON"),
        ("[" + "1," * 100_001 + "1]", "more than 100,000 values"), (" " * 1_000_001, "The maximum is 1,000,000"),
    ):  # fmt: skip
        assert reason in refused("parse_json", text=text), text[:20]
    assert call("parse_json", text="12345678901234567890123")["value"] == 12345678901234567890123
    nested = {}
    for _ in range(70):
        nested = {"a": nested}
    assert "nested more than 64" in refused("write_json", value=nested)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
HOSTILE_XML = {
    "entities that grow": (BOMB, "DTD or entities"),
    "a file of ours": ('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>', "DTD or entities"),
    "a host of ours": ('<!DOCTYPE x SYSTEM "http://169.254.169.254/"><x/>', "DTD or entities"),
    "depth": ("<a>" * 100_000, "nested more than 64"),
    "width": (f"<a>{'<b/>' * 100_001}</a>", "more than 100,000 elements"),
    "attributes": (f"<a {' '.join(f'a{n}=""' for n in range(100_001))}/>", "more than"),
    "no end": ("<a><b></a>", "Invalid XML"),
    "nothing": ("", "Invalid XML"),
    "two": ("<a/><b/>", "Invalid XML"),
    "size": ("x" * 1_000_001, "The maximum is 1,000,000"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", HOSTILE_XML)
def test_xml_of_strangers(name):
    text, reason = HOSTILE_XML[name]
    with at_most(200):
        assert reason in refused("parse_xml", text=text)


def test_xml_of_friends():
    text = '<?xml version="1.0" encoding="latin-1"?><s:a xmlns:s="urn:x" s:k="1"><!-- c --> t <b/>ü<![CDATA[<&]]></s:a>'
    assert call("parse_xml", text=text)["value"] == {"a": {"@k": "1", "b": "", "#text": "t ü<&"}}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "exactly one field"), ({"a": 1, "b": 2}, "exactly one field"), ({"a": [1]}, "exactly one field"),
        ({"a b": 1}, "not a valid XML name"), ({"a><script": 1}, "not a valid XML name"), ({"a": {"@x y": 1}}, "not a valid XML name"),
        ({"a": {"@x": {}}}, "got mapping"), ({"a": {"b": [[1]]}}, "list within a list"), ({"a": "\x01"}, "U+0001"),
    ],
    ids=str,
)  # fmt: skip
def test_xml_that_cannot_be_written(value, reason):
    assert reason in refused("write_xml", value=value)


_XML_TEXT = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=10)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["@a", "b", "c"]), _XML_TEXT, min_size=1))
def test_xml_reads_what_it_wrote(inner):
    assert call("parse_xml", text=call("write_xml", value={"x": inner})["text"])["value"] == {"x": inner}


GERMAN = "Artikel;Betrag;Faellig\r\nA;1.234,50;01.12.2026\r\nB;250,00 \u20ac;15.12.2026\r\nC;0049;x\r\n"


def test_numbers_and_dates_of_a_file_are_read_in_the_notation_that_is_chosen():
    read = call("parse_csv", text=GERMAN, delimiter=";", numbers=",", dates="day")["items"]
    assert [row["Betrag"] for row in read] == [1234.5, 250, "0049"]
    assert [row["Faellig"] for row in read] == ["2026-12-01", "2026-12-15", "x"]
    assert call("aggregate", items=read[:2], measures={"t": "sum Betrag"})["items"] == [{"t": 1484.5}]
    assert call("filter", items=read[:2], where=[{"field": "Faellig", "op": "<", "value": "2026-12-02"}])["count"] == 1
    assert call("parse_csv", text=GERMAN, delimiter=";")["items"][0]["Betrag"] == "1.234,50"
    written = "1,250|1.250|2 000|-1,5\n+49|1e5|12345678901234567|x\n03/04/2026|||"
    rows = call("parse_csv", text=written, delimiter="|", header=False, numbers=".", dates="month")["items"]
    assert rows[0] == [1250, 1.25, 2000, "-1,5"], "a column without numbers stays text"
    assert rows[1:] == [["+49", "1e5", "12345678901234567", "x"], ["2026-03-04", "", "", ""]]
    assert call("parse_csv", text="1.250", header=False, numbers=",")["items"] == [[1250]]


@pytest.mark.parametrize(("cells", "numbers"), [(("1,234.50", "1,250"), ","), (("1.234,50", "1.250"), ".")])
def test_numbers_in_another_notation_than_the_chosen_one_are_refused(cells, numbers):
    written = "Betrag|n\n" + "".join(f"{cell}|1\n" for cell in cells)
    assert f"Row 2: “{cells[0]}” is no number" in refused("parse_csv", text=written, delimiter="|", numbers=numbers)


@pytest.mark.parametrize(
    ("action", "params", "said"),
    [
        ("filter", {"where": [{"field": "Betragg", "op": ">", "value": 1}]}, "No item has the field Betragg"),
        ("filter", {"where": [{"field": "Betrag", "op": ">", "value": 1}]}, "1 item was left out"),
        ("filter", {"where": [{"field": "Tag", "op": "<", "value": "2026-12-15"}]}, "1 item was left out"),
        ("filter", {"where": [{"field": "Betragg", "op": "empty", "value": True}]}, ""),
        ("filter", {"where": [{"field": "Artikel", "op": "==", "value": "A"}]}, ""),
        ("aggregate", {"measures": {"t": "sum Betragg"}}, "Fields of the items: Artikel, Betrag, Tag"),
        ("aggregate", {"by": ["artikel"], "measures": {"n": "count"}}, "No item has the field artikel"),
        ("sort", {"by": ["-Tagg"]}, "No item has the field Tagg"),
        ("dedupe", {"by": ["Tagg"]}, "No item has the field Tagg"),
    ],
)
def test_what_is_passed_over_is_a_warning_in_the_log(action, params, said):
    items = [{"Artikel": "A", "Betrag": 5, "Tag": ""}, {"Artikel": "B", "Betrag": "abc", "Tag": "2026-12-20"}]
    lines = []
    used = {**context(), "log": lambda message, level="info": lines.append((level, message))}
    kept = json.loads(invoke(ADAPTER, ADAPTER.action(action), {"items": items, **params}, used))
    assert [level for level, _ in lines] == ["warning"] * bool(said)
    assert said in "".join(message for _, message in lines)
    assert kept["count"] == {"Betrag": 1, "Tag": 0}.get(params.get("where", [{}])[0].get("field"), kept["count"])
    quiet = []
    used["log"] = lambda message, level="info": quiet.append(message)
    invoke(ADAPTER, ADAPTER.action(action), {"items": [], **params}, used)
    assert quiet == [], "no items, no wrong field"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["01.03.2026", "24.12.2025", ""], "not by date: it has texts such as “01.03.2026”"),
        (["2026-03-01", "24.12.2025"], "not by date: it has texts such as “24.12.2025”"),
        (["99,90", "1.234,50", "12.000,00"], "not by number: it has texts such as “99,90”"),
        (["10", "9"], "not by number: it has texts such as “10”"),
        (["2026-03-01", "2025-12-24"], ""),
        (["A-10", "9"], ""),
        ([10, 9, None], ""),
        (["01.03.2026", "soon"], ""),
    ],
)
def test_a_sort_that_is_none_of_dates_or_numbers_says_so(values, said):
    lines = []
    used = {**context(), "log": lambda message, level="info": lines.append((level, message))}
    invoke(ADAPTER, ADAPTER.action("sort"), {"items": [{"a": each} for each in values], "by": ["-a"]}, used)
    assert [level for level, _ in lines] == ["warning"] * bool(said)
    assert said in "".join(message for _, message in lines)


@pytest.mark.parametrize("op", ["sum", "average", "min", "max"])
def test_measures_of_numbers_of_people_say_where_their_notation_is_chosen(op):
    items = [{"a": "1.234,50"}, {"a": "99,90"}]
    said = refused("aggregate", items=items, measures={"t": f"{op} a"})
    assert "Did you mean 1234.5?" in said and "under Numbers in the step that reads it" in said
    said = refused("filter", items=items, where=[{"field": "a", "op": ">", "value": 200}])
    assert "under Numbers in the step that reads it" in said
    plain = call("aggregate", items=[{"a": "9"}, {"a": "10"}], measures={"t": f"{op} a"})["items"][0]["t"]
    assert plain == {"sum": 19, "average": 9.5, "min": "9", "max": "10"}[op]


# --- dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "amount", "unit", "zone", "result"),
    [
        ("2026-03-28T12:00:00", 1, "days", "Europe/Berlin", "2026-03-29T12:00:00+02:00"),
        ("2026-03-28T12:00:00", 24, "hours", "Europe/Berlin", "2026-03-29T13:00:00+02:00"),
        ("2026-03-31", -1, "months", "UTC", "2026-02-28T00:00:00+00:00"),
        ("2024-02-29", 1, "years", "UTC", "2025-02-28T00:00:00+00:00"),
        ("2026-01-01T00:00:00Z", 90, "seconds", "America/New_York", "2025-12-31T19:01:30-05:00"),
        ("2026-01-01", 2, "weeks", "UTC", "2026-01-15T00:00:00+00:00"),
    ],
)
def test_adding_to_dates(date, amount, unit, zone, result):
    assert call("add_to_date", date=date, amount=amount, unit=unit, timezone=zone)["date"] == result


@pytest.mark.parametrize(
    ("start", "end", "unit", "value"),
    [
        ("2026-03-28", "2026-03-30", "hours", 47),
        ("2026-03-28", "2026-03-30", "days", 2),
        ("2026-01-31", "2026-02-28", "months", 1),
        ("2026-01-31", "2026-02-27", "months", 0),
        ("2026-03-01", "2026-01-15", "months", -1),
        ("2000-02-29", "2026-02-28", "years", 26),
        ("2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z", "minutes", 60),
    ],
)
def test_differences_of_dates(start, end, unit, value):
    assert call("date_difference", **{"from": start, "to": end}, unit=unit, timezone="Europe/Berlin")["value"] == value


def test_dates_for_people():
    text = {"date": "2026-03-01T22:30:00Z", "timezone": "Asia/Tokyo"}
    assert call("format_date", **text, format="yyyy-MM-dd HH:mm")["text"] == "2026-03-02 07:30"
    assert call("format_date", **text, format="d. MMM", locale="de-DE")["text"] == "2. März"
    assert call("parse_date", text="2026-03-01")["weekday"] == 7


@pytest.mark.parametrize(
    ("action", "params", "reason"),
    [
        ("parse_date", {"text": "soon"}, "not an ISO 8601"),
        ("parse_date", {"text": "1.2.", "format": "%d.%m."}, "needs a year"),
        ("parse_date", {"text": "x", "format": "%Y"}, "does not match the format"),
        ("parse_date", {"text": "x", "format": "%Y%Y"}, "does not match the format"),
        ("parse_date", {"text": "x", "format": "%Q%Y"}, "does not match the format"),
        ("parse_date", {"text": "2026-01-01", "timezone": "../../etc/passwd"}, "not a time zone"),
        ("parse_date", {"text": "2026-01-01", "timezone": "Mars/Base"}, "not a time zone"),
        ("parse_date", {"text": "0001-01-01T00:00:00+14:00"}, "out of range"),
        ("parse_date", {"text": "x" * 201}, "The maximum is 200"),
        ("add_to_date", {"date": "2026-01-01", "amount": 10**12, "unit": "years"}, "outside the calendar"),
        ("add_to_date", {"date": "2026-01-01", "amount": 10**30, "unit": "seconds"}, "outside the calendar"),
        ("add_to_date", {"date": "2026-01-01", "amount": 1, "unit": "moons"}, "unit must be one of"),
        ("format_date", {"date": "2026-01-01", "locale": "xx_nope"}, "not a language"),
        ("format_date", {"date": "2026-01-01", "locale": "../x"}, "not a language"),
    ],
)
def test_dates_that_are_none(action, params, reason):
    assert reason in refused(action, **params)


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(.*)*x", "((a?){30})*a{30}$"])
def test_a_pattern_is_matched_in_linear_time(pattern):
    assert in_proportion(lambda size: call("match_text", text="a" * size + "!", pattern=pattern), 3_000)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"pattern": "(?=a)"}, "not support look-around"),
        ({"pattern": r"(a)\1"}, "not support look-around"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "x" * 501}, "The maximum is 500"),
        ({"pattern": "((((a{1000}){1000}){1000}){1000})"}, "pattern"),
        ({"pattern": "", "text": "a" * 20_000}, "more than 10,000 matches"),
        ({"pattern": "a", "text": "a" * 100_001}, "The maximum is 100,000"),
    ],
    ids=str,
)
def test_patterns_that_are_refused(params, reason):
    assert reason in refused("match_text", **{"text": "abc", **params})


@pytest.mark.extended
def test_replacing():
    assert call("replace_pattern", text="a1b22", pattern=r"(\d)(\d)?", by=r"<\2\1\0\\>")["text"] == "a<11\\>b<2222\\>"
    assert call("replace_pattern", text="äÄ", pattern="ä", by="x", ignore_case=True)["text"] == "xx"
    assert call("replace_pattern", text="ab", pattern="", by="-")["text"] == "-a-b-"
    assert "refers to group 2" in refused("replace_pattern", text="a", pattern="(a)", by=r"\2")
    assert "more than 1,000,000" in refused("replace_pattern", text="a" * 100_000, pattern="a", by="x" * 100)
    assert "more than 50,000 matches" in refused("replace_pattern", text="a" * 100_000, pattern="a", by="b")
    assert "more than 1,000,000" in refused("replace_text", text="a" * 100_000, find="a", by="x" * 100)
    assert "find is required" in refused("replace_text", text="a", find="", by="b")


def test_splitting_and_joining():
    assert call("split_text", text=" a  b ")["items"] == ["a", "b"]
    assert call("split_text", text="a, ,b", separator=",", strip=False)["items"] == ["a", " ", "b"]
    assert "more than 10,000 parts" in refused("split_text", text="," * 10_001, separator=",")
    assert "items[1] must be a single value" in refused("join_text", items=["a", {}])
    assert "more than 1,000,000" in refused("join_text", items=["x" * 1_000] * 1_001)
    assert call("slugify", text="Grüße 2", unicode=True)["text"] == "grüße-2"


# --- all of them ------------------------------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SHARED = st.dictionaries(
    st.sampled_from(sorted({spec.name for action in ADAPTER.actions for spec in action.fields or ()})), ANY, max_size=6
)


@pytest.mark.extended
@settings(max_examples=150, deadline=None)
@given(st.sampled_from([action.name for action in ADAPTER.actions]), SHARED)
def test_whatever_comes_in_an_output_or_a_reason_comes_out(action, params):
    """Never an exception that is no ConnectorError of ours: `invoke` would call it unexpected_error."""
    try:
        call(action, **params)
    except ConnectorError as error:
        assert error.code in {"invalid_input", "missing_field", "invalid_output"}, (error.code, error.message)


def test_names_of_fields_are_capped():
    for action, most in (("sort", 10), ("dedupe", 20)):
        assert f"up to {most} field names" in refused(action, items=[{}], by=["a"] * (most + 1))
        assert "field names" in refused(action, items=[{}], by=[5])


@pytest.mark.matrix
@pytest.mark.parametrize("action", ["filter", "sort", "aggregate", "dedupe", "write_csv"])
def test_lists_are_capped_and_fast(action):
    more = {"where": {"n": 5}, "by": ["n"], "measures": {"t": "sum n"}}
    names = {spec.name for spec in ADAPTER.action(action).fields}
    params = {name: value for name, value in more.items() if name in names}
    with at_most(200):
        call(action, items=[{"n": number % 97} for number in range(10_000)], **params)
    assert "The maximum is 10,000" in refused(action, items=[{"n": 1}] * 10_001, **params)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"field": "n", "op": "in", "value": 2}, 'Condition 2 needs a list of at most 1000 values for "is one of".'),
        (
            {"field": "n", "op": "empty", "value": 2},
            'Condition 2: the operator "is empty" needs the value true or false.',
        ),
        ({"field": 2}, "The field of Condition 2 must be text."),
    ],
)
def test_a_refused_condition_is_named_as_on_the_screen(condition, said):
    where = [{"field": "n", "value": 1}, condition]
    connector = DataConnector()
    with pytest.raises(ConnectorError) as refused:
        invoke(connector, connector.action("filter"), {"items": [{"n": 1}], "where": where}, context())
    assert str(refused.value) == said


@pytest.mark.parametrize("written", ["5.000,-", "5.000,- €"])
def test_an_amount_without_cents_is_proposed(written):
    assert 5000 in number_readings(written)


@pytest.mark.parametrize(
    ("cells", "params", "said"),
    [
        ("a|12.345,6|x", {"numbers": "."}, ["No value is a number in the form 1,234.50"]),
        ("a|12.345,6|x", {"numbers": ","}, []),
        ("a|b|31/12/2026", {"dates": "month"}, ["No value is a date"]),
        ("a|b|31/12/2026", {"dates": "day"}, []),
        ("a|b|c", {"numbers": ",", "dates": "day"}, ["No value is a number", "No value is a date"]),
        ("a|b|c", {}, []),
        ("", {"numbers": ",", "dates": "day"}, []),
    ],
)
@pytest.mark.parametrize("action", ["parse_csv", "read_csv_file"])
@pytest.mark.parametrize("header", [True, False])
def test_a_notation_of_a_csv_that_fits_no_value_is_a_warning(action, header, cells, params, said):
    lines, files = [], MemoryFiles()
    written = f"p|q|r\n{cells}\n" if cells and header else cells
    document = {"text": written}
    if action == "read_csv_file":
        document = {"file": files.create("a.csv", written.encode(), "text/csv")}
    used = {**context(files=files), "log": lambda message, level="info": lines.append((level, message))}
    invoke(ADAPTER, ADAPTER.action(action), {**document, "delimiter": "|", "header": header, **params}, used)
    assert [level for level, _ in lines] == ["warning"] * len(said)
    assert all(part in line for part, (_, line) in zip(said, lines, strict=True))


def test_the_fields_to_group_and_sort_by_stand_among_the_first():
    for connector, name in (
        (DataConnector(), "aggregate"),
        (DataConnector(), "sort"),
        (ModelsConnector(), "aggregate"),
    ):
        [by] = [field for field in connector.action(name).fields if field.label in {"Group by", "Sort by"}]
        assert by.shown, name


def test_a_missing_measure_says_what_to_add():
    for connector in (DataConnector(), ModelsConnector()):
        [measures] = [field for field in connector.action("aggregate").fields if field.name == "measures"]
        assert measures.problem(None).startswith("measures is required. Add a measure: ")


def test_the_delimiter_of_a_csv_stands_among_the_first_fields():
    connector = DataConnector()
    for name in ("parse_csv", "read_csv_file"):
        shown = {field.name for field in connector.action(name).fields if field.shown}
        assert {"delimiter", "numbers", "dates"} <= shown
