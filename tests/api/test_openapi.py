"""The OpenAPI document: the committed one is the served one."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from automate_api.v1 import document as served_document
from automate_api.v1.api import api
from tests.conftest import ROOT


def test_the_committed_document_is_up_to_date(capsys):
    call_command("automate_openapi", "-")
    written = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert capsys.readouterr().out == written, "run manage.py automate_openapi"


@pytest.mark.django_db
def test_the_document_is_served_without_a_token(client):
    served = client.get("/api/v1/openapi.json")
    assert served.status_code == 200
    assert served.json() == json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert served.json()["openapi"].startswith("3.1")
    again = client.get("/api/v1/openapi.json", headers={"if-none-match": served.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.django_db
def test_strangers_have_it_made_once_and_are_told_when_they_have_it(client, monkeypatch, django_assert_num_queries):
    made = []
    make = api.get_openapi_schema
    monkeypatch.setattr(api, "get_openapi_schema", lambda **options: made.append(options) or make(**options))
    served_document._made.cache_clear()
    with django_assert_num_queries(0):
        first, second = (client.get("/api/v1/openapi.json") for _ in range(2))
        tag = first.headers["ETag"]
        same = client.get("/api/v1/openapi.json", headers={"If-None-Match": f'"other", {tag}'})
        other = client.get("/api/v1/openapi.json", headers={"If-None-Match": '"other"'})
        asked = client.head("/api/v1/openapi.json")
    assert len(made) == 1 and first.content == second.content == other.content
    assert first.headers["Cache-Control"] == "public, max-age=300" and "Set-Cookie" not in first.headers
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert (asked.status_code, asked.content, asked.headers["ETag"]) == (200, b"", tag)
    assert client.post("/api/v1/openapi.json").status_code == 405


def test_each_operation_says_what_it_does():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert all(each["description"].split("\n")[0].endswith(".") for each in operations)
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["security"] == [{"BearerToken": []}] for each in operations)
    assert not any(path.endswith("/") for path in document["paths"])


def test_parameters_of_one_form_have_a_pattern():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    parameters = [each for operation in operations for each in operation.get("parameters", ())]
    found = {each["name"] for each in parameters if "pattern" in json.dumps(each["schema"])}
    bare = {each["name"] for each in parameters if "pattern" not in json.dumps(each["schema"])}
    assert {"slug", "cursor", "trace"} <= found - bare
    texts = [each for each in parameters if each["in"] == "path" and each["schema"]["type"] == "string"]
    assert {each["name"] for each in texts if not {"pattern", "format"} & each["schema"].keys()} == set()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CommandError, match="cannot be written") as error:
        call_command("automate_openapi", str(tmp_path / "none" / "openapi.json"))
    assert error.value.returncode == 2


def _document():
    return json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))


def test_headers_have_their_names_on_the_wire():
    document = _document()
    operations = {each["operationId"]: each for methods in document["paths"].values() for each in methods.values()}
    headers = {
        (name, each["name"]): each
        for name, operation in operations.items()
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }
    assert [name for _, name in headers if "_" in name or name != "-".join(map(str.capitalize, name.split("-")))] == [
        "Last-Event-ID"
    ]
    assert headers["replace_draft", "If-Match"]["required"] is True


def test_answers_have_their_media_types_and_headers():
    document = _document()
    operations = {each["operationId"]: each for methods in document["paths"].values() for each in methods.values()}
    assert list(operations["export_workflow"]["responses"]["200"]["content"]) == ["application/yaml"]
    assert list(operations["start_run"]["responses"]["2XX"]["content"]) == ["*/*"]
    described = set(document["components"]["headers"])
    for name, operation in operations.items():
        for response in operation["responses"].values():
            assert "$ref" in response or response["headers"].keys() <= described, name
    assert "ETag" in operations["read_draft"]["responses"]["200"]["headers"]
    assert "Content-Disposition" in operations["download_run_file"]["responses"]["200"]["headers"]
    assert "Retry-After" in document["components"]["responses"]["Problem"]["headers"]


def test_nothing_of_the_document_is_left_over():
    document = _document()
    written = json.dumps(document)
    assert [name for name in document["components"]["schemas"] if f'/schemas/{name}"' not in written] == []
    tags = {each["name"] for each in document["tags"]}
    assert tags == {tag for methods in document["paths"].values() for each in methods.values() for tag in each["tags"]}
    assert document["servers"]


def test_names_are_plain_and_closed_sets_are_enums():
    schemas = _document()["components"]["schemas"]
    assert {"RunPage", "WorkflowSummaryPage"} <= set(schemas)
    assert [name for name in schemas if not name.isalnum()] == []
    closed = {"Run.origin", "ActiveTriggerState.kind", "TriggerMatch.kind", "DeadJob.kind", "AuditEntry.source"}
    closed |= {"RunWithWaits.origin", "ServerHealth.status", "ServerHealth.worker"}
    fields = {f"{name}.{field}": each for name, schema in schemas.items() for field, each in _properties(schema)}
    assert [name for name in sorted(closed) if len(fields[name].get("enum", ())) < 2] == []
    assert {"webhook", "mail", ""} <= set(fields["Run.origin"]["enum"])
    values = [name for name, each in fields.items() if "More can follow" in each.get("description", "")]
    assert values == ["Problem.code"], "a list of values in prose, where the document can name them"
    assert "not_a_choice" in fields["Problem.errors"]["items"]["properties"]["code"]["enum"]


def _properties(schema):
    return schema.get("properties", {}).items()
