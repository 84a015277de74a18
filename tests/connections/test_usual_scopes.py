"""The scopes of a sign-in whose connection names none: those that the actions of its connector need."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_testing.fakes import ScriptedHttp, answer, context
from tests.support.connections import sign_in_address, start_sign_in

pytestmark = pytest.mark.django_db(transaction=True)
JIRA = {"site": "acme", "base_url": "https://api.atlassian.com/ex/jira/1324a887/rest/api/2"}


@pytest.fixture
def requested(owner, client_secret, sign_in, settings):
    """The scopes that the address of a sign-in requests."""
    settings.AUTOMATE_SITE_URL = "https://automate.example.com"

    def find(connector, provider, config=None, **more):
        Connection.objects.all().delete()
        oauth = {"provider": provider, "client_id": "me", "client_secret": "database:client-secret", **more}
        connection = Connection(name="Theirs", slug="theirs", connector=connector, owner=owner, oauth=oauth)
        connection.config = config or {}
        connection.full_clean()
        connection.save()
        query = parse_qs(urlsplit(sign_in_address(start_sign_in(sign_in(owner), connection))).query)
        [scopes] = query.get("scope") or query["user_scope"]
        return set(scopes.replace(",", " ").split())

    return find


@pytest.mark.parametrize(
    ("connector", "provider", "needed"),
    [
        ("slack", "slack", {"chat:write", "channels:read", "groups:read", "files:write", "channels:history"}),
        ("hubspot", "hubspot", {"oauth", "crm.objects.contacts.write", "crm.objects.owners.read"}),
        ("microsoft_teams", "microsoft", {"offline_access", "ChannelMessage.Send", "Chat.ReadWrite"}),
        ("microsoft_excel", "microsoft", {"offline_access", "Files.ReadWrite.All"}),
        ("airtable", "airtable", {"data.records:write", "data.recordComments:write"}),
        ("linear", "linear", {"read", "write"}),
        ("slack", "slack_user", {"chat:write", "users:read"}),  # those of a bot are none of a person
    ],
)
def test_a_sign_in_without_scopes_requests_those_of_the_connector(requested, connector, provider, needed):
    scopes = requested(connector, provider)
    assert scopes >= needed
    assert ("channels:manage" in scopes) is (provider == "slack")


def test_scopes_of_the_connection_come_first(requested):
    assert requested("slack", "slack", scopes="chat:write,users:read") == {"chat:write", "users:read"}


def test_an_application_requests_what_it_was_given():
    oauth = {"provider": "microsoft", "grant": "client_credentials", "client_id": "me"}
    connection = Connection(connector="microsoft_teams", oauth=oauth)
    assert connection.sign_in.scope == "https://graph.microsoft.com/.default"


def test_a_service_account_requests_those_of_the_connector():
    connection = Connection(connector="gmail", oauth={"provider": "google", "grant": "jwt_bearer"})
    assert connection.sign_in.scope == "https://www.googleapis.com/auth/gmail.modify"


def test_a_linear_sign_in_is_sent_as_a_bearer_token():
    http = ScriptedHttp([answer(200, {"data": {"viewer": {"email": "ada@example.com"}}})])
    signed_in = {"token": "at", "access_token": "at", "oauth": {}}
    assert "ada@example.com" in connectors.get("linear").check_connection(context(http, signed_in))
    assert http.requests[0].headers["Authorization"] == "Bearer at"


def test_a_jira_connection_signs_in_without_an_email_address(requested):
    assert {"offline_access", "write:jira-work", "read:jira-user"} <= requested("jira", "atlassian", config=JIRA)
    http = ScriptedHttp([answer(200, {"accountId": "a-1", "displayName": "Ada"})])
    signed_in = {**JIRA, "token": "at", "access_token": "at", "oauth": {}}
    assert "Ada" in connectors.get("jira").check_connection(context(http, signed_in))
    [request] = http.requests
    assert request.url == f"{JIRA['base_url']}/myself" and request.headers["Authorization"] == "Bearer at"


def test_the_form_names_the_usual_scopes(sign_in, owner):
    page = sign_in(owner).get(reverse("admin:automate_connectors_connection_add"), {"connector": "slack"})
    assert "at Slack, a person grants chat:write files:write" in page.content.decode()
