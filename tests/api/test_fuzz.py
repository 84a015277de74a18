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
BASE = "http://testserver"
EXAMPLES = 6
FEW_EXAMPLES = 4
MANY_EXAMPLES = 100
#: One of each kind: what reads, writes and streams; `make test-all` tries all.
EACH_KIND = ("list_runs", "replace_draft", "stream_run")


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
    """(status, content type, body) by Django's client; what it does is undone."""
    kind = made.headers.pop("Content-Type", "")
    headers = {name: value for name, value in made.headers.items() if name != "Content-Length"}
    address = made.url.removeprefix(BASE)
    client = Client(raise_request_exception=False)
    body = made.body.encode() if isinstance(made.body, str) else made.body or b""
    with transaction.atomic():
        answer = client.generic(made.method, address, body, content_type=kind, headers=headers)
        transaction.set_rollback(True)
    return answer.status_code, answer.headers.get("Content-Type", ""), answer.content


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
            return answer.status_code, kind, body

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
        status, kind, body = send(_prepared(case, plain))
        assert status < 500, (status, case.as_curl_command(), body)
        if status >= 400:
            assert kind == "application/problem+json", (status, case.as_curl_command(), body)
            assert json.loads(body)["status"] == status

    fuzz()


@pytest.fixture
def world(api, workflow, owner, colleague):
    return World(owner, colleague, workflow, api(owner).token)


@pytest.fixture
def plain(api, owner, settings):
    settings.AUTOMATE_API_RATE = 0
    return api(owner).plain


@pytest.mark.parametrize("name", EACH_KIND)
def test_no_input_is_an_error_of_the_server(name, document, world, plain):
    _fuzz(name, EXAMPLES, document, world, plain, _send)


@pytest.mark.extended
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_input_at_all_is_an_error_of_the_server(name, document, world, plain):
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
def test_no_input_over_a_socket_at_all_is_an_error_of_the_server(name, document, world, plain, site):
    _fuzz(name, EXAMPLES, document, world, plain, _sending_to(site))
