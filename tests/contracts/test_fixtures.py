"""Each built-in connector by its folder of fixtures: one file of code and one folder of JSON make a connector.

A new one needs no test of its own here: it is found by its entry point, and its folder by its code.
"""

from __future__ import annotations

import json
from pathlib import Path

import asyncssh  # noqa: F401 - looks for libraries of the system when it is imported, by programs
import pytest
from django.contrib.auth.models import Group

from automate_connectors.declared.adapter import DeclaredConnector
from automate_connectors.management.commands.automate_connector_docs import built_in
from automate_connectors.registry import connectors
from automate_testing.cases import load_cases
from automate_testing.contracts import ConnectorContractTest, PollContractTest, WebhookContractTest
from automate_testing.contracts.declared_polls import load_poll_sources
from automate_testing.contracts.triggers.declared_webhooks import load_webhook_services
from automate_testing.fakes import answer, context

FOLDER = Path(__file__).parent / "fixtures"
MODELS = {
    "auth.User": {
        "read": ["username", "email", "is_active", "groups"],
        "write": ["is_active", "email", "groups"],
        "search": ["username", "email"],
        "delete": True,
    },
    "auth.Group": {"read": ["name"], "write": ["name"]},
}
#: What stands for the others. Declared: OAuth and polls, forms and webhooks; own code: keys, HTTP, the database.
TYPICAL = {"gmail", "stripe", "github", "http", "models"}
#: Secrets that a service takes in the URL: a bot's token, a webhook's token, and a key that a person puts there.
SECRETS_IN_URL = {"telegram": ("token",), "discord_webhook": ("token",), "http": ("token",)}
#: What the services answer when a connection is tried, and when choices are asked for.
ANSWERS = {
    "llm": ((answer(200, {"data": [{"id": "a-model"}]}),), {}),
    "s3": (
        (answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),),
        {"buckets": (answer(200, b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>"),)},
    ),
}


def setup_answers(code):
    """What a declared service answers to its check and for the options of its fields, from a file."""
    path = FOLDER / code / "setup" / "answers.json"
    given = json.loads(path.read_text()) if path.exists() else {}
    made = {
        name: tuple(answer(each.get("status", 200), each.get("body")) for each in answers)
        for name, answers in given.items()
    }
    return made.pop("check", ()), made


def connectors_with(folder=""):
    """The built-in connectors, or those with this folder of fixtures; those that others stand for are extended."""
    for code in built_in():
        if (FOLDER / code / folder).is_dir():
            yield pytest.param(code, marks=[] if code in TYPICAL else [pytest.mark.extended])


@pytest.mark.django_db
@pytest.mark.parametrize("code", list(connectors_with()))
class TestEveryBuiltIn(ConnectorContractTest):
    user = None

    @pytest.fixture
    def adapter(self, code, request, settings):
        self.cases, self.replaces = load_cases(FOLDER / code), code  # it is that one itself
        self.check_answers, self.options_answers = ANSWERS.get(code) or setup_answers(code)
        self.secrets_in_url = SECRETS_IN_URL.get(code, ())
        if code == "models":
            settings.AUTOMATE_MODELS = MODELS
            self.user = request.getfixturevalue("admin")
        adapter = connectors.get(code)
        if isinstance(adapter, DeclaredConnector):
            self.keyless_actions = adapter.keyless_actions
        return adapter

    def make_context(self, http, connection):
        if self.user is not None:  # each call finds the account that the fixtures speak of
            account = {"username": "ada", "email": "ada@example.com", "is_active": False}
            ada, _ = type(self.user).objects.update_or_create(pk=4711, defaults=account)
            ada.groups.add(Group.objects.get_or_create(pk=4711, name="Editors")[0])
        return context(http, connection, user=self.user)


@pytest.mark.parametrize("code", list(connectors_with("polls")))
class TestEveryDeclaredPoll(PollContractTest):
    @pytest.fixture
    def adapter(self, code):
        adapter = connectors.get(code)
        self.poll_sources = load_poll_sources(type(adapter), FOLDER / code / "polls")
        return adapter


@pytest.mark.parametrize("code", list(connectors_with("webhooks")))
class TestEveryDeclaredWebhook(WebhookContractTest):
    @pytest.fixture
    def adapter(self, code):
        adapter = connectors.get(code)
        self.webhook_services = load_webhook_services(type(adapter), FOLDER / code / "webhooks")
        return adapter


def test_every_declared_webhook_is_tried():
    declared = [connectors.get(code) for code in built_in()]
    sending = {each.code for each in declared if isinstance(each, DeclaredConnector) and each.document.webhooks}
    assert sending == {path.parent.name for path in FOLDER.glob("*/webhooks")}


def test_every_declared_poll_is_tried():
    declared = [connectors.get(code) for code in built_in()]
    polling = {each.code for each in declared if isinstance(each, DeclaredConnector) and each.document.polls}
    assert polling == {path.parent.name for path in FOLDER.glob("*/polls")}


@pytest.mark.parametrize("code", built_in())
def test_every_built_in_connector_has_a_folder_of_fixtures(code):
    assert load_cases(FOLDER / code), f"put a good call of an action into {FOLDER / code}, then run `make docs`"


@pytest.mark.parametrize("code", ["data", "models"])
def test_every_action_has_an_example(code):
    assert {case.action for case in load_cases(FOLDER / code)} == {a.name for a in connectors.get(code).actions}
