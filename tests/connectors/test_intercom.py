"""Intercom keeps a workspace in one of three regions, which have an API each."""

from __future__ import annotations

import pytest

from automate_connectors.models import Connection
from automate_connectors.oauth.catalogue import providers
from automate_connectors.registry import connectors
from automate_testing.fakes import ScriptedHttp, answer, context

REGIONS = {"": "api.intercom.io", "https://api.eu.intercom.io": "api.eu.intercom.io"}


@pytest.mark.parametrize("region", REGIONS)
def test_requests_and_secrets_go_to_the_region_of_the_workspace(region):
    config = {"token": "env:TOKEN", **({"region": region} if region else {})}
    connection = Connection(connector="intercom", config=config)
    http = ScriptedHttp([answer(200, {"email": "me@example.com", "name": "Me"})])
    connectors.get("intercom").check_connection(context(http, {**config, "token": "any"}))
    assert http.requests[0].url == f"https://{REGIONS[region]}/me"
    assert connection.hosts() == [REGIONS[region]]


def test_an_api_url_that_was_entered_by_hand_goes_on():
    http = ScriptedHttp([answer(200, {"email": "me@example.com", "name": "Me"})])
    config = {"token": "any", "base_url": "https://api.au.intercom.io"}
    connectors.get("intercom").check_connection(context(http, config))
    assert http.requests[0].url == "https://api.au.intercom.io/me"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("", "api.intercom.io"), ("api.eu.intercom.io", "api.eu.intercom.io")],
)
def test_the_token_is_asked_for_at_the_region(host, expected):
    setup = {"provider": "intercom", "grant": "authorization_code", "client_id": "abc", "client_secret": "env:SECRET"}
    setup |= {"parameters": {"host": host}} if host else {}
    sign_in = Connection(connector="intercom", config={}, oauth=setup).sign_in
    assert sign_in.token_endpoint == f"https://{expected}/auth/eagle/token"
    assert providers()["intercom"].parameters["host"].problem("api.example.com")
