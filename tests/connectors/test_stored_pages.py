"""Declared connectors in the browser: from a document to a version, its review, its history, and who may do it."""

from __future__ import annotations

import io
import json
import zipfile
from urllib.parse import urlencode

import pytest
import yaml
from django.contrib.auth.models import Permission
from django.urls import reverse

from automate_connectors.declared.loading import load_connector
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_connectors.stored import drafts
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft
from automate_governance.models import AuditEntry
from tests.support.pages import HOSTILE, Page
from tests.support.people import make_person
from tests.support.stored_connectors import OPENAPI, TEXT, save_connector

pytestmark = pytest.mark.django_db(transaction=True)

USE = """
name: Shopping
slug: shopping
steps: [{key: look, name: Look, action: shop.list_items, connection: my-shop, inputs: {state: new}}]
"""


@pytest.fixture
def administrator(db):
    person = make_person("administrator", "Builders")
    person.user_permissions.add(Permission.objects.get(codename="administer_site"))
    return person


@pytest.fixture
def client(sign_in, administrator):
    return sign_in(administrator)


def url(name, *args):
    return reverse(f"studio:{name}", args=args)


def draft():
    return DeclaredConnectorDraft.objects.latest("pk")


def form_of(page):
    """What the inputs of a page hold, as a browser posts them."""
    return {
        a["name"]: a.get("value", "on" if a.get("type") == "checkbox" else "")
        for tag, a in page.tags
        if tag == "input" and "name" in a and (a.get("type") != "checkbox" or "checked" in a)
    }


@pytest.mark.extended
def test_from_a_pasted_document_to_a_version_and_its_export(client, tmp_path):
    assert "No connectors of your own yet" in Page(client.get(url("connector_list"))).text
    answer = client.post(url("connector_new"), {"text": json.dumps(OPENAPI)})
    operations = url("connector_operations", draft().pk)
    assert answer.url == operations
    page = Page(client.get(operations))
    assert "3 of 3" in page.text and not page.all(name="operation", checked="")
    assert "Cancel an order" not in Page(client.get(operations, {"q": "items", "tag": "Items"})).text
    answer = client.post(operations, {"operation": ["listItems", "createItem"]})
    assert answer.url == url("connector_draft", draft().pk)
    page = Page(client.get(answer.url))
    assert "Fix" not in page.text and "depot" in page.ids["id_code"]["value"]
    given = {
        name: page.ids[f"id_{name}"].get("value", "") for name in ("name", "code", "icon", "base_url", "auth_name")
    }
    given |= {"auth": "header", "description": "Keeps other things", "do": "review"}
    assert client.post(answer.url, given).url == url("connector_review", draft().pk), "typed texts are not lost"
    assert "Keeps other things" in draft().text

    action = url("connector_action", draft().pk, 1)
    preview = client.get(url("connector_preview", draft().pk, 1))
    assert {"field-inputs-name", "field-inputs-price"} <= Page(preview).ids.keys()
    given = form_of(Page(client.get(action))) | {
        "label": "Add an item", "description": "Into the depot", "group": "Items", "effect": "moves_money",
        "label-name": "Item name",
    }  # fmt: skip
    del given["shown-price"]
    assert client.post(action, given).url == url("connector_draft", draft().pk)
    assert "without:\n      - price" in draft().text and "label: Item name" in draft().text
    given = form_of(Page(client.get(url("connector_action", draft().pk, 0)))) | {"checks": "on", "effect": "read"}
    client.post(url("connector_action", draft().pk, 0), given)
    about = form_of(Page(client.get(url("connector_draft", draft().pk))))
    client.post(url("connector_draft", draft().pk), about | {"do": "about", "name": "My depot", "auth": "bearer"})

    review = url("connector_review", draft().pk)
    assert "Save anyway" not in Page(client.get(review)).text
    assert client.post(review, {"note": "First"}).url == url("connector", "depot")
    adapter = connectors.get("depot")
    assert (adapter.name, adapter.can_check, adapter.document.auth.type) == ("My depot", True, "bearer")
    create = adapter.action("create_item")
    assert create.moves_money and [(each.name, each.label) for each in create.fields] == [("name", "Item name")]
    page = Page(client.get(url("connector", "depot")))
    assert "First" in page.text and "Add an item" in page.text
    assert AuditEntry.objects.filter(verb="connector.created", actor="administrator").exists()

    exported = client.post(url("connector_export", "depot"))
    zipfile.ZipFile(io.BytesIO(exported.content)).extractall(tmp_path)
    assert load_connector(tmp_path / "depot" / "connector.yaml", code="depot").actions == adapter.actions


