"""Templates by the API: from one of them to a draft."""

from __future__ import annotations

import pytest

from automate_authoring.library import files
from automate_connectors.models import Connection
from automate_core.models import Workflow
from automate_governance.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_the_list_has_pages_and_categories(api, owner):
    client = api(owner)
    found, cursor = [], None
    while True:
        page = client.get("templates", {"limit": 5} | ({"cursor": cursor} if cursor else {})).json()
        found += [each["slug"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == sorted(files.installed_templates())
    finance = client.get("templates", {"category": "finance", "limit": 100}).json()["items"]
    assert finance and {each["category"] for each in finance} == {"finance"}
    assert client.get("templates", {"category": "nonsense"}).json()["items"] == []
    assert client.get("templates", {"cursor": "%"}).status_code == 422


def test_a_template_says_what_it_needs(api, owner):
    Connection.objects.create(name="Chat", slug="chat", connector="slack", owner=owner)
    client = api(owner)
    read = client.get("templates/order-status-in-slack").json()
    [chat] = [each for each in read["needs"] if each["kind"] == "connection" and each["name"] == "slack"]
    assert chat["choices"] == [{"slug": "chat", "name": "Chat"}] and chat["chosen"] == "chat"
    narrow = api(owner, "workflow:add").get("templates/order-status-in-slack").json()
    assert not any(each["choices"] for each in narrow["needs"] if each["kind"] in {"connection", "endpoint"})
    assert read["document"]["slug"] == "order-status-in-slack"
    assert client.get("templates/nonsense").status_code == 404


def test_a_workflow_is_created_once_with_what_was_chosen(api, owner):
    Connection.objects.create(name="Chat", slug="chat", connector="slack", owner=owner)
    client = api(owner)
    body = {"connections": {"slack": "chat"}}
    made = client.post("templates/order-status-in-slack/workflows", body, key="one")
    assert made.status_code == 201, made.content
    assert made.json()["workflow"]["status"] == "draft" and made.json()["workflow"]["owner"] == "owner"
    assert client.post("templates/order-status-in-slack/workflows", body, key="one").json() == made.json()
    draft = Workflow.objects.get(slug=made.json()["workflow"]["slug"])
    assert "chat" in draft.steps.values_list("connection", flat=True)
    second = client.post("templates/order-status-in-slack/workflows", {}).json()
    assert second["workflow"]["slug"] == f"{draft.slug}-2"
    assert AuditEntry.objects.filter(verb="workflow.template_used").count() == 2


def test_what_is_left_to_set_up_is_named(api, owner):
    made = api(owner).post("templates/order-status-in-slack/workflows", {}).json()
    assert "Slack" in made["to_set_up"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"connections": {"slack": "nonsense"}}, "connections.slack"),
        ({"connections": {"nonsense": "chat"}}, "connections.nonsense"),
        ({"endpoints": {"nonsense": "x"}}, "endpoints.nonsense"),
        ({"settings": {"nonsense": "x"}}, "settings.nonsense"),
        ({"connections": {"slack": 1}}, "connections.slack"),
        ({"settings": []}, "settings"),
    ],
)
def test_a_bad_choice_creates_nothing(api, owner, body, field):
    refused = api(owner).post("templates/order-status-in-slack/workflows", body)
    assert refused.status_code == 422, refused.content
    assert field in {each["field"] for each in refused.json()["errors"]}
    assert not Workflow.objects.exists()


def test_settings_are_checked(api, owner):
    slug, name = next(
        (slug, name)
        for slug, template in files.installed_templates().items()
        for name, setting in template.settings.items()
        if setting.kind == "number"
    )
    client = api(owner)
    for value in ("x", "", "9" * 40):
        refused = client.post(f"templates/{slug}/workflows", {"settings": {name: value}})
        assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == f"settings.{name}", value
    made = client.post(f"templates/{slug}/workflows", {"settings": {name: 12.5}})
    assert made.status_code == 201
    assert Workflow.objects.get().vars[name] == 12.5
