"""Wild input to every operation is never an error of the server, and each answer is as the OpenAPI document says.

Schemathesis makes the input from the document. Its checks of answers hold for all operations. Two checks of input do
not fit. `positive_data_acceptance` takes every 422 for a fault, but a cursor, the outcome of an approval, a type of
event or the definition of a workflow can match the document and still not be one of this site. And
`negative_data_rejection` has to know what was changed, while half of the cases here get the ids of objects that exist,
and a query string has no null and no types.
"""

from __future__ import annotations

import json

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks

from tests.conftest import ROOT
from tests.support.api_operations import OPERATIONS, World

pytestmark = pytest.mark.django_db

_PARTS = {"method", "url", "headers", "params", "data", "json", "cookies"}
BASE = "http://testserver"
EXAMPLES = 6
FEW_EXAMPLES = 4
MANY_EXAMPLES = 100
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
#: OpenAPI 3.1 has no words for the events of a stream: the schema is that of its text, and schemathesis takes it for
#: that of each event. `tests/api/test_run_stream.py` says what the events are.
WITHOUT_SCHEMA = frozenset({"stream_run"})
#: One of each kind, what reads, writes and streams: for the way over a socket, which is the same for all.
EACH_KIND = ("list_runs", "replace_draft", "export_workflow", "stream_run")


@pytest.fixture(scope="module")
def document():
    written = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    schema = schemathesis.openapi.from_dict(written)
    schema.config.update(base_url=BASE)
    return schema


def _prepared(case, plain):
    """A case as any client of HTTP encodes it."""
    arguments = case.as_transport_kwargs()
    arguments["headers"] = dict(arguments.pop("headers", {})) | {"Authorization": f"Bearer {plain}"}
    return requests.Request(**{k: v for k, v in arguments.items() if k in _PARTS}).prepare()


def _send(made):
    """The answer by Django's client; what it does is undone."""
    kind = made.headers.pop("Content-Type", "")
    headers = {name: value for name, value in made.headers.items() if name != "Content-Length"}
    address = made.url.removeprefix(BASE)
    client = Client(raise_request_exception=False)
    body = made.body.encode() if isinstance(made.body, str) else made.body or b""
    with transaction.atomic():
        answer = client.generic(made.method, address, body, content_type=kind, headers=headers)
        transaction.set_rollback(True)
    return _as_response(made, answer.status_code, answer.headers, answer.content)


def _as_response(made, status, headers, content):
    named = {name.lower(): [value] for name, value in headers.items()}
    return Response(status_code=status, headers=named, content=content, request=made, elapsed=1.0, verify=True)


def _sending_to(site):
    """A way to send to a server; of an answer that goes on, the first part is read."""

    def send(made):
        made.url = site + made.url.removeprefix(BASE)
        with (
            requests.Session() as session,
            session.send(made, stream=True, timeout=60, allow_redirects=False) as answer,
        ):
            kind = answer.headers.get("Content-Type", "")
            body = next(answer.iter_lines(), b"") if kind == "text/event-stream" else answer.content
            return _as_response(made, answer.status_code, answer.headers, body)

    return send


def _fuzz(name, examples, document, world, plain, send):
    row = OPERATIONS[name]
    known = {part.split("}")[0]: getattr(world, part.split("}")[0]) for part in row.path.split("{")[1:]}
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    operation = document.find_operation_by_id(name)
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, is_known=st.booleans())
    def fuzz(case, is_known):
        if is_known and known:
            case.path_parameters = dict(zip(case.path_parameters or {}, known.values(), strict=False))
        answer = send(_prepared(case, plain))
        assert answer.status_code < 500, (answer.status_code, case.as_curl_command(), answer.content)
        if answer.status_code >= 400:
            assert json.loads(answer.content)["status"] == answer.status_code
        checked = [
            each for each in CHECKS if each is not checks.response_schema_conformance or name not in WITHOUT_SCHEMA
        ]
        case.validate_response(answer, checks=checked)

    fuzz()


@pytest.fixture
def world(api, workflow, owner, colleague):
    return World(owner, colleague, workflow, api(owner).token)


@pytest.fixture
def plain(api, owner, settings):
    settings.AUTOMATE_API_RATE = 0
    return api(owner).plain


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_input_is_an_error_of_the_server(name, document, world, plain):
    _fuzz(name, EXAMPLES, document, world, plain, _send)


@pytest.mark.extended
@pytest.mark.parametrize("name", OPERATIONS)
def test_much_input_is_no_error_of_the_server(name, document, world, plain):
    _fuzz(name, MANY_EXAMPLES, document, world, plain, _send)


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_no_input_over_a_socket_is_an_error_of_the_server(document, world, plain, site):
    """One operation of each kind, behind the middleware, the ASGI application and the server."""
    for name in EACH_KIND:
        _fuzz(name, FEW_EXAMPLES, document, world, plain, _sending_to(site))


@pytest.mark.extended
@pytest.mark.process
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_input_of_any_operation_over_a_socket_is_an_error_of_the_server(name, document, world, plain, site):
    _fuzz(name, EXAMPLES, document, world, plain, _sending_to(site))