@pytest.mark.extended
def test_faults_stand_at_their_field_or_line(client):
    new = url("connector_new")
    wrong = {
        "": ({}, "id_file-why", "Provide one document"),
        "two": ({"text": "a", "url": "https://a.example"}, "id_file-why", "Provide one document"),
        "alias": ({"text": "openapi: 3.0.0\na: &a [1]\nb: *a"}, "id_text-why", "Line 3: Aliases"),
        "local": ({"url": "http://127.0.0.1/openapi.json"}, "id_url-why", "127.0.0.1"),
        "server": ({"text": json.dumps({**OPENAPI, "servers": []})}, "id_base_url-why", "no public https server"),
        "address": (
            {"text": json.dumps(OPENAPI), "base_url": "http://a.example"}, "id_base_url-why", "begins with https",
        ),
        "long": ({"text": "x" * 1_000_001}, "id_text-why", "at most 1000000"),
    }  # fmt: skip
    misses = []
    for name, (given, at, said) in wrong.items():
        answer = client.post(new, given)
        page = Page(answer)
        if answer.status_code != 422 or page.ids.get(at, {}).get("role") != "alert" or said not in page.text:
            misses.append((name, answer.status_code, page.text[-700:]))
    assert misses == []
    hostile = TEXT.replace("List items", json.dumps(HOSTILE)).replace("path: /items", "paht: /items")
    client.post(new, {"text": hostile})
    page = Page(client.get(url("connector_draft", draft().pk)))
    assert "Fix 1 error" in page.text and "Line 13:" in page.text and "window.hacked=1" not in str(page.all(src="x"))
    client.post(url("connector_draft", draft().pk), {"do": "text", "text": hostile.replace("paht", "path")})
    assert client.post(url("connector_review", draft().pk)).status_code == 303
    for name in ("connector", "connector_list"):
        shown = client.get(url(name, *(["shop"] if name == "connector" else []))).content.decode()
        assert "<script>window" not in shown


def test_yaml_that_cannot_be_read_is_shown_with_its_fault_and_the_actions_stay(client, administrator):
    page_url = url("connector_draft", drafts.begin_draft(TEXT.encode(), by=administrator).pk)
    typed = TEXT.replace("    label: Create item", "   label: Create item")
    answer = client.post(page_url, {"do": "text", "text": typed})
    page = Page(answer)
    assert answer.status_code == 422 and "Fix 1 error" in page.text
    assert [line.number for line in answer.context["lines"] if line.faults] == [19]
    assert "List items" in page.text and "No actions yet" not in page.text
    assert "   label: Create item" in answer.content.decode() and draft().text == TEXT
    badges = Page(client.get(page_url)).text
    assert "Reads" in badges and "Changes data" in badges and "Moves money" not in badges


def test_an_uploaded_document_is_kept_after_an_error(client):
    source = io.BytesIO(json.dumps({**OPENAPI, "servers": []}).encode())
    source.name = "depot.json"
    answer = client.post(url("connector_new"), {"file": source})
    page = Page(answer)
    assert answer.status_code == 422 and "This is the text of depot.json" in page.text
    assert "listItems" in answer.context["form"]["text"].value()
    given = {"text": answer.context["form"]["text"].value(), "base_url": "https://depot.example"}
    assert client.post(url("connector_new"), given).url == url("connector_operations", draft().pk)


def test_a_private_address_is_a_setting_of_the_connection_and_the_page_says_what_it_needs(client, settings):
    client.post(url("connector_new"), {"text": json.dumps(OPENAPI), "base_url": "http://depot.internal:8080/v1"})
    client.post(url("connector_operations", draft().pk), {"operation": ["listItems"]})
    assert "base_url: '{api_url}'" in draft().text and "default: http://depot.internal:8080/v1" in draft().text
    page = url("connector_draft", draft().pk)
    assert "Fix" not in Page(client.get(page)).text
    assert "depot.internal:8080 is not a public address" in Page(client.get(page)).text
    settings.AUTOMATE_EGRESS_ALLOW = ("depot.internal:8080",)
    assert "is not a public address" not in Page(client.get(page)).text


