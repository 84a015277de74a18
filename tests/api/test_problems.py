"""Errors are problem documents (RFC 9457), and bad input is never an error of the server."""

from __future__ import annotations

import pytest
from django.db.models import Q
from django.db.models.expressions import RawSQL

from automate_core import database
from automate_core.models import Event
from automate_operations.queries import event_search, statement_timeout
from tests.support.api_operations import MANUAL, OPERATIONS, World

pytestmark = pytest.mark.django_db

FIELDS = {"type", "title", "status", "detail", "errors"}


def _problem(answer, status):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert found.keys() >= FIELDS
    assert found["status"] == status
    return found


@pytest.fixture
def client(api, workflow, owner):
    workflow(MANUAL)
    return api(owner)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "nothing", 404),
        ("get", "", 404),
        ("get", "workflows/", 404),
        ("get", "workflows/a%0Ab/c", 404),
        ("get", "workflows/no-such", 404),
        ("get", "workflows/a%00b", 404),
        ("get", "workflows/%F0%9F%98%80", 404),
        ("get", "runs/0199c0de-0000-7000-8000-000000000000", 404),
        ("get", "runs/not-an-id", 404),
        ("get", "workflows?limit=0", 422),
        ("get", "workflows?limit=99999999999999999999", 422),
        ("get", "workflows?limit=x", 422),
        ("get", "workflows?cursor=x", 422),
        ("get", "workflows?cursor=%00", 422),
        ("get", "workflows?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", 422),
        ("get", "workflows?status=wild", 422),
        ("get", "workflows?nosuch=1", 422),
        ("get", "workflows/greet?nosuch=1", 422),
        ("get", "runs?nosuch=1", 422),
        ("get", "statistics?days=9999", 422),
        ("get", "statistics?from=0000-00-00", 422),
        ("delete", "workflows", 405),
        ("post", "tokens/99999999999999999999999/revoke", 404),
    ],
)
def test_what_cannot_be_answered_is_a_problem(client, method, path, status):
    found = _problem(getattr(client, method)(path), status)
    assert found["detail"].endswith(".")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        (b"\xff", 400),
        ('{"inputs": NaN}', 400),
        ("[" * 100_000, 400),
        ('{"inputs": {"who": 1e999}}', 422),
        ("1" * 5_000, 400),
        ('"text"', 422),
        ("[]", 422),
        ("null", 422),
        ('{"inputs": []}', 422),
        ('{"inputs": {"who": "a\\u0000b"}}', 422),
        ('{"inputs": {"\\u0000": "x"}}', 422),
        ('{"inputs": {"who": "\\ud800"}}', 422),
        ('{"inputs": {"who": {}}}', 422),
        ('{"inputs": {"other": 1}}', 422),
        ('{"input": {"who": "Ada"}}', 422),
        ('{"trigger": "none"}', 409),
        ('{"inputs": {"a": ' + "[" * 200 + "]" * 200 + "}}", 422),
    ],
)
def test_bad_bodies_are_refused(client, body, status):
    _problem(client.post("workflows/greet/runs", body), status)


def test_errors_name_their_fields(client):
    found = _problem(client.post("workflows/greet/runs", {"inputs": [], "trigger": 5}), 422)
    assert {error["field"] for error in found["errors"]} == {"inputs", "trigger"}
    assert all(error["message"] for error in found["errors"])


def test_unknown_fields_and_parameters_are_named(client):
    misspelt = _problem(client.post("workflows/greet/runs?wiat=5", {"inputs": {}}), 422)
    assert misspelt["errors"] == [{"field": "wiat", "message": "There is no such parameter.", "code": "unknown"}]
    misspelt = _problem(client.post("workflows/greet/runs", {"input": {}}), 422)
    assert misspelt["errors"] == [{"field": "input", "message": "There is no such field.", "code": "unknown"}]
    nested = {"action": "cancel", "filters": {"stauts": ["failed"]}}
    assert _problem(client.post("bulk-actions", nested), 422)["errors"][0]["field"] == "filters.stauts"


def test_no_body_of_a_request_lets_a_field_get_lost():
    from automate_api.v1.api import api

    schemas = api.get_openapi_schema(path_prefix="/")["components"]["schemas"]
    paths = api.get_openapi_schema(path_prefix="/")["paths"].values()
    bodies = [each["requestBody"] for methods in paths for each in methods.values() if "requestBody" in each]
    named = {content["schema"]["$ref"].rpartition("/")[2] for body in bodies for content in body["content"].values()}
    assert len(named) > 15
    assert [name for name in named if schemas[name].get("additionalProperties") is not False] == []


def test_an_empty_body_counts_as_an_empty_object(client):
    assert client.post("workflows/greet/runs", "").status_code == 202
    assert client.post("workflows/greet/pause", "").status_code == 200
    assert client.post("workflows/greet/resume", b"").status_code == 200
    missing = _problem(client.post("secrets", ""), 422)
    assert {error["field"] for error in missing["errors"]} == {"name", "value"}


def test_a_state_that_forbids_it_is_a_conflict(client, workflow):
    workflow(MANUAL.replace("greet", "draft"), publish=False)
    assert "Publish it first" in _problem(client.post("workflows/draft/runs"), 409)["detail"]


