"""`automate api`: each operation of the server by its name in the OpenAPI document."""

from __future__ import annotations

import json

import pytest

from automate_cli.operations import call_of, read_operations
from tests.conftest import ROOT

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
GREET = """
name: Greet
slug: greet
triggers: [{kind: manual, key: by_hand, inputs: [{name: who, label: Who, kind: text, required: true}]}]
steps: [{kind: stop, key: done}]
"""


class Described:
    """A server that describes its API, and does nothing else."""

    server = "https://automate.example.com"

    def get(self, path):
        assert path == "/openapi.json"
        return DOCUMENT


OPERATIONS = read_operations(Described())


@pytest.fixture
def signed_in(cli, api, live_server, owner):
    assert cli("login", live_server.url, stdin=api(owner).plain).code == 0
    return cli


def test_every_operation_is_there():
    described = {each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()}
    assert OPERATIONS.keys() == described and len(described) > 80


def test_every_operation_can_be_called_with_its_parameters():
    for operation in OPERATIONS.values():
        call = call_of(operation, {name: ["a/b?c"] for name in operation.places})
        assert call.path.startswith("/") and not set("{}?") & set(call.path)
        assert call.path.count("/") == operation.path.count("/"), "a value leads to no other path"
        found = [operation.places[name] for name in [*call.query, *call.headers]]
        assert sorted(found) == sorted(place for place in operation.places.values() if place != "path")


@pytest.mark.django_db(transaction=True)
def test_operations_are_listed(signed_in):
    listed = {each["name"]: each for each in signed_in("api", "--json").json()}
    assert listed["pause_workflow"] == {
        "name": "pause_workflow", "method": "POST", "path": "/workflows/{slug}/pause", "summary": "Pause workflow",
        "parameters": "slug, Idempotency-Key", "takes_body": True,
    }  # fmt: skip
    assert "list_runs" in signed_in("api").out


@pytest.mark.django_db(transaction=True)
def test_an_operation_is_called(signed_in, workflow, home):
    workflow(GREET)
    cli = signed_in
    paused = cli("api", "pause_workflow", "--param", "slug=greet", "--body", "reason=Stocktaking").json()
    assert (paused["slug"], paused["status"]) == ("greet", "paused")
    assert [each["slug"] for each in cli("api", "list_workflows", "--param", "status=paused").json()["items"]] == [
        "greet"
    ]
    assert cli("api", "list_workflows", "--param", "status=active").json()["items"] == []
    (home / "work" / "body.json").write_text('{"inputs": {"who": "Ada"}}')
    start = ("api", "start_run", "--param", "slug=greet", "--param", "Idempotency-Key=k", "--body-file", "body.json")
    started = cli(*start).json()
    assert cli(*start).json()["id"] == started["id"]
    exported = cli("api", "export_workflow", "--param", "slug=greet", "--param", "version=published")
    assert exported.code == 0 and "slug: greet" in exported.out
    copy = cli("workflows", "copy", "greet", "--json").json()["slug"]
    deleted = cli("api", "delete_workflow", "--param", f"slug={copy}")
    assert (deleted.code, deleted.out, deleted.err) == (0, "", "")
    assert cli("api", "read_workflow", "--param", f"slug={copy}").code == 1


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_printed_until_it_ends(signed_in, workflow, drain):
    workflow(GREET)
    run = signed_in("runs", "start", "greet", "--input", "who=Ada", "--json").json()["id"]
    drain()
    streamed = signed_in("api", "stream_run", "--param", f"run_id={run}")
    assert streamed.code == 0 and "event: run" in streamed.out, streamed.err


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_called_is_refused(signed_in):
    for arguments, said in (
        (["pause_everything"], "no operation pause_everything. To list them: automate api"),
        (["read_workflow"], "needs --param slug=VALUE"),
        (["read_workflow", "--param", "slug=a", "--param", "colour=red"], "no parameter colour. It has: slug."),
        (["read_workflow", "--param", "slug"], "--param must be NAME=VALUE"),
        (["read_workflow", "--param", "slug=a", "--body", "a=b"], "read_workflow takes no body"),
        (["read_workflow", "--param", "slug=.."], "'..' is not a name"),
        (["list_workflows", "--param", "status=odd"], "status"),
    ):
        refused = signed_in("api", *arguments)
        assert refused.code == 2 and said in refused.err and refused.out == "", refused.err


def test_another_document_is_not_the_api(cli, sink):
    sink.answer = lambda number, path: (200, {"openapi": "3.1.0"}, {})
    ended = cli("api", AUTOMATE_SERVER=sink.url, AUTOMATE_TOKEN="dat_AbCd1234_" + "s" * 49)
    assert ended.code == 4 and "does not describe its API" in ended.err
