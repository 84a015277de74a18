"""Webhooks of declared connectors: faults of a document, the end of a registration, and what takes the place of others."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.declared.loading import ConnectorFileError, load_connector
from automate_connectors.registry import find_webhook
from automate_testing.contracts import Registered, WebhookContractTest
from automate_testing.contracts.triggers.declared_webhooks import DeclaredWebhookService

FIXTURES = Path(__file__).parents[1] / "contracts" / "fixtures"
CONNECTOR = """
format: 1
code: shop
name: Shop
description: Sell things
base_url: https://api.shop.example/v1
connection:
  - {name: token, label: Token, kind: secret, required: true}
auth: {type: bearer}
actions:
  - {name: sell, label: Sell, method: POST, path: /sales, sample: {id: 1}}
  - name: create_hook
    hidden: true
    method: POST
    path: /hooks
    fields:
      - {name: shop, label: Shop, required: true}
      - {name: target, required: true}
      - {name: key, required: true, sensitive: true}
      - {name: kinds, kind: list}
    result: hook
    sample: {number: 7, to: any, ends: 1790000000}
  - {name: list_hooks, hidden: true, path: /hooks, sample: {hooks: []}}
  - {name: delete_hook, hidden: true, method: DELETE, path: "/hooks/{hook}", fields: [{name: hook, required: true}]}
webhooks:
  - name: order
    label: Order
    fields: [shop]
    scheme: hmac
    events: {order.paid: Paid}
    register: {action: create_hook, params: {target: "{url}", key: "{secret}", kinds: "{events}"}}
    list: {action: list_hooks, items: hooks, url: to}
    remove: {action: delete_hook, params: {hook: "{id}"}}
    id: number
    expires: ends
    expires_in: seconds
    sample: {number: 4711}
"""
GIVEN = {
    "webhook": "order",
    "params": {"shop": "acme"},
    "connection": {"token": "any"},
    "url_at": "target",
    "secret_at": "key",
    "registered": {"hook": {"number": 7, "to": "any", "ends": 1790000000}},
    "listed": {"hooks": [{"number": 7, "to": "any", "ends": 1790000000}]},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "connector.yaml"
    path.write_text(CONNECTOR)
    return load_connector(path)


class TestShopWebhooks(WebhookContractTest):
    @pytest.fixture
    def adapter(self, shop):
        self.webhook_services = {"order": lambda: DeclaredWebhookService(shop, GIVEN)}
        return shop()


def test_a_registration_has_the_end_that_the_service_names(shop):
    service = DeclaredWebhookService(shop, GIVEN)
    made = shop().register_webhook(
        "order", {"shop": "acme", "events": ["order.paid"]}, "https://a.example/", "s" * 16, service.context()
    )
    assert made.expires == dt.datetime.fromtimestamp(1790000000, dt.UTC) and made.id == "101" and not made.secret
    assert service.registered() == [Registered("https://a.example/", "s" * 16)]


OURS = "https://automate.example.com/hooks/{}/"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("https://hooks.other.example/secret-part", "Telegram sends to hooks.other.example already"),
        (OURS.format("other"), "Another workflow of this site has its webhook at this Telegram account"),
    ],
)
def test_the_only_webhook_of_an_account_is_not_taken_from_another_url(there, said):
    adapter = find_webhook("telegram.message")[0]
    given = json.loads((FIXTURES / "telegram" / "webhooks" / "message.json").read_text())
    service = DeclaredWebhookService(type(adapter), given)
    service.hooks["only"] = Registered(there, "theirs")
    with pytest.raises(ConnectorError) as caught:
        adapter.register_webhook("message", {"events": []}, OURS.format("mine"), "s" * 16, service.context())
    assert (caught.value.code, caught.value.retryable) == ("webhook_taken", True)
    assert said in caught.value.message and "secret-part" not in caught.value.message
    assert service.registered() == [Registered(there, "theirs")]
    service.forget()
    made = adapter.register_webhook("message", {"events": []}, OURS.format("mine"), "s" * 16, service.context())
    assert made.id == OURS.format("mine") and service.registered() == [Registered(made.id, "s" * 16)]


FAULTS = (
    ("label: Order\n", "colour: red\n", "webhooks[0]: The format has no name 'colour' here"),
    ("scheme: hmac", "description: x", "webhooks[0]: The name scheme is missing."),
    ("action: create_hook", "action: make_hook", "webhooks[0].register.action: There is no action 'make_hook'."),
    (
        "action: list_hooks, items",
        "action: create_hook, items",
        "webhooks[0].list.action: The action create_hook changes",
    ),
    ("fields: [shop]", "fields: [store]", "webhooks[0].fields[0]: There is no field 'store'."),
    ("fields: [shop]", "fields: [shop, {name: events}]", "webhooks[0].fields: 'events' is a name of the platform."),
    ("fields: [shop]", "fields: []", "webhooks[0].register.action: The action needs shop"),
    ('hook: "{id}"', 'hook: "{secret}"', "webhooks[0].remove.params.hook: There is no field 'secret'."),
    ('key: "{secret}"', 'lock: "{secret}"', "webhooks[0].register.params.lock: There is no field 'lock'."),
    (
        "key, required: true, sens",
        "key, in: query, required: true, sens",
        "params.key: A secret must not be part of a URL.",
    ),
    ("path: /hooks\n    fields", 'path: "/hooks/{key}"\n    fields', "params.key: A secret must not be part of a URL."),
    ("expires_in: seconds", "expires_in: years", "webhooks[0].expires_in: 'years' is not one of the values."),
    ("sample: {number: 4711}", "sample: {}", "webhooks[0]: The name sample is missing."),
)


def test_a_faulty_webhook_names_the_fault(tmp_path):
    path, wrong = tmp_path / "connector.yaml", []
    for old, new, said in FAULTS:
        assert old in CONNECTOR, old
        path.write_text(CONNECTOR.replace(old, new, 1))
        try:
            load_connector(path)
            wrong.append((new, "is taken"))
        except ConnectorFileError as error:
            if said not in str(error):
                wrong.append((new, said, str(error)))
    assert not wrong, "\n".join(map(str, wrong))
