"""Files of a site that extend a connector which comes with Automate."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks

from automate_connectors.models import Connection
from automate_connectors.registry import connectors, find_action, find_webhook
from automate_testing.fakes import ScriptedHttp, answer, context

PAGE = Path(__file__).parents[2] / "docs" / "declared-connectors.md"
TOKEN = {"token": "t" * 20}


@pytest.fixture
def extend(tmp_path, settings):
    """Write what the site adds to a connector, and return what the registry then has under its code."""

    def write(code, source, folder=""):
        path = tmp_path / (folder or code) / "connector.yaml"
        path.parent.mkdir()
        path.write_text(source)
        settings.AUTOMATE_CONNECTORS_DIR = str(tmp_path)
        connectors.refresh()
        return connectors.get(code)

    yield write
    connectors.refresh()


def warned():
    return {each.id: each.msg for each in run_checks(tags=["automate"]) if "plug-in" in each.msg}


def test_the_example_of_the_documentation_adds_and_changes_actions(extend):
    before = {action.name: action for action in connectors.get("notion").actions}
    source = PAGE.read_text().split("```yaml\nformat: 1\nextends: ")[1].partition("```")[0]
    notion = extend("notion", f"format: 1\nextends: {source}")
    after = {action.name: action for action in notion.actions}
    assert set(after) - set(before) == {"get_database", "list_custom_emojis"}
    assert {name: after[name] for name in before} == before
    assert [poll.name for poll in notion.polls] == ["new_page", "changed_page"]
    http = ScriptedHttp([answer(200, {"results": [], "next_cursor": None, "has_more": False})])
    assert notion.execute("list_custom_emojis", {}, context(http, TOKEN))["count"] == 0
    [sent] = http.requests
    assert (sent.method, sent.url) == ("GET", "https://api.notion.com/v1/custom_emojis")
    assert (
        sent.headers["Notion-Version"] == "2025-09-03" and sent.headers["Authorization"] == f"Bearer {TOKEN['token']}"
    )
    assert warned() == {}  # it is no replacement


def test_fields_of_an_action_change_by_name(extend):
    source = """\
format: 1
extends: stripe
actions:
  - name: create_customer
    label: New customer
    without: [phone]
    fields:
      - {name: email, required: true}
      - {name: language, label: Language, at: preferred_locales.0}
  - {name: cancel_subscription, hidden: true}
polls:
  - {name: new_event, label: Event of Stripe}
webhooks:
  - {name: event, events: {payout.paid: Payout}}
options:
  prices: {action: list_prices, label: nickname}
"""
    stripe = extend("stripe", source)
    _, action = find_action("stripe.create_customer")
    names = {spec.name: spec for spec in action.fields}
    assert list(names) == ["email", "name", "description", "metadata", "language"]
    assert names["email"].required and names["email"].label == "Email address"
    http = ScriptedHttp([answer(200, {"id": "cus_1"})])
    given = {"email": "ada@example.com", "language": "de"}
    stripe.execute("create_customer", given, context(http, TOKEN))
    assert http.requests[0].data == "email=ada%40example.com&preferred_locales%5B0%5D=de"
    assert "cancel_subscription" not in {each.name for each in stripe.actions}
    assert [poll.label for poll in stripe.polls] == ["Event of Stripe"]
    assert tuple(find_webhook("stripe.event")[1].event_types) == ("payout.paid",)


def test_what_is_written_in_python_stays(extend):
    drive = extend("google_drive", "format: 1\nextends: google_drive\nactions: [{name: get_file, label: Show file}]\n")
    assert "change" in {webhook.name for webhook in drive.webhooks}
    slack = extend(
        "slack", "format: 1\nextends: slack\nactions: [{name: test, label: Try, path: /api.test, sample: {}}]\n"
    )
    assert {"upload_file", "test"} <= {action.name for action in slack.actions}
    assert len({action.name for action in slack.actions}) == len(slack.actions)


@pytest.mark.django_db
def test_connections_are_kept(extend, owner):
    connection = Connection(
        name="Notion", slug="notion", connector="notion", owner=owner, config={"token": "env:NOTION"}
    )
    connection.save()
    extend(
        "notion", "format: 1\nextends: notion\nactions: [{name: get_database, hidden: false, label: Get database}]\n"
    )
    Connection.objects.get(slug="notion").full_clean()
    assert connection.hosts() == ["api.notion.com"]


FAULTS = {
    "extends: notoin": "line 2: extends must be notion, as the folder is named.",
    "extends: notion\nname: Mine": "line 3: A file that extends a connector cannot have the name 'name'.",
    "extends: notion\nactions:\n  - {name: get_pages, label: X}": (
        "line 4: Notion has nothing with the name 'get_pages'. Did you mean get_page?"
    ),
    "extends: notion\npolls:\n  - {name: new_pages}": (
        "line 4: Notion has nothing with the name 'new_pages'. Did you mean new_page?"
    ),
    "extends: notion\nactions:\n  - {name: get_page, paht: /x}": (
        "line 4: actions[0]: The format has no name 'paht' here. Did you mean path?"
    ),
    "extends: notion\nactions:\n  - {name: get_page, without: [x]}": "line 4: There is no field 'x'.",
    "extends: notion\nactions: {}": "Expected",
    "extends: notion\nactions: [7]": "Expected",
    "extends: notion\noptions: 7": "Expected",
}


@pytest.mark.parametrize("source", FAULTS)
def test_a_fault_is_a_warning_and_the_shipped_connector_stays(extend, source):
    before = connectors.get("notion").actions
    assert extend("notion", f"format: 1\n{source}\n").actions == before
    [broken] = [plugin for plugin in connectors.plugins if plugin.error]
    assert broken.name == "notion" and FAULTS[source] in broken.error
    assert FAULTS[source] in warned()["automate_connectors.W001"]


def test_only_files_can_be_extended(extend):
    extend("http", "format: 1\nextends: http\n")
    assert "No connector 'http' that is a file comes with Automate." in warned()["automate_connectors.W001"]


def test_what_is_written_in_python_cannot_be_changed(extend):
    extend("slack", "format: 1\nextends: slack\nactions: [{name: upload_file, label: X}]\n")
    assert "'upload_file' is not part of a file and cannot be changed." in warned()["automate_connectors.W001"]
