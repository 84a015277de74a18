"""The JSON Schema of workflow files: it takes what the site takes, at its URL and by its command."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from automate_authoring.definitions.yaml_files import read_yaml
from automate_authoring.library.files import installed_templates
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from tests.conftest import ROOT

URL = "/api/v1/workflow-file.schema.json"
EXAMPLES = sorted((ROOT / "examples").rglob("workflows/*.yaml"))
STEP = {"key": "say", "action": "data.set"}


@pytest.fixture(scope="module")
def schema():
    """What the command prints."""
    from io import StringIO

    out = StringIO()
    call_command("automate_file_schema", stdout=out)
    found = json.loads(out.getvalue())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_hold_to_the_schema(schema, path):
    schema.validate(read_yaml(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("slug", sorted(installed_templates()))
def test_the_templates_hold_to_the_schema(schema, slug):
    schema.validate(installed_templates()[slug].document["workflow"])


@pytest.mark.parametrize(
    ("part", "is_valid"),
    [
        ({}, True),
        ({"steps": [STEP]}, True),
        ({"triggers": [{"endpoint": "github"}], "steps": [{"kind": "action"} | STEP]}, True),
        ({"steps": [{"kind": "try", "key": "t", "steps": [STEP], "always": [{"kind": "stop", "key": "s"}]}]}, True),
        ({"steps": [STEP | {"on_error": {"steps": [STEP | {"key": "b"}]}}]}, True),
        ({"steps": [STEP | {"nothing": 1}]}, False),
        ({"steps": [{"kind": "nothing", "key": "say"}]}, False),
        ({"steps": [{"action": "data.set"}]}, False),
        ({"steps": [STEP | {"key": "Not a key"}]}, False),
        ({"steps": [STEP | {"on_error": {"steps": [{"key": "b"}]}}]}, False),
        ({"triggers": [{"kind": "webhook"}]}, False),
        ({"priority": 11}, False),
        ({"slug": "Not A Slug"}, False),
        ({"more": 1}, False),
        ({"schema": 2}, False),
    ],
)  # fmt: skip
def test_it_takes_and_refuses_what_the_import_does(schema, part, is_valid):
    document = {"name": "W", "slug": "w"} | part
    try:
        parse(document)
        is_taken = True
    except DefinitionError:
        is_taken = False
    assert (schema.is_valid(document), is_taken) == (is_valid, is_valid)


def test_it_is_served_to_everybody_and_kept(client, schema):
    answer = client.get(URL)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/schema+json")
    assert answer.json() == schema.schema
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    again = client.get(URL, headers={"if-none-match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.post(URL).status_code == 405
    assert URL in (ROOT / "docs" / "workflow-files.md").read_text(encoding="utf-8")
