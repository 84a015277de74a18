"""Wild input to every operation is never an error of the server: schemathesis makes it from the OpenAPI document."""

from __future__ import annotations

import json

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.support.api_operations import OPERATIONS, World

pytestmark = pytest.mark.django_db

_PARTS = {"method", "url", "headers", "params", "data", "json", "cookies"}
EXAMPLES = 6
MANY_EXAMPLES = 100


@pytest.fixture(scope="module")
def document():
    written = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    schema = schemathesis.openapi.from_dict(written)
    schema.config.update(base_url="http://testserver")
    return schema


def _send(case, plain):
    """Send a case by Django's client, as any client of HTTP encodes it."""
    arguments = case.as_transport_kwargs()
    arguments["headers"] = dict(arguments.pop("headers", {})) | {"Authorization": f"Bearer {plain}"}
    made = requests.Request(**{k: v for k, v in arguments.items() if k in _PARTS}).prepare()
    kind = made.headers.pop("Content-Type", "")
    headers = {name: value for name, value in made.headers.items() if name != "Content-Length"}
    address = made.url.removeprefix("http://testserver")
    client = Client(raise_request_exception=False)
    body = made.body.encode() if isinstance(made.body, str) else made.body or b""
    return client.generic(made.method, address, body, content_type=kind, headers=headers)


def _fuzz(name, examples, document, api, workflow, owner, colleague, settings_):
    settings_.AUTOMATE_API_RATE = 0
    client = api(owner)
    world = World(owner, colleague, workflow, api(owner).token)
    row = OPERATIONS[name]
    known = {part.split("}")[0]: getattr(world, part.split("}")[0]) for part in row.path.split("{")[1:]}
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    operation = document.find_operation_by_id(name)
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, is_known=st.booleans())
    def send(case, is_known):
        if is_known and known:
            case.path_parameters = dict(zip(case.path_parameters or {}, known.values(), strict=False))
        with transaction.atomic():
            answer = _send(case, client.plain)
            transaction.set_rollback(True)
        assert answer.status_code < 500, (answer.status_code, case.as_curl_command(), answer.content)
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    send()


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_input_is_an_error_of_the_server(name, document, api, workflow, owner, colleague, settings):
    _fuzz(name, EXAMPLES, document, api, workflow, owner, colleague, settings)


@pytest.mark.extended
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_input_at_all_is_an_error_of_the_server(name, document, api, workflow, owner, colleague, settings):
    _fuzz(name, MANY_EXAMPLES, document, api, workflow, owner, colleague, settings)
