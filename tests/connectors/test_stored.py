"""Stored connectors: versions and drafts as rows, their way into the registry, and what a new version breaks."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading

import pytest
from django.contrib.auth.models import Permission
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import connection, transaction
from django.test.client import ClientHandler

from automate_authoring import connector_versions, workflows
from automate_authoring.connector_breaks import use_breaks
from automate_authoring.connector_versions import BreaksWorkflowsError
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.yaml_files import DocumentError, read_document
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_connectors.stored import drafts, edits, versions
from automate_connectors.stored.building import FaultyTextError
from automate_connectors.stored.drafts import GoneError
from automate_connectors.stored.freshness import stored_connectors
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft, OpenAPIDocument
from automate_connectors.stored.versions import DestinationError, StaleDraftError
from automate_core.definition.document import DefinitionError
from automate_core.models import ExecutionRun
from automate_core.worker.worker import Worker
from automate_governance.models import AuditEntry
from automate_governance.permissions import NotPermittedError
from automate_governance.reference_registry import InUseError
from tests.support.locks import somebody_waits
from tests.support.people import make_person
from tests.support.processes import wait_for
from tests.support.stored_connectors import OPENAPI, TEXT, save_connector

pytestmark = pytest.mark.django_db(transaction=True)

USE = """
name: Shopping
slug: shopping
triggers: [{endpoint: github}]
steps:
  - {key: look, name: Look, action: shop.list_items, connection: my-shop, inputs: {state: new, most: '{{ 1 + 1 }}'}}
  - {key: make, action: shop.create_item, connection: my-shop, inputs: {name: Anvil}}
