"""What the comparison finds, by a small connector and a small document; and what is made of SDKs."""

from __future__ import annotations

import json

import pytest

from automate_connectors.declared.parsing import parse
from automate_connectors.declared.yaml_files import read_document as read_yaml
from tests.vendors.descriptions import Description, match
from tests.vendors.findings import find_faults
from tests.vendors.known import KNOWN
from tests.vendors.requests import requests_of
from tests.vendors.sources import SOURCES, google, graph, javascript, slack, telegram

CONNECTOR = """
format: 1
code: shop
name: Shop
description: Sell things
base_url: https://api.shop.example/v1
actions:
  - name: list_orders
    label: List orders
    path: /orders/{shop}
    fields:
      - {name: shop, required: true}
      - {name: state, kind: choice, choices: [open, closed]}
      - {name: tags, kind: list, at: "tags[]"}
    pages: {kind: cursor, items: data, cursor: meta.next, parameter: after, size: {parameter: limit, most: 100}}
    sample: {id: o-1, total: 5}
  - name: create_order
    label: Create order
    method: POST
    path: /orders/{shop}
    fields:
      - {name: shop, required: true}
      - {name: article, required: true, at: lines.0.sku}
      - {name: buyers, kind: list, at: buyers, each: email.address}
      - {name: note, kind: long_text}
    constants: {body: {channel: web}}
    result: order
    sample: {id: o-1}
polls:
  - {name: new_order, label: New order, action: list_orders, fields: [shop], time: created_at, sample: {id: o-1}}
"""
ORDER = {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "integer"}, "created_at": {}}}
TEXT = {"type": "string"}
DOCUMENT = {
    "paths": {
        "/v1/orders/{name}": {
            "get": {
                "parameters": [
                    {"name": "state", "in": "query", "schema": {"type": "string", "enum": ["open", "closed"]}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": TEXT}},
                    {"name": "after", "in": "query", "schema": TEXT},
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                ],
                "responses": {"200": {"content": {"application/json": {"schema": {"properties": {
                    "data": {"type": "array", "items": {"$ref": "#/schemas/Order"}},
                    "meta": {"type": "object", "properties": {"next": TEXT}},
                }}}}}},
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["lines"], "properties": {
                    "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": TEXT}}},
                    "buyers": {"type": "array", "items": {"properties": {"email": {"properties": {"address": TEXT}}}}},
                    "note": TEXT,
                    "channel": {"type": "string", "enum": ["web", "shop"]},
                }}}}},
                "responses": {"201": {"content": {"application/json": {"schema": {"properties": {"order": {"$ref": "#/schemas/Order"}}}}}}},
            },
        }
    },
    "schemas": {"Order": ORDER},
}  # fmt: skip


def findings(old="", new="", *, connector=CONNECTOR, document=None):
    """The findings after one change of the connector."""
    assert old in connector, old
    found = parse(read_yaml(connector.replace(old, new, 1).encode()))
    described = [Description(document or DOCUMENT)]
    return [line for request in requests_of(found) for line in find_faults(request, described)]


def test_a_connector_that_fits_has_none():
    assert findings() == []


CHANGES = {
    "list_orders: GET https://api.shop.example/v1/order/{shop} is unknown": ("path: /orders/{shop}", "path: /order/{shop}"),
    "create_order: PUT https://api.shop.example/v1/orders/{shop} is unknown with this method; known: get, post": ("method: POST", "method: PUT"),
    "list_orders: status is not in the query": ("name: state", "name: status"),
    "list_orders: state is closed, gone, and the API knows closed, open": None,
    "list_orders: after is integer, and the API takes string": None,
    "create_order: lines.0.SKU is not in the body": ("lines.0.sku", "lines.0.SKU"),
    "create_order: buyers.0.email.name is not in the body": ("email.address", "email.name"),
    "create_order: lines is required in the body": ("at: lines.0.sku", "at: note"),
    "create_order: channel is mail, and the API knows shop, web": ("channel: web", "channel: mail"),
    "create_order: result 'sale' is not in the answer": ("result: order", "result: sale"),
    "list_orders: pages 'meta.cursor' is not in the answer": ("cursor: meta.next", "cursor: meta.cursor"),
    "list_orders: poll new_order 'made_at' is not in the answer": ("time: created_at", "time: made_at"),
    "list_orders: sample 'sum' is not in the answer": ("total: 5", "sum: 5"),
}  # fmt: skip


@pytest.mark.parametrize("line", [line for line, change in CHANGES.items() if change])
def test_each_difference_is_found(line):
    assert line in findings(*CHANGES[line])


def test_choices_beyond_the_enumeration_are_found():
    assert findings("choices: [open, closed]", "choices: [open, gone]") == [
        "list_orders: state is gone, and the API knows closed, open"
    ]


