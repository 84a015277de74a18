"""Connections to a provider of our own, and a connector that says how it goes."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_governance.models import StoredSecret
from automate_plugins.fields import FieldKind, FieldSpec
from tests.connections.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.core.conftest import later, publish, run  # noqa: F401 - fixtures


@pytest.fixture
def provider(settings):
    """An authorization server that may be reached."""
    made = Provider()
    settings.AUTOMATE_EGRESS_ALLOW = [made.host]
    settings.AUTOMATE_SITE_URL = "https://automate.example.com"
    yield made
    made.close()


@pytest.fixture
def client_secret(owner):
    """The client's secret at the provider, stored by the owner."""
    secret = StoredSecret(name="client-secret", owner=owner)
    secret.put(CLIENT_SECRET)
    secret.save()
    return secret


@pytest.fixture
def oauth(provider, client_secret, owner):
    """A connection of the HTTP connector that signs in."""

    def make(grant="authorization_code", slug="api"):
        connection = Connection(
            name="The API", slug=slug, connector="http", owner=owner,
            config={"base_url": provider.url, "auth": "oauth2"}, allowed_hosts=["127.0.0.1"],
            oauth={
                "provider": "generic", "grant": grant, "client_id": CLIENT_ID,
                "client_secret": "database:client-secret", "scopes": "read write",
                "authorize_url": f"{provider.url}/authorize", "token_url": f"{provider.url}/token",
            },
        )  # fmt: skip
        connection.full_clean()
        connection.save()
        return connection

    return make


class Probe(ConnectorAdapter):
    """Does what it is told: `answers` are given in order, the last one again and again."""

    code = "probe"
    name = "Probe"
    icon = "science"
    hue = 120
    config_fields = (
        FieldSpec(name="base_url", label="Address", kind=FieldKind.URL, required=True),
        FieldSpec(
            name="region", label="Region", kind=FieldKind.CHOICE, choices=(("eu", "EU"), ("us", "US")), default="eu"
        ),
        FieldSpec(name="retries", label="Retries", kind=FieldKind.INTEGER),
        FieldSpec(name="strict", label="Strict", kind=FieldKind.BOOLEAN),
        FieldSpec(name="headers", label="Headers", kind=FieldKind.MAPPING),
        FieldSpec(name="token", label="Token", kind=FieldKind.SECRET, required=True, help="From your profile"),
    )
    actions = (Action(name="call", label="Call"),)

    def __init__(self):
        self.answers = ["fine"]
        self.calls = []

    def execute(self, action, params, context):
        return {"said": self._next(context)}

    def check_connection(self, context):
        return self._next(context)

    def _next(self, context):
        self.calls.append(dict(context["connection"]))
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(given):
            given = given(context)
        if isinstance(given, Exception):
            raise given
        return given


@pytest.fixture
def probe(monkeypatch):
    """The connector `probe`, installed for this test."""
    adapter = Probe()
    monkeypatch.setitem(connectors._usable, "probe", adapter)
    return adapter


@pytest.fixture
def probed(probe, owner):
    """A connection of it."""
    secret = StoredSecret(name="probe-token", owner=owner)
    secret.put("probe-token-canary-77aa")
    secret.save()
    return Connection.objects.create(
        name="Probe", slug="probed", connector="probe", owner=owner,
        config={"base_url": "https://api.example.com", "token": "database:probe-token"},
    )  # fmt: skip


def refused(message="bad credentials"):
    return ConnectorError(message, code="http_401")


def reconnect(message="the token was withdrawn"):
    return ConnectorError(message, code="needs_reconnect")