"""


@pytest.fixture
def shop(admin, owner, server, monkeypatch):
    """The connector with a connection to a real server."""
    monkeypatch.setenv("AUTOMATE_SECRET_THEIRS", "s3cret-of-theirs")
    saved = save_connector(TEXT, admin)
    config = {"token": "env:THEIRS", "base_url": server.url}
    Connection.objects.create(name="Shop", slug="my-shop", connector="shop", owner=owner, config=config)
    return saved.connector


def paths(server):
    return [asked.path for asked in server.asked]


def test_a_new_version_is_used_by_a_worker_that_has_compiled_the_old_one(shop, admin, server, workflow, deliver):
    workflow(USE)
    server.answer = lambda asked: (200, {"id": 1}, {})
    deliver()
    worker = Worker(concurrency=2, drain=True, name="test")
    worker.run()
    run = ExecutionRun.objects.get()
    assert (run.status, paths(server)) == ("succeeded", ["/items", "/items"])
    save_connector(TEXT.replace("path: /items", "path: /v2/items"), admin)
    program = worker._engine._find_program(run.version_id)
    assert program.body.nodes[0].adapter.document.actions[0].path == "/v2/items"


def test_another_process_sees_a_version_within_seconds(admin, monkeypatch, django_assert_num_queries):
    with transaction.atomic():
        save_connector(TEXT, admin)
        stored_connectors.forget()
    assert "shop" in connectors.names(), "this process saved it"
    stored_connectors.forget()
    request_started.send(sender=ClientHandler)
    assert "shop" not in connectors.names()
    monkeypatch.setattr(stored_connectors, "_checked_at", float("-inf"))
    request_started.send(sender=WSGIHandler)
    assert connectors.get("shop").name == "Tiny shop"
    with django_assert_num_queries(0):
        request_started.send(sender=WSGIHandler)
    with django_assert_num_queries(1):
        stored_connectors.refresh()
    stored_connectors.forget()
    monkeypatch.setattr(connectors, "_stored", None)  # a command that has just begun
    assert "shop" in connectors.names()
    connector_versions.disable(DeclaredConnector.objects.get(), by=admin)
    assert "shop" not in connectors.names()


def test_codes_of_others_are_not_taken_over(admin, settings, monkeypatch):
    faults = {
        TEXT.replace("code: shop", "code: trigger"): (3, "already used"),
        TEXT.replace("code: shop", "code: stripe"): (3, "already used"),
        TEXT.replace("code: shop", "code: http"): (3, "already used"),
        TEXT.replace("path: /items", "paht: /items"): (13, "no name 'paht'"),
        TEXT.replace("https://api", "http://localhost#"): (6, "A base URL"),
        TEXT.replace("name: Tiny shop", "name: [\0]"): (None, "control characters"),
    }
    for text, (line, said) in faults.items():
        with pytest.raises(FaultyTextError, match=said) as caught:
            versions.build_draft(DeclaredConnectorDraft(text=text))
        assert caught.value.faults[0].line == line, text
    saved = save_connector(TEXT, admin)
    with pytest.raises(FaultyTextError, match="already used by another"):
        versions.build_draft(DeclaredConnectorDraft(text=TEXT))
    with pytest.raises(FaultyTextError, match="cannot change"):
        draft = DeclaredConnectorDraft(text=TEXT.replace("code: shop", "code: two"), connector=saved.connector)
        versions.build_draft(draft)
    DeclaredConnector.objects.update(code="stripe")  # as after an update of Automate that brings one
    stored_connectors.forget()
    stored_connectors.refresh()
    assert connectors.is_built_in("stripe")
    assert [p.error for p in connectors.plugins if p.name == "stripe" and p.error]
    settings.AUTOMATE_CONNECTORS = ["http"]
    DeclaredConnector.objects.update(code="shop")
    stored_connectors.forget()
    stored_connectors.refresh()
    assert "shop" not in connectors.names(), "the setting limits stored connectors, too"


def test_a_draft_keeps_its_comments_and_is_refused_when_it_is_stale(admin, stranger):
    saved = save_connector(TEXT, admin)
    assert (saved.number, saved.connector.current_id) == (1, saved.pk)
    old = drafts.edit_connector(saved.connector, by=admin)
    drafts.edit(old, lambda value: value["actions"][0].update(label="Items"), by=admin)
    assert "# all of them" in old.text and "label: Items" in old.text
    other = DeclaredConnectorDraft.objects.create(connector=saved.connector, author=stranger, text=TEXT, base=1)
    connector_versions.save_draft(old, by=admin, note="Shorter")
    with pytest.raises(StaleDraftError, match="Version 2 was saved"):
        connector_versions.save_draft(other, by=admin)
    with pytest.raises(NotPermittedError):
        versions.save_version(other, by=stranger)
    restored = connector_versions.restore_version(saved, by=admin)
    assert (restored.number, restored.note, restored.text) == (3, "v1", TEXT)
    verbs = list(AuditEntry.objects.filter(verb__startswith="connector.").order_by("at").values_list("verb", flat=True))
    assert verbs == ["connector.created", "connector.changed", "connector.restored"]


def test_what_breaks_is_named_before_it_does(shop, admin, workflow):
    workflow(USE)
    wider = TEXT.replace("{name: price", "{name: size, required: true, kind: integer}, {name: price")
    with pytest.raises(BreaksWorkflowsError, match="1 published workflow breaks") as caught:
        save_connector(wider.replace("name: list_items", "name: items"), admin)
    found = [(each.workflow.slug, each.step, str(each.reason)) for each in caught.value.breaks]
    assert found == [
        ("shopping", "Look", "The action list_items is removed."),
        ("shopping", "make", "The field size is now required."),
    ]
    assert connectors.get("shop").action("list_items")
    with pytest.raises(BreaksWorkflowsError):
        connector_versions.disable(shop, by=admin)
    with pytest.raises(InUseError, match="workflow Shopping"):
        versions.delete_connector(shop, by=admin)
    saved = save_connector(wider, admin, accept_breaks=True)
    assert saved.number == 2 and DeclaredConnectorDraft.objects.count() == 0


def test_secrets_go_to_no_other_host_by_somebody_who_may_not_use_them(shop, admin):
    administrator = make_person("administrator", "Builders")
    administrator.user_permissions.add(Permission.objects.get(codename="administer_site"))
    saved = save_connector(TEXT.replace("example/v1", "example/v2"), administrator)
    assert saved.number == 2, "the same host"
    moved = TEXT.replace("api.shop.example", "evil.example")
    with pytest.raises(DestinationError, match="1 connection that you may not use would send its secrets there"):
        save_connector(moved, administrator)
    versions.delete_connector(shop, by=administrator)
    with pytest.raises(DestinationError):
        save_connector(moved, administrator)
    assert not DeclaredConnector.objects.exists()
    assert save_connector(moved, admin).number == 1


def test_defaults_of_settings_lead_secrets_to_no_other_host(shop, admin):
    administrator = make_person("administrator", "Builders")
    administrator.user_permissions.add(Permission.objects.get(codename="administer_site"))
    token = "  - {name: token, label: Token, kind: secret, required: true}\n"
    of_a_label = TEXT.replace("https://api.shop", "https://{Area}.shop").replace(
        token, token + "  - {name: Area, label: Area, default: eu}\n"
    )
    other = token + "  - {name: base_url, label: Address, default: 'https://evil.example'}\n"
    with pytest.raises(DestinationError):
        save_connector(TEXT.replace(token, other), administrator)
    DeclaredConnectorDraft.objects.all().delete()
    assert save_connector(of_a_label, admin).number == 2
    with pytest.raises(DestinationError):
        save_connector(of_a_label.replace("default: eu", "default: us"), administrator)
    DeclaredConnectorDraft.objects.all().delete()
    assert save_connector(of_a_label.replace("default: eu", "required: true"), administrator).number == 3


TRIGGERS = """\
  - {name: hook, label: Hook, method: POST, path: /hooks, fields: [{name: url}, {name: secret, sensitive: true}], sample: {id: 1}}
  - {name: hooks, label: Hooks, path: /hooks, sample: []}
