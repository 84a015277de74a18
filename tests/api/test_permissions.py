"""Every operation, asked with every kind of token: what a token may do is its scopes, as far as its owner may now."""

from __future__ import annotations

import contextlib
import datetime as dt
import re

import pytest
from django.db import transaction
from django.utils import timezone

from automate_core.models import WebhookEndpoint, Workflow
from automate_governance.models import StoredSecret
from tests.support.api_operations import MANUAL, OPERATIONS, World
from tests.support.matrix import representatives

pytestmark = pytest.mark.django_db


def _operations():
    """(id, method, path) of every operation that the API serves."""
    from automate_api.v1.api import api

    schema = api.get_openapi_schema(path_prefix="")
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), path


def test_every_operation_is_in_the_table():
    served = {name: (method, path) for name, method, path in _operations()}
    assert sorted(served) == sorted(OPERATIONS), "tests/support/api_operations.py needs a row for each operation"
    for name, (method, path) in served.items():
        row = OPERATIONS[name]
        assert (row.method, re.sub(r"{\w+}", "{}", row.path.partition("?")[0])) == (
            method,
            re.sub(r"{\w+}", "{}", path.lstrip("/")),
        )


@contextlib.contextmanager
def _undone():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", representatives(OPERATIONS, every=12))
def test_each_token_gets_what_its_owner_may_and_its_scopes_name(name, api, workflow, owner, colleague, stranger):
    row = OPERATIONS[name]
    views = [scope for scope in row.scopes if scope.endswith(":view")]
    clients = {
        "ok": api(owner, *row.scopes),
        "colleague": api(colleague),
        "stranger": api(stranger),
        "unscoped": api(owner, "site:audit"),
        "removed": api(owner),
    }
    if row.viewer is not None:
        clients["viewer"] = api(owner, *views)
    spare = api(owner)
    world = World(owner, colleague, workflow, spare.token)
    with _undone():  # makes the objects
        row.send(clients["ok"], world)
    world = World(owner, colleague, workflow, spare.token)
    for attribute in row.made:
        getattr(world, attribute)
    world.share()
    got, wanted = {}, {}
    for person, client in clients.items():
        with _undone():
            if person == "removed":
                owner.groups.clear()
            got[person] = row.send(client, world).status_code
        wanted[person] = getattr(row, person)
    with _undone():
        clients["ok"].token.expires_at = timezone.now() - dt.timedelta(seconds=1)
        clients["ok"].token.save()
        got["expired"], wanted["expired"] = row.send(clients["ok"], world).status_code, 401
    with _undone():
        clients["removed"].token.revoked_at = timezone.now()
        clients["removed"].token.save()
        got["revoked"], wanted["revoked"] = row.send(clients["removed"], world).status_code, 401
    with _undone():
        owner.is_active = False
        owner.save()
        got["inactive owner"], wanted["inactive owner"] = row.send(spare, world).status_code, 401
    got["no token"], wanted["no token"] = row.send(api(None), world).status_code, 401
    assert got == wanted


@pytest.mark.extended
def test_a_superuser_is_limited_to_the_scopes_of_the_token(api, workflow, owner, colleague, admin):
    spare = api(owner)
    for name, row in OPERATIONS.items():
        if "site:audit" in row.scopes:
            continue
        with _undone():
            world = World(owner, colleague, workflow, spare.token)
            got = row.send(api(admin, "site:audit"), world).status_code
            assert got in {row.unscoped, 403, 404} or row.unscoped == 200, (name, got)


def test_nothing_is_created_that_the_answer_could_not_show(api, owner):
    cases = {
        "workflows": ({"yaml": MANUAL}, ["workflow:add"], "workflow:view"),
        "templates/website-check/workflows": ({}, ["workflow:add"], "workflow:view"),
        "webhooks": (
            {"slug": "made", "scheme": "hmac"},
            ["webhookendpoint:add", "storedsecret:add", "storedsecret:use"],
            "webhookendpoint:view",
        ),
    }
    for path, (body, scopes, missing) in cases.items():
        refused = api(owner, *scopes).post(path, body)
        assert (refused.status_code, refused.json().get("missing_scope")) == (403, missing), path
        assert api(owner, *scopes, missing).post(path, body).status_code == 201, path
    assert Workflow.objects.count() == 2 and WebhookEndpoint.objects.count() == 1
    assert StoredSecret.objects.count() == 1


def test_every_creation_is_checked_before_or_needs_no_permission_to_view():
    """Each POST of the table that makes something new needs the scope to view it, or shows no more than it was sent."""
    unread = {"create_secret", "issue_token", "send_event"}
    missing = [
        name
        for name, row in OPERATIONS.items()
        if row.method == "POST"
        and row.ok == 201
        and name not in unread
        and not any(scope.endswith(":view") for scope in row.scopes)
    ]
    assert missing == []


def test_each_scope_that_a_token_can_have_is_one_that_an_operation_needs():
    """Or that one takes into account: each of these decides about a part of an answer, or about one of two ways."""
    from automate_api.tokens.scopes import all_scopes

    beside = {"workflow:operate", "webhookendpoint:view_payload", "site:administer"}
    needed = {scope for row in OPERATIONS.values() for scope in row.scopes}
    assert set(all_scopes()) - needed == beside
