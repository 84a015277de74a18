"""The data connector's files: CSV, Excel, PDF, JSON and text, and attachments of email.

A good call of each action, with its output, stands in tests/contracts/fixtures/data.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile

import openpyxl
import pytest
from openpyxl.worksheet._writer import ALL_TEMP_FILES

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data import DataConnector
from automate_connectors.adapters.email import EmailConnector
from automate_connectors.invocation import describe_call, invoke
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.files import file_value
from automate_testing.fakes import SAMPLE_FILE, MemoryFiles, context

ADAPTER = DataConnector()


def given(content, name="a", content_type="text/plain"):
    files = MemoryFiles({"given": content})
    return files, file_value("given", name=name, content_type=content_type, size=len(content))


def call(files, action, **params):
    return json.loads(invoke(ADAPTER, ADAPTER.action(action), params, context(files=files)))


def test_excel_goes_both_ways_and_holds_no_formula():
    files = MemoryFiles()
    rows = [
        {"name": "=HYPERLINK(1)", "n": 2, "more": {"a": [1]}, "ok": True},
        {"name": "Größe", "n": -1.5, "more": None, "ok": False},
    ]
    written = call(files, "write_excel", filename="orders", sheet="Orders", items=rows)["file"]
    assert written["name"] == "orders.xlsx"
    sheet = openpyxl.load_workbook(io.BytesIO(files.contents[written["$file"]]))["Orders"]
    assert sheet["A2"].value == "=HYPERLINK(1)" and sheet["A2"].data_type == "s", "a text, not a formula"
    read = call(files, "read_excel", file=written)
    assert read["items"] == [{**rows[0], "more": '{"a":[1]}'}, rows[1]] and read["sheets"] == ["Orders"]
    assert call(files, "read_excel", file=written, sheet="Orders", header=False)["items"][0] == list(rows[0])
    assert not files.unclosed


@pytest.mark.parametrize(
    "rows", [[{"name": "a\x0bb"}], [{"a\x00b": 1}], [{"name": {"inside": "\x1b"}}, {"name": "\x07"}]]
)
def test_a_text_that_excel_cannot_hold_is_named(rows):
    files = MemoryFiles()
    with pytest.raises(ConnectorError) as caught:
        call(files, "write_excel", filename="orders", items=rows)
    assert (caught.value.code, "has a control character" in caught.value.message) == ("invalid_input", True)
    assert files.contents.keys() == {"sample"} and not files.unclosed
    assert ALL_TEMP_FILES == [], "what was written so far is deleted"


def test_csv_of_other_programs_is_read():
    files, file = given("name;größe\r\nÄnne;1".encode("cp1252"), "a.csv", "text/csv")
    assert call(files, "read_csv_file", file=file, delimiter=";")["items"] == [{"name": "Änne", "größe": "1"}]
    written = call(files, "write_csv_file", filename="a.csv", items=[{"a": "=1"}])["file"]
    assert files.contents[written["$file"]] == "\ufeffa\r\n'=1\r\n".encode()


def _bomb():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * 100_000_001)
    return packed.getvalue()


FAULTS = {
    "no workbook": ("read_excel", lambda: b"PK\3\4 nonsense", {}),
    "an archive that is none": ("read_excel", lambda: _archive({"a": b"1"}), {}),
    "a workbook that unpacks without an end": ("read_excel", _bomb, {}),
    "a sheet that is not there": ("read_excel", lambda: _workbook(), {"sheet": "Nowhere"}),
    "no PDF": ("read_pdf", lambda: b"%PDF-1.7 nonsense", {}),
    "an empty file as a PDF": ("read_pdf", lambda: b"", {}),
    "no JSON": ("read_json_file", lambda: b"{", {}),
    "bytes as text": ("read_text_file", lambda: b"\xff\xfe\0", {"encoding": "utf-8-sig"}),
    "too long": ("read_text_file", lambda: b"x" * 1_000_001, {}),
    "CSV with a broken quote": ("read_csv_file", lambda: b'a\n"b', {}),
}


def _archive(parts):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _workbook():
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    return out.getvalue()


@pytest.mark.extended
def test_hostile_and_broken_files_are_refused():
    found = {}
    for fault, (action, content, params) in FAULTS.items():
        files, file = given(content())
        try:
            found[fault] = call(files, action, file=file, **params)
        except ConnectorError as error:
            found[fault] = error.code
        assert not files.unclosed, fault
    assert found == dict.fromkeys(FAULTS, "invalid_input")


def test_an_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    files, file = given(b"")
    with pytest.raises(ConnectorError) as caught:
        call(files, "read_excel", file=file)
    assert caught.value.code == "extra_missing" and "[excel]" in caught.value.message


def test_a_field_for_files_takes_files_alone():
    field = FieldSpec(name="document", kind=FieldKind.FILE)
    assert field.problem(SAMPLE_FILE) is None
    taken = [
        value
        for value in ("a text", {"name": "a"}, {**SAMPLE_FILE, "size": "1"}, {"$file": 1}, [])
        if not field.problem(value)
    ]
    assert taken == [] and "must be a file" in str(field.problem("a text"))


def test_a_file_is_attached_to_an_email(mailoutbox):
    files, file = given(b"%PDF-1.7", "bill.pdf", "application/pdf")
    params = {
        "to": "a@example.com",
        "subject": "Bill",
        "text": "See it",
        "attachments": [file, {"file": file, "filename": "copy.pdf"}, {"filename": "note.txt", "text": "Hi"}],
    }
    invoke(EmailConnector(), EmailConnector().action("send"), params, context(files=files))
    [message] = mailoutbox
    assert [(each.filename, each.mimetype) for each in message.attachments] == [
        ("bill.pdf", "application/pdf"),
        ("copy.pdf", "application/pdf"),
        ("note.txt", "text/plain"),
    ]
    assert message.attachments[0].content == b"%PDF-1.7"
    dry = {name: value for name, value in context().items() if name != "files"}
    described = describe_call(EmailConnector(), EmailConnector().action("send"), params, dry)
    assert described["summary"], "a dry run needs no file"
    with pytest.raises(ConnectorError) as caught:
        program = given(b"MZ", "run.exe")
        invoke(
            EmailConnector(),
            EmailConnector().action("send"),
            {**params, "attachments": [program[1]]},
            context(files=program[0]),
        )
    assert caught.value.code == "invalid_input"