def test_texts_come_in_the_language_of_the_request(client):
    english = _problem(client.get("nothing"), 404)["detail"]
    german = _problem(client.get("nothing", Accept_Language="de"), 404)["detail"]
    assert english == "The API has no path '/api/v1/nothing'."
    assert german not in {"", english}


NAMES = {
    "slug": "no-such",
    "connection_slug": "no-such",
    "webhook_slug": "no-such",
    "paused_slug": "no-such",
    "archived_slug": "no-such",
    "template_slug": "no-such",
    "secret_name": "no-such",
    "file_reference": "no-such",
    "number": "4711",
    "group_id": "4711",
    "entry_id": "4711",
    "token_id": "4711",
    "narrow_token_id": "4711",
}


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if "{" in row.path])
def test_a_missing_object_is_named(api, admin, workflow, name):
    row, client = OPERATIONS[name], api(admin)
    places = [part.split("}")[0] for part in row.path.split("{")[1:]]
    known = {place: getattr(_world(admin, workflow, client), place) for place in places[:-1]}
    last = NAMES.get(places[-1], "0199c0de-0000-7000-8000-00000000c0de")
    path = row.path.format(**known, **{places[-1]: last})
    body = row.body if isinstance(row.body, dict) else {}
    answer = getattr(client, row.method.lower())(path, *([] if row.method in {"GET", "DELETE"} else [body]))
    found = _problem(answer, 404)
    assert found["code"] == "not_found"
    assert last in found["detail"], found["detail"]


def _world(owner, workflow, client):
    return World(owner, owner, workflow, client.token)


def test_all_missing_objects_of_a_bulk_action_are_named(client):
    ids = [f"0199c0de-0000-7000-8000-00000000000{digit}" for digit in range(3)]
    found = _problem(client.post("bulk-actions", {"action": "cancel", "runs": ids}), 404)
    assert found["detail"] == f"There is no run {', '.join(ids)} that you can view."
    found = _problem(client.post("bulk-actions", {"action": "cancel", "filters": {"workflow": ["greet"]}}), 404)
    assert found["detail"] == "No run that you can view matches the filters."


def test_an_unexpected_error_says_nothing_of_itself(client, monkeypatch, caplog):
    from automate_api.v1.resources import workflows

    def fail(*args, **kwargs):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(workflows, "permitted_rows", fail)
    assert "secret detail" not in str(_problem(client.get("workflows"), 500))
    assert "secret detail" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_search_that_takes_too_long_asks_for_a_filter(api, admin, monkeypatch):
    client = api(admin)
    Event.objects.create(source="app", type="order.paid", payload={}, trace_id="1" * 32)
    asleep = RawSQL("SELECT id FROM automate_core_event, pg_sleep(5)", [])
    monkeypatch.setattr(event_search, "_payload_contains", lambda text: Q(pk__in=asleep))
    monkeypatch.setattr(statement_timeout, "SECONDS", 0.3)
    answers = [client.get("events", {"payload": "x"})]
    with database.connect({}) as other, other.transaction():
        other.execute("LOCK TABLE automate_governance_auditentry IN ACCESS EXCLUSIVE MODE")
        answers.append(client.get("audit-entries"))
    for answer in answers:
        assert _problem(answer, 422)["detail"] == "The search took too long. Add a filter, for example a period."
    assert client.get("audit-entries").status_code == 200, "the connection is well"


def test_a_wrong_period_is_one_error(client):
    [error] = client.get("runs", {"since": "tomorrow"}).json()["errors"]
    assert (error["field"], error["code"]) == ("since", "bad_format")
    assert error["message"].startswith("Enter one of 1h, 24h, today, yesterday, 7d, 30d, or a date")
    for since in ("24h", "2026-05-04T09:00:00Z"):
        assert client.get("runs", {"since": since}).status_code == 200, since


@pytest.mark.parametrize("number", ["0", "1767225600", "-1.5", "1e9"])
@pytest.mark.parametrize(
    "name", ["runs?since", "runs?from", "runs?to", "events?until", "audit-entries?since", "usage?first", "usage?until"]
)
def test_a_number_is_no_date(client, name, number):
    [error] = _problem(client.get(f"{name}={number}"), 422)["errors"]
    assert (error["field"], error["code"]) == (name.partition("?")[2], "bad_format")


def test_messages_of_fields_are_in_the_language_of_the_request(client):
    for path, german in (
        ("workflows?limit=0", "Geben Sie mindestens 1 ein."),
        ("workflows?none=1", "Diesen Parameter gibt es nicht."),
        ("runs?cursor=x", "Das ist kein Cursor dieser Liste."),
    ):
        [error] = client.get(path, Accept_Language="de").json()["errors"]
        assert error["message"] == german, path


def test_a_body_has_no_numbers_and_booleans_as_texts(client):
    for path, body, field in (
        ("workflows/any/publish", {"rev": "1"}, "rev"),
        ("workflows/any/publish", {"rev": True}, "rev"),
        ("dead-jobs/requeue", {"unknown": "true"}, "unknown"),
        ("dead-jobs/requeue", {"unknown": 1}, "unknown"),
    ):
        refused = client.post(path, body)
        assert refused.status_code == 422, (path, body)
        assert [(each["field"], each["code"]) for each in refused.json()["errors"]] == [(field, "wrong_type")]
    assert client.get("runs", {"version": "1"}).status_code == 200, "a query has only texts"
