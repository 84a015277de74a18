"""What a token leaves of a person's permissions, asked of the core below the API."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import AnonymousUser

from automate_connectors.models import Connection
from automate_core.events.access import find_event_access
from automate_core.models import Event, ExecutionRun, WebhookEndpoint, Workflow
from automate_governance.models import StoredSecret
from automate_governance.permissions import (
    SITE,
    can,
    holds_anywhere,
    holds_for_any,
    missing_scope,
    narrowed_to,
    permitted,
)
from automate_governance.secrets.use import find_forbidden_references
from tests.support.api_operations import MANUAL

pytestmark = pytest.mark.django_db


@pytest.fixture
def greet(workflow):
    return workflow(MANUAL)


@pytest.fixture
def other(workflow):
    return workflow(MANUAL.replace("greet", "other"))


def test_each_question_is_answered_within_the_scopes(greet, owner, admin):
    for person in (owner, admin):
        with narrowed_to(person, ["workflow:view", "site:audit"]):
            assert can(person, "view", greet) and not can(person, "run", greet)
            assert missing_scope() == "workflow:run"
            assert list(permitted(person, "view", Workflow.objects.all())) == [greet]
            assert not permitted(person, "run", Workflow.objects.all()).exists()
            assert holds_anywhere(person, "view", ExecutionRun) and not holds_anywhere(person, "run", ExecutionRun)
            assert not can(person, "add", Workflow) and not can(person, "operate", SITE)
            assert can(person, "audit", SITE) is person.is_superuser
            assert not holds_for_any(person, "view", Connection)
        assert can(person, "run", greet) and missing_scope() == ""


def test_a_list_of_workflows_limits_workflows_alone(greet, other, owner, admin, endpoint):
    scopes = ["workflow:view", "workflow:add", "webhookendpoint:view"]
    for person in (owner, admin):
        with narrowed_to(person, scopes, [greet.pk]):
            assert can(person, "view", greet) and not can(person, "view", other)
            assert list(permitted(person, "view", Workflow.objects.all())) == [greet]
            assert not can(person, "add", Workflow)
            assert not holds_for_any(person, "view", Workflow)
            assert can(person, "view", endpoint)


def test_other_people_are_not_limited(greet, owner, colleague, admin):
    with narrowed_to(admin, []):
        assert can(owner, "run", greet) and not can(admin, "run", greet)
        assert not can(AnonymousUser(), "view", greet)


def test_the_inner_token_counts_and_other_threads_have_none(greet, owner):
    found = []
    with narrowed_to(owner, ["workflow:view"]):
        with narrowed_to(owner, ["workflow:run"]):
            assert not can(owner, "view", greet)
        assert can(owner, "view", greet)
        thread = threading.Thread(target=lambda: found.append(missing_scope()))
        thread.start()
        thread.join()
    assert found == [""]


def test_a_request_leaves_nothing_to_the_next_one_in_its_thread(greet, api, owner, sign_in):
    assert api(owner, "site:audit").get("workflows/greet").status_code == 404
    assert can(owner, "run", greet)
    assert sign_in(owner).get(f"/admin/automate_core/workflow/{greet.pk}/change/").status_code == 200


def test_a_superusers_token_sees_the_events_of_its_scopes(greet, other, endpoint, admin):
    events = {
        name: Event.objects.create(source=source, endpoint_id=key, payload={}, trace_id=str(at) * 32, type=kind)
        for at, (name, source, key, kind) in enumerate(
            [
                ("greet", "manual:greet", 0, ""),
                ("other", "manual:other", 0, ""),
                ("delivery", endpoint.source, endpoint.pk, ""),
                ("code", "app", 0, "order.paid"),
            ],
            start=1,
        )
    }

    def seen(scopes, workflows=None):
        with narrowed_to(admin, scopes, workflows):
            reach = find_event_access(admin, "view")
            return {name for name, event in events.items() if reach.covers(event)}

    assert seen([]) == set()
    assert seen(["workflow:view"], [greet.pk]) == {"greet"}
    assert seen(["workflow:view"]) == {"greet", "other", "code"}
    assert seen(["webhookendpoint:view"]) == {"delivery"}
    assert WebhookEndpoint.objects.count() == 1


def test_a_secret_of_the_environment_needs_the_scope(admin):
    secret = {"token": ["env:SOMETHING"]}
    with narrowed_to(admin, ["connection:change"]):
        assert [field for field, _ in find_forbidden_references(admin, secret)] == ["token"]
    with narrowed_to(admin, ["storedsecret:use"]):
        assert list(find_forbidden_references(admin, secret)) == []
    assert StoredSecret.objects.count() == 0