@pytest.mark.extended
def test_a_version_that_breaks_a_workflow_is_saved_only_when_that_is_accepted(client, administrator, owner, workflow):
    first = save_connector(TEXT, administrator)
    Connection.objects.create(
        name="Shop", slug="my-shop", connector="shop", owner=owner, config={"token": "database:token"}
    )
    workflow(USE)
    edited = client.post(url("connector_edit", "shop")).url
    client.post(edited, {"do": "text", "text": TEXT.replace("list_items", "all_items")})
    review = edited + "review/"
    page = Page(client.get(review))
    assert "Save anyway" in page.text and "1 more that you cannot view" in page.text and "Shopping" not in page.text
    answer = client.post(review, {"note": "Renamed"})
    assert answer.status_code == 409 and "1 published workflow breaks." in Page(answer).text
    assert client.post(review, {"accept": "yes", "note": "Renamed"}).status_code == 303
    version = url("connector_version", "shop", 1)
    assert "Restore" in Page(client.get(version)).text and "Tiny shop: version 1" in Page(client.get(version)).text
    assert client.post(version).status_code == 303
    assert DeclaredConnector.objects.get().current.number == 3 and connectors.get("shop").action("list_items")
    administrator.user_permissions.add(Permission.objects.get(codename="view_any_workflow"))
    page = Page(client.get(url("connector_disable", "shop")))
    assert "Shopping" in page.text and "Look: The action list_items is removed." in page.text
    assert client.post(url("connector_disable", "shop")).status_code == 409
    page = Page(client.get(url("connector_delete", "shop")))
    assert "in use and cannot be deleted" in page.text and "Shopping" in page.text
    client.post(url("connector_delete", "shop"))
    assert DeclaredConnector.objects.filter(pk=first.connector_id).exists()
    assert client.post(url("connector_disable", "shop"), {"accept": "yes"}).status_code == 303
    assert "shop" not in connectors.names()
    listed = Page(client.get(url("connector_list")))
    assert "Disabled" in listed.text
    assert ("a", url("connector", "shop")) in {(tag, each.get("href")) for tag, each in listed.tags}
    client.post(url("connector_enable", "shop"))
    assert "shop" in connectors.names()


def test_a_call_is_tested_and_asked_for_where_it_changes_something(
    client, administrator, server, monkeypatch, stranger
):
    monkeypatch.setenv("AUTOMATE_SECRET_THEIRS", "s3cret-of-theirs")
    save_connector(TEXT, administrator)
    edited = client.post(url("connector_edit", "shop")).url
    assert "There is no connection yet." in Page(client.get(f"{edited}actions/0/")).text
    config = {"token": "env:THEIRS", "base_url": server.url}
    mine = Connection.objects.create(name="Shop", slug="my-shop", connector="shop", owner=administrator, config=config)
    theirs = Connection.objects.create(name="X", slug="x", connector="shop", owner=stranger, config=config)
    server.answer = lambda asked: (200, {"id": 1, "echo": "s3cret-of-theirs"}, {})
    page = Page(client.post(f"{edited}actions/0/test/", {"call-connection": mine.pk, "call-input_state": "new"}))
    assert "Test passed." in page.text and "s3cret" not in page.text and "***" in page.text
    create, given = f"{edited}actions/1/test/", {"call-connection": mine.pk, "call-input_name": "Anvil"}
    assert "Name" in Page(client.post(create, {"call-connection": mine.pk})).text
    page = Page(client.post(create, given))
    assert "Changes data: Create item" in page.text and len(server.asked) == 1
    client.post(create, given | {"confirmed": "yes"})
    assert server.asked[1].json == {"name": "Anvil"}
    refused = client.post(create, given | {"call-connection": theirs.pk, "confirmed": "yes"})
    assert refused.status_code == 422 and len(server.asked) == 2
    assert AuditEntry.objects.filter(verb="connection.called", object="Shop").count() == 2


def test_a_call_of_a_draft_is_tested_before_its_first_save(client, administrator, server):
    made = drafts.begin_draft(TEXT.encode(), by=administrator)
    call = url("connector_call", made.pk, 0)
    page = Page(client.get(url("connector_action", made.pk, 0)))
    assert "not stored" in page.text and page.all(name="call-setting_token")[0]["type"] == "password"
    assert "Token" in Page(client.post(call, {"call-setting_base_url": server.url})).text and not server.asked
    given = {"call-setting_token": "ordinary", "call-setting_base_url": server.url, "call-input_state": "new"}
    server.answer = lambda asked: (200, {"id": 1, "echo": "it is ordinary"}, {})
    page = Page(client.post(call, given))
    assert "Test passed." in page.text and "it is ***" in page.text and "ordinary" not in page.text
    assert server.asked[0].headers["authorization"] == "Bearer ordinary" and server.asked[0].query == {"state": ["new"]}
    entry = AuditEntry.objects.get(verb="connector.called")
    assert entry.changes == {"action": "shop.list_items", "hosts": "127.0.0.1"} and "ordinary" not in entry.canonical
    assert not Connection.objects.exists() and "ordinary" not in draft().text
    refused = Page(client.post(call, given | {"call-setting_base_url": "http://10.1.2.3/"}))
    assert "Test failed." in refused.text and len(server.asked) == 1