@pytest.mark.parametrize(
    ("known", "address", "fits"),
    [
        ("/v1/a/{x}", "https://host.example/v1/a/{name}", True),
        ("/v1/a/b", "https://host.example/v1/a/b", True),
        ("/a/{x}/c", "{instance}/a/{name}/d", False),
        ("/repos/{owner}/{repo}/issues", "https://host.example/repos/{+repository}/issues", True),
        ("/v1/a(q='{q}')", "https://host.example/v1/a(q='{word}')", True),
        ("/v1/a", "https://host.example/v1/a/{name}", False),
    ],
)
def test_addresses_fit_by_their_shape(known, address, fits):
    assert (match(known, address) is not None) is fits


def test_known_findings_have_a_service_and_a_reason():
    assert KNOWN.keys() <= SOURCES.keys()
    assert all(reason for reasons in KNOWN.values() for reason in reasons.values())


def test_a_discovery_document_is_a_description(tmp_path):
    method = {"path": "users/{userId}", "httpMethod": "POST", "request": {"$ref": "User"}, "response": {"$ref": "User"}}
    document = {
        "servicePath": "mail/v1/",
        "schemas": {"User": {"type": "object", "properties": {"name": TEXT}}},
        "resources": {"users": {"methods": {"set": method}}},
    }
    (tmp_path / "mail.json").write_text(json.dumps(document))
    found = google.read_discovery(tmp_path / "mail.json").find("post", "https://host.example/mail/v1/users/{user}")
    assert found.description.at(found.body, "name") == [TEXT] and found.description.at(found.body, "nick") is None


def test_the_methods_of_slack_are_a_description(tmp_path):
    (tmp_path / "client.py").write_text("""
class Client:
    def chat_postMessage(self, *, channel: str, text: Optional[str] = None, **kwargs) -> Response:
        return self.api_call("chat.postMessage", json=kwargs)
""")
    found = slack.read_client(tmp_path / "client.py").find("post", "https://slack.com/api/chat.postMessage")
    assert set(found.body["properties"]) == {"channel", "text"} and found.body["required"] == ["channel"]


def test_the_endpoints_of_javascript_are_a_description(tmp_path):
    (tmp_path / "a.js").write_text("""
exports.query = {
    method: "post",
    pathParams: ["data_source_id"],
    queryParams: ["filter_properties"],
    bodyParams: ["sorts", "filter"],
    path: (p) => `data_sources/${p.data_source_id}/query`,
};""")
    (tmp_path / "b.ts").write_text("""
    const config = {
      url: `/rest/api/2/issue/${parameters.issue}`,
      method: 'PUT',
      params: {
        notify: parameters.notify,
      },
      data: {
        fields: parameters.fields,
      },
    };
""")
    found = javascript.read_endpoints(tmp_path).find("post", "https://host.example/v1/data_sources/{database}/query")
    assert set(found.body["properties"]) == {"sorts", "filter"} and ("query", "filter_properties") in found.parameters
    found = javascript.read_requests(tmp_path).find("put", "https://host.example/rest/api/2/issue/{issue}")
    assert set(found.body["properties"]) == {"fields"} and ("query", "notify") in found.parameters


def test_the_page_of_telegram_is_a_description(tmp_path):
    fields = [{"name": "chat_id", "types": ["Integer", "String"], "required": True}]
    document = {
        "types": {"Message": {"fields": [{"name": "text", "types": ["String"]}]}},
        "methods": {"sendMessage": {"fields": fields, "returns": ["Message"]}},
    }
    (tmp_path / "page.json").write_text(json.dumps(document))
    found = telegram.read_page(tmp_path / "page.json").find("post", "https://host.example/bot{token}/sendMessage")
    assert found.description.at(found.answer, "result.text") and found.body["required"] == ["chat_id"]


def test_the_models_of_graph_are_a_description(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "time_constraint.py").write_text("""
@dataclass
class TimeConstraint(AdditionalDataHolder, BackedModel, Parsable):
    def get_field_deserializers(self):
        fields = {
            "timeSlots": lambda n : setattr(self, 'time_slots', n.get_collection_of_object_values(TimeSlot)),
        }
""")
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "find_request_builder.py").write_text("""
class FindRequestBuilder(BaseRequestBuilder):
    def __init__(self):
        super().__init__(request_adapter, "{+baseurl}/users/{user%2Did}/find{?%24select}", path_parameters)
    async def post(self,body: TimeConstraint, request_configuration = None) -> Optional[TimeConstraint]:
""")
    found = graph.read_sdk(tmp_path, ("users",)).find("post", "https://graph.microsoft.com/v1.0/me/find")
    assert found.description.at(found.body, "timeSlots") and found.description.at(found.body, "timeslots") is None
    assert ("query", "$select") in found.parameters
