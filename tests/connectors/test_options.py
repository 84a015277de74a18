"""What can be chosen for a field, from a server that answers as the other side does: over HTTP, as the builder asks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from automate_connectors.models import Connection
from automate_core.models import Step
from automate_governance.models import AuditEntry, StoredSecret
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = """
name: Choosing
slug: choosing
triggers: []
steps:
  - {key: post, action: slack.post_message, connection: mine, inputs: {channel: C1, text: Hi}}
  - {key: issue, action: github.create_issue, connection: mine-too, inputs: {repository: o/r, title: Hi}}
  - {key: find, action: models.find, inputs: {model: auth.User}}
  - {key: ask, kind: approval, assignees: [owner], timeout: 1d}
"""


@pytest.fixture
def made(workflow, owner, monkeypatch, server):
    monkeypatch.setenv("AUTOMATE_SECRET_THEIRS", "s3cret-of-theirs")
    for slug, connector in (("mine", "slack"), ("mine-too", "github")):
        config = {"token": "env:THEIRS", "base_url": server.url}
        Connection.objects.create(name=slug, slug=slug, connector=connector, owner=owner, config=config)
    return workflow(STEPS, publish=False)


@pytest.fixture
def offered(made, sign_in, owner):
    def ask(path, field, person=owner):
        answer = sign_in(person).post(reverse("studio:builder_options", args=[made.pk, path]), {"field": field})
        assert answer.status_code == 200, answer.status_code
        page = Page(answer)
        return [found["data-value"] for found in page.all(role="option")] or page

    return ask


def test_channels_come_page_by_page_and_a_refusal_can_be_tried_again(server, offered, owner):
    pages = {
        None: {"ok": True, "channels": [{"id": "C2", "name": "shop"}], "response_metadata": {"next_cursor": "x"}},
        "x": {"ok": True, "channels": [{"id": "C1", "name": "all"}]},
    }
    server.answer = lambda asked: (200, pages[asked.query.get("cursor", [None])[0]], {})
    assert offered("post", "inputs.channel") == ["C1", "C2"], "by their names"
    assert AuditEntry.objects.filter(verb="connection.asked", actor="owner").exists()
    server.answer = lambda asked: (200, {"ok": False, "error": "missing_scope", "needed": "channels:read"}, {})
    refused = offered("post", "inputs.channel")
    assert "Add the scope channels:read to the app" in refused.text and "Reload" in refused.text
    assert "s3cret" not in refused.text


def test_what_belongs_to_a_repository_needs_one(server, offered, made):
    server.answer = lambda asked: (200, [{"full_name": "o/r"}, {"name": "bug"}], {})
    assert offered("issue", "inputs.repository") == ["o/r"]
    assert offered("issue", "inputs.labels") == ["bug"]
    assert server.asked[-1].path == "/repos/o/r/labels"
    Step.objects.filter(key="issue").update(inputs={"repository": "{{ event.payload.repository }}"})
    assert "Select a repository first" in offered("issue", "inputs.labels").text


def test_connections_of_others_are_not_asked(offered, stranger, server):
    Connection.objects.update(owner=stranger)
    assert "First choose a connection that you can use" in offered("post", "inputs.channel").text
    assert not server.asked


@pytest.mark.extended
def test_models_and_their_fields_are_those_that_one_may_see(settings, offered, owner, sign_in, made):
    settings.AUTOMATE_MODELS = {
        "auth.User": {"read": ["username", "email"], "write": ["email"]},
        "auth.Group": {"read": ["name"]},
    }
    assert "No options" in offered("find", "inputs.model").text
    owner.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert offered("find", "inputs.model") == ["auth.user"]
    assert offered("find", "inputs.fields") == offered("find", "inputs.where::field") == ["pk", "username", "email"]
    assert offered("find", "inputs.order_by")[:2] == ["username", "-username"]
    Step.objects.filter(key="find").update(inputs={"model": "auth.Group"})
    assert "Select a model first" in offered("find", "inputs.where::field").text
    url = reverse("studio:builder_options", args=[made.pk, "find"])
    for field in ("inputs.limit", "inputs.nope", "", "name"):
        assert sign_in(owner).post(url, {"field": field}).status_code == 404


def test_people_groups_and_zones_are_the_sites(offered, owner, stranger, admin):
    assert offered("ask", "assignees") == ["owner", "root"], "nobody learns here who else there is"
    assert "Builders" in offered("ask", "groups")
    assert offered("~workflow", "run_as") == ["owner"]
    assert "Europe/Berlin" in offered("~workflow", "timezone")
    assert {"owner", "stranger", "root"} <= set(offered("~workflow", "run_as", admin))


# --- the connection itself --------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_connection_is_made_and_tried_in_place(made, sign_in, owner, server, colleague):
    client, url = sign_in(owner), reverse("studio:builder_connection", args=[made.pk, "post"])
    assert {"id_name", "id_config_token_1"} <= {name.replace("_value", "_1") for name in Page(client.get(url)).ids}
    given = {"name": "Ours", "config_base_url": server.url, "allowed_hosts": "", "config_token_value": "xoxb-canary"}
    wrong = client.post(url, {**given, "name": ""})
    assert wrong.status_code == 422 and "This field is required" in wrong.content.decode()
    assert not StoredSecret.objects.filter(name__startswith="slack").exists()
    answer = client.post(url, given)
    assert answer.status_code == 200 and Page(answer).all(data_connection_made="ours"), answer.content.decode()
    connection = Connection.objects.get(slug="ours")
    assert connection.owner == owner and connection.connector == "slack"
    assert connection.config["token"].startswith("database:") and b"canary" not in answer.content
    assert AuditEntry.objects.filter(verb="connection.created").exists()
    server.answer = lambda asked: (200, {"ok": True, "team": "Shop", "user": "bot"}, {})
    said = client.post(url, {"act": "test"})
    assert "Signed in to Shop as bot." in said.content.decode()
    Connection.objects.filter(slug="mine").update(owner=colleague)
    assert client.post(url, {"act": "test"}).status_code == 404