def test_further_pages_are_edited_in_a_form_and_read_by_a_test_call(client, administrator, server):
    made = drafts.begin_draft(TEXT.encode(), by=administrator)
    page_url = url("connector_action", made.pk, 0)
    form = form_of(Page(client.get(page_url))) | {"effect": "read"}
    wrong = client.post(page_url, form | {"pages-kind": "cursor", "pages-items": "data", "pages-size_parameter": "n"})
    page = Page(wrong)
    assert wrong.status_code == 422 and "pages:" not in draft().text
    for name in ("parameter", "cursor", "size_most"):
        assert page.ids[f"id_pages-{name}-why"]["role"] == "alert", name
    pages = {
        "pages-kind": "cursor", "pages-items": "data", "pages-cursor": "next", "pages-parameter": "after",
        "pages-size_parameter": "n", "pages-size_most": "2", "pages-first": "7",
    }  # fmt: skip
    assert client.post(page_url, form | pages).status_code == 303
    [action, _] = yaml.safe_load(draft().text)["actions"]
    size = {"parameter": "n", "most": 2}
    rule = {"kind": "cursor", "items": "data", "cursor": "next", "parameter": "after", "size": size}
    assert action["pages"] == rule and "# all of them" in draft().text, "comments and other kinds' values are kept out"
    asked = [{"data": [{"id": 1}, {"id": 2}], "next": "b"}, {"data": [{"id": 3}], "next": None}]
    server.answer = lambda request: (200, asked[len(server.asked) - 1], {})
    given = {"call-setting_token": "t", "call-setting_base_url": server.url, "call-input_limit": "10"}
    page = Page(client.post(url("connector_call", made.pk, 0), given))
    assert "Test passed." in page.text and "complete" in page.text
    assert [each.query for each in server.asked] == [{"n": ["2"]}, {"n": ["2"], "after": ["b"]}]
    form = form_of(Page(client.get(page_url))) | {"effect": "read"}
    assert (form["pages-cursor"], form["pages-size_most"], form["pages-limit"]) == ("next", "2", "100")
    client.post(page_url, form | {"pages-kind": "page", "pages-first": "0"})
    [action, _] = yaml.safe_load(draft().text)["actions"]
    assert action["pages"] == {"kind": "page", "items": "data", "parameter": "after", "first": 0, "size": size}
    client.post(page_url, form | {"pages-kind": ""})
    assert "pages:" not in draft().text


@pytest.mark.extended
def test_a_document_of_many_operations_is_searched_and_paged(client, administrator):
    paths = {f"/p{number}": {"get": {"operationId": f"get{number}", "responses": {}}} for number in range(10_000)}
    made = drafts.begin_draft(json.dumps({**OPENAPI, "paths": paths}).encode(), by=administrator)
    operations = url("connector_operations", made.pk)
    page = Page(client.get(operations))
    assert len(page.all(name="operation")) == 50 and "1 to 50 of 10000" in page.text.replace(",", "")
    found = Page(client.get(operations, {"q": "get9999"}))
    assert [each["value"] for each in found.all(name="operation")] == ["get9999"]
    found = Page(client.get(operations, {"q": "get999", "operation": ["get999", "get1"]}))
    ticked = [each["value"] for each in found.all(name="operation") if "checked" in each]
    assert ticked == ["get999"]
    many = [f"get{number}" for number in range(119)]
    for query in ({"q": "get9999", "operation": many}, {"page": "200", "operation": [*many, "get9999"]}):
        found = Page(client.get(operations, query))
        kept = [each["value"] for each in found.all(name="ticked")]
        assert len(kept) == 119 and len(urlencode({"ticked": kept}, doseq=True)) < 3_000, "more than fit on a page"
    client.post(operations, {"operation": ["get119"], "ticked": kept})
    page = url("connector_draft", made.pk)
    assert draft().text.count("operation: get") == 120
    assert client.post(page, {"do": "remove"}).status_code == 422 and "operation: get0\n" in draft().text
    client.post(operations, {"operation": [f"get{number}" for number in range(500, 800)]})
    assert "at most 200 operations" in Page(client.get(page)).text


@pytest.mark.extended
def test_only_administrators_know_of_it(sign_in, administrator, client, owner):
    save_connector(TEXT, administrator)
    edited = client.post(url("connector_edit", "shop")).url
    of = url("connector", "shop")
    pages = [url("connector_list"), url("connector_new"), edited, edited + "review/", edited + "actions/0/"]
    pages += [edited + "actions/0/preview/", of, of + "disable/", of + "delete/", of + "versions/1/"]
    assert [page for page in pages if client.get(page).status_code != 200] == []
    for person in (owner, make_person("auditor", "Auditors")):
        other = sign_in(person)
        posts = [*pages, of + "edit/", of + "enable/", of + "export/", edited + "actions/0/test/"]
        assert {(other.get(page).status_code, other.post(page).status_code) for page in pages[:-3]} <= {
            (404, 404),
            (404, 405),
        }
        assert [page for page in posts if other.post(page).status_code not in {404, 405}] == []
    administrator_two = make_person("second", "Builders")
    administrator_two.user_permissions.add(Permission.objects.get(codename="administer_site"))
    assert sign_in(administrator_two).get(edited).status_code == 404, "a draft is its author's"