polls:
  - {name: new_item, label: New item, action: list_items, items: items, details: {action: get_item, params: {id: id}}, fields: [state]}
webhooks:
  - name: sold
    label: Sold
    fields: [{name: area, label: Area}]
    scheme: hmac
    events: {sold: Sold}
    register: {action: hook, params: {url: "{url}", secret: "{secret}"}}
    list: {action: hooks}
    remove: {action: get_item, params: {id: "{id}"}}
    sample: {id: 1}
"""
WITH_TRIGGERS = (
    TEXT
    + "  - {name: get_item, label: Item, path: '/items/{id}', fields: [{name: id, required: true}], sample: {id: 1}}\n"
    + TRIGGERS
)


@pytest.mark.parametrize("kind", ["poll: shop.new_item, kind: poll", "webhook: shop.sold, kind: service"])
def test_triggers_use_a_connector_too(admin, owner, workflow, kind):
    shop = save_connector(WITH_TRIGGERS, admin).connector
    config = {"token": "env:THEIRS"}
    Connection.objects.create(name="Shop", slug="my-shop", connector="shop", owner=owner, config=config)
    workflow(f"""
name: Shopping
slug: shopping
triggers: [{{{kind}, connection: my-shop}}]
steps: [{{key: a, action: data.set}}]
""")
    with pytest.raises(InUseError, match="workflow Shopping"):
        versions.delete_connector(shop, by=admin)
    renamed = WITH_TRIGGERS.replace("name: new_item", "name: item").replace("name: sold", "name: sale")
    with pytest.raises(BreaksWorkflowsError) as caught:
        save_connector(renamed, admin)
    [found] = caught.value.breaks
    assert "The trigger" in str(found.reason)


def test_a_renamed_action_is_called_by_its_new_name(admin):
    draft = drafts.begin_draft(WITH_TRIGGERS.encode(), by=admin)
    for index, view in enumerate(edits.action_views(draft)):
        edits.edit_action(draft, index, dataclasses.replace(view, name=f"new_{view.name}"), by=admin)
    document = versions.build_draft(draft).document
    assert (document.polls[0].action, document.polls[0].details.action) == ("new_list_items", "new_get_item")
    [hook] = document.webhooks
    assert (hook.register.action, hook.listing.action, hook.remove.action) == ("new_hook", "new_hooks", "new_get_item")


def test_what_the_reader_of_comments_does_not_take_is_refused(admin):
    for sample in ("2026-02-30", "2026-02-20T99:99:99Z"):  # texts, but dates for it
        draft = drafts.begin_draft(TEXT.replace("{id: 1}", sample, 1).encode(), by=admin)
        with pytest.raises(DocumentError, match="Edit it as YAML"):
            drafts.edit(draft, lambda value: value.update(name="Other"), by=admin)


def test_a_text_in_json_is_edited_by_forms(admin):
    given = json.dumps(read_document(TEXT.encode()), indent="\t")
    draft = drafts.begin_draft(given.encode(), by=admin)
    drafts.edit(draft, lambda value: value.update(name="Other"), by=admin)
    assert versions.build_draft(draft).document.name == "Other" and "name: Other" in draft.text


def test_what_is_deleted_meanwhile_is_not_saved_and_does_not_come_back(admin):
    """Another person deletes the connector, or the draft, between the reading of a row and its change."""
    saved = save_connector(TEXT, admin)
    draft = drafts.edit_connector(saved.connector, by=admin)
    late = DeclaredConnectorDraft.objects.select_related("connector__current").get(pk=draft.pk)
    connector = DeclaredConnector.objects.get(pk=saved.connector.pk)
    versions.delete_connector(saved.connector, by=admin)
    changes = [
        lambda: drafts.change_text(late, TEXT, by=admin),
        lambda: connector_versions.save_draft(late, by=admin, accept_breaks=True),
        lambda: drafts.replace_document(late, json.dumps(OPENAPI).encode(), by=admin),
        lambda: drafts.edit_connector(connector, by=admin),
        lambda: connector_versions.restore_version(saved, by=admin, accept_breaks=True),
        lambda: versions.set_enabled(connector, on=False, by=admin),
        lambda: versions.delete_connector(connector, by=admin),
    ]
    for number, change in enumerate(changes):
        with pytest.raises(GoneError, match="deleted meanwhile"):
            change()
        assert not DeclaredConnectorDraft.objects.exists() and not DeclaredConnector.objects.exists(), number
    fresh = drafts.begin_draft(TEXT.encode(), by=admin)
    late = DeclaredConnectorDraft.objects.get(pk=fresh.pk)
    drafts.discard_draft(fresh, by=admin)
    for change in (
        lambda: drafts.change_text(late, TEXT, by=admin),
        lambda: connector_versions.save_draft(late, by=admin),
    ):
        with pytest.raises(GoneError):
            change()
    assert not DeclaredConnectorDraft.objects.exists() and not DeclaredConnector.objects.exists()


def in_thread(act):
    """Run it in a thread with a connection of its own; `result` gives its error, or None."""
    found = []

    def run():
        try:
            act()
            found.append(None)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(60)
        return found[0]

    return result


def test_a_connector_is_not_deleted_while_a_workflow_with_it_is_published(shop, workflow, admin, owner):
    made = workflow(USE, publish=False)
    with transaction.atomic():
        workflows.publish(made, author=owner)
        deleted = in_thread(lambda: versions.delete_connector(shop, by=admin))
        wait_for(somebody_waits)
    assert isinstance(deleted(), InUseError) and DeclaredConnector.objects.exists()


def test_a_workflow_is_not_published_while_its_connector_is_deleted(shop, workflow, admin, owner):
    made = workflow(USE, publish=False)
    with transaction.atomic():
        versions.delete_connector(shop, by=admin)
        published = in_thread(lambda: workflows.publish(made, author=owner))
        wait_for(somebody_waits)
    error = published()
    assert isinstance(error, DefinitionError) and "shop was deleted or disabled" in str(error)
    made.refresh_from_db()
    assert made.published is None


def test_an_unused_connector_is_deleted_with_its_document(admin):
    draft = drafts.begin_draft(json.dumps(OPENAPI).encode(), by=admin)
    assert drafts.add_operations(draft, ["listItems", "DELETE /orders/{order}"], by=admin) == 2
    assert drafts.add_operations(draft, ["listItems"], by=admin) == 0
    saved = connector_versions.save_draft(draft, by=admin)
    adapter = connectors.get("depot")
    assert [action.name for action in adapter.actions] == ["list_items", "delete_orders_order"]
    assert adapter.document.auth.name == "X-Key" and "script" not in adapter.description
    again = drafts.edit_connector(saved.connector, by=admin)
    without = copy.deepcopy(OPENAPI)
    del without["paths"]["/items"]
    drafts.replace_document(again, json.dumps(without).encode(), by=admin)
    with pytest.raises(FaultyTextError, match="There is no operation 'listItems'"):
        connector_versions.draft_breaks(again)
    assert OpenAPIDocument.objects.count() == 2
    versions.delete_connector(saved.connector, by=admin)
    assert not OpenAPIDocument.objects.exists() and "depot" not in connectors.names()


HOSTILE = {
    "local servers": ({**OPENAPI, "servers": [{"url": "http://127.0.0.1"}]}, "no public https server"),
    "no operations": (b"openapi: 3.0.0\npaths: 7\n", "not a valid OpenAPI"),
    "aliases": (b"openapi: 3.0.0\na: &a [1]\nb: [*a, *a]\n", "Aliases"),
    "deep": (b"format: " + b"[" * 5_000, "levels deep|YAML"),
    "large yaml": (b"# " + b"x" * 6_000_000, "Convert it to JSON"),
    "large text": (b"format: 1\nname: " + b"x" * 1_000_001, "larger than 1 MB"),
    "nothing": (b"", "not an OpenAPI document"),
    "two keys": (b"format: 1\nformat: 1\n", "occurs twice"),
}  # fmt: skip


def test_a_title_holds_no_lines_and_control_characters(admin):
    title = {"title": "De\0pot\nformat: 2", "description": "Keeps things"}
    draft = drafts.begin_draft(json.dumps({**OPENAPI, "info": title}).encode(), by=admin)
    assert draft.document.title == "De pot format: 2" and draft.text.splitlines()[1] == "format: 1"


def test_hostile_texts_end_with_a_reason_and_leave_nothing(admin):
    for name, (source, said) in HOSTILE.items():
        given = source if isinstance(source, bytes) else json.dumps(source).encode()
        with pytest.raises(DocumentError, match=said):
            drafts.begin_draft(given, by=admin)
        assert not DeclaredConnectorDraft.objects.exists(), name


def test_only_what_a_step_uses_can_break(admin):
    def list_items(text):
        return declare(versions.build_draft(DeclaredConnectorDraft(text=text)).document)().action("list_items")

    before = list_items(TEXT)
    cases = [
        ({"state": "new"}, ("[new, old]", "[old, new]"), []),
        ({"state": "new"}, ("[new, old]", "[old]"), ["The field state no longer accepts its value."]),
        ({"state": "{{ 1 }}"}, ("[new, old]", "[old]"), []),
        ({"most": 3}, ("kind: integer", "kind: text"), []),
        ({"most": "{{ 3 }}"}, ("kind: integer", "kind: list"), ["The field most changes from integer to list."]),
        ({"most": 3}, ("kind: integer", "kind: list"), ["The field most changes from integer to list."]),
        ({}, ("kind: integer", "kind: list"), []),
        ({}, ("kind: integer", "kind: integer, required: true"), ["The field most is now required."]),
        ({}, ("kind: integer", "kind: integer, required: true, default: 3"), []),
        ({"most": 1}, ("name: most", "name: least"), ["The field most is removed."]),
        ({"state": "new"}, ("name: most", "name: least"), []),
        ({"unknown": 1}, ("name: most", "name: least"), []),
    ]
    misses = [
        (inputs, change, found)
        for inputs, change, wanted in cases
        if (found := [str(each) for each in use_breaks("x", inputs, before, list_items(TEXT.replace(*change)))])
        != wanted
    ]
    assert misses == []
