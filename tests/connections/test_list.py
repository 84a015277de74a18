"""The connections as people see them: cards, a test before saving, and deletion that says what is in use."""

from __future__ import annotations

import re

import pytest
from django.db import connection as database_connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors import health
from automate_connectors.models import Connection
from automate_core.models import NotificationRule, Step
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets import recovery
from automate_governance.secrets.keyring import generate_key
from tests.connections.conftest import refused
from tests.support.connections import CONNECTION_ADD, connection_form, press_test

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:automate_connectors_connection_changelist")
HTMX = {"HX-Request": "true", "HX-Target": "list"}
CALL = "  - {key: call, action: probe.call, connection: probed, inputs: {n: 1}}"


def names(client, **query):
    return re.findall(r'id="name-\d+"[^>]*>([^<]+)<', client.get(LIST, query).content.decode())


def words(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


@pytest.fixture
def many(probe, owner):
    made = {
        name: Connection.objects.create(name=name, slug=name.lower(), connector="probe", owner=owner)
        for name in ("Aching", "Broken", "Calm", "Dusty")
    }
    health.record_test(made["Broken"], "http_401", "Probe rejected the token")
    health.record_test(made["Calm"], "", "fine")
    health.require_reconnect(made["Aching"], "the token was withdrawn")
    return made


@pytest.mark.extended
def test_failing_ones_come_first_with_what_to_do(many, sign_in, owner):
    client = sign_in(owner)
    assert names(client) == ["Aching", "Broken", "Dusty", "Calm"]
    shown = words(client.get(LIST))
    assert "Probe rejected the token" in shown and "Check the secret and the URL" in shown
    assert "Not tested yet" in shown and "Healthy" in shown and "Working" not in shown
    for tab, expected in {"failing": ["Aching", "Broken"], "untested": ["Dusty"], "healthy": ["Calm"]}.items():
        assert names(client, show=tab) == expected
    assert names(client, q="alm") == ["Calm"] and names(client, app="http") == []
    assert "No connections match these filters" in words(client.get(LIST, {"q": "nothing"}))
    answer = client.get(LIST, {"q": "alm"}, headers=HTMX)
    assert (
        answer["HX-Push-Url"] == f"{LIST}?q=alm" and b"<html" not in answer.content and b'id="tabs"' in answer.content
    )


@pytest.mark.extended
def test_where_it_is_used_and_when(probe, probed, publish, run, sign_in, owner, colleague):
    made = publish(CALL)
    NotificationRule.objects.create(kind="first_failure", channel="slack", connection="probed", room="#ops")
    link = reverse("admin:automate_core_workflow_change", args=[made.pk])
    page = sign_in(owner).get(LIST)
    assert link in page.content.decode() and "1 workflow, 1 notification rule" in words(page)
    assign_perm("view_connection", colleague, probed)
    page = sign_in(colleague).get(LIST)
    assert link not in page.content.decode() and "1 workflow, 1 notification rule" in words(page)
    assert "Last used Never" in words(page)
    run()
    probed.refresh_from_db()
    assert probed.last_used_at is not None
    assert re.search(r"Last used (\d+ s ago|just now)", words(sign_in(owner).get(LIST)))


def test_a_connection_that_works_untested_does_not_say_never(probed, sign_in, owner):
    Connection.objects.update(health="working", last_used_at=Now())
    assert re.search(r"Last tested Not tested\. Worked when used (\d+ s ago|just now)", words(sign_in(owner).get(LIST)))


@pytest.mark.extended
def test_the_list_costs_the_same_for_one_and_for_many(probe, probed, publish, sign_in, owner):
    made = publish(CALL)
    client = sign_in(owner)
    client.get(LIST)
    with CaptureQueriesContext(database_connection) as few:
        client.get(LIST)
    for number in range(40):
        secret = StoredSecret(name=f"s{number}", owner=owner)
        secret.put(f"value-number-{number}")
        secret.save()
        Connection.objects.create(
            name=f"C{number}", slug=f"c{number}", connector="probe", owner=owner, health="failing",
            config={"base_url": "https://api.example.com", "token": f"database:s{number}"},
        )  # fmt: skip
        Step.objects.create(
            workflow=made, key=f"s{number}", kind="action", action="probe.call", connection=f"c{number}"
        )
    with CaptureQueriesContext(database_connection) as lots:
        answer = client.get(LIST)
    assert len(lots) <= len(few), [query["sql"][:200] for query in lots]
    assert "1 to 24 of 41" in words(answer) and "25 to 41 of 41" in words(client.get(LIST, {"page": 2}))


def test_only_what_one_may_do_is_offered(probe, probed, sign_in, owner, colleague, stranger):
    menu = (reverse("studio:share", args=["connection", probed.pk]),
            reverse("admin:automate_connectors_connection_delete", args=[probed.pk]))  # fmt: skip
    test = reverse("studio:connection_test", args=[probed.pk])
    mine = sign_in(owner).get(LIST).content.decode()
    assert all(f'"{url}"' in mine for url in (*menu, test))
    assert "csrfmiddlewaretoken" in mine.partition(f'action="{test}"')[2].partition("</form>")[0], (
        "also without scripts"
    )
    assign_perm("view_connection", colleague, probed)
    theirs = sign_in(colleague).get(LIST).content.decode()
    assert "Probe" in theirs and not any(f'"{url}"' in theirs for url in (*menu, test))
    assert "No connections yet" in words(sign_in(stranger).get(LIST)) and names(sign_in(stranger)) == []
    owner.groups.clear()
    assert sign_in(owner).get(LIST).status_code == 404
    assert sign_in(None).get(LIST).status_code == 302


def test_a_card_is_tested_in_place(probe, probed, sign_in, owner):
    probe.answers = [refused("bad credentials")]
    test = reverse("studio:connection_test", args=[probed.pk])
    answer = sign_in(owner).post(test, {"as": "card"}, headers=HTMX)
    assert f'id="connection-{probed.pk}"' in answer.content.decode() and "Test failed" in words(answer)
    assert "bad credentials" in words(answer)
    assert 'id="tabs"' in answer.content.decode() and "Failing 1" in words(answer)


def test_it_is_tested_before_it_is_saved(probe, sign_in, owner):
    client = sign_in(owner)
    assert b"Test before saving" in client.get(reverse(CONNECTION_ADD), {"connector": "probe"}).content
    probe.answers = [lambda context: f"Signed in with {context['connection']['token']}"]
    answer = client.post(reverse("studio:connection_try"), connection_form())
    assert answer.status_code == 200 and "Test passed. Signed in with ***" in words(answer)
    assert b"canary" not in answer.content and probe.calls[0]["token"] == "brand-new-canary"
    assert not Connection.objects.exists() and not StoredSecret.objects.exists()
    entry = AuditEntry.objects.get(verb="connection.tested")
    assert entry.changes["saved"] is False and "canary" not in entry.canonical
    probe.answers = [refused("no such token brand-new-canary")]
    answer = client.post(reverse("studio:connection_try"), connection_form())
    assert "Test failed. no such token ***" in words(answer)
    answer = client.post(reverse("studio:connection_try"), connection_form(config_base_url="nowhere"))
    assert (
        answer.status_code == 422
        and "Address must start with https://" in words(answer)
        and b"canary" not in answer.content
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({}, "working"), ({"config_token_value": "another-canary"}, "unknown"), ({"config_region": "eu"}, "unknown")],
    ids=["unchanged", "another secret", "another setting"],
)
def test_what_was_tested_before_it_is_saved_is_saved_as_tested(probe, sign_in, owner, changed, expected):
    client = sign_in(owner)
    client.post(reverse("studio:connection_try"), connection_form())
    assert client.post(reverse(CONNECTION_ADD), connection_form(**changed)).status_code == 302
    made = Connection.objects.get()
    assert (made.health, made.tested_at is not None) == (expected, expected == "working")


def test_a_test_that_failed_since_does_not_count(probe, sign_in, owner):
    client = sign_in(owner)
    client.post(reverse("studio:connection_try"), connection_form())
    probe.answers = [refused("bad credentials")]
    client.post(reverse("studio:connection_try"), connection_form())
    client.post(reverse(CONNECTION_ADD), connection_form())
    assert Connection.objects.get().health == "unknown"


def test_a_new_value_of_its_secret_makes_a_healthy_connection_untested(probe, probed, sign_in, owner, admin):
    client = sign_in(owner)
    press_test(client, probed)
    assert names(client, show="healthy") == ["Probe"]
    page = reverse("admin:automate_governance_storedsecret_change", args=[StoredSecret.objects.get().pk])
    assert sign_in(admin).post(page, {"value": "another-value-of-this-test"}).status_code == 302
    shown = words(client.get(LIST))
    assert "Not tested since the last change" in shown and "Not tested yet" not in shown
    assert names(client, show="untested") == ["Probe"] and names(client, show="healthy") == []


def test_a_connection_whose_secret_is_lost_is_not_healthy(probe, probed, sign_in, owner, settings):
    client = sign_in(owner)
    press_test(client, probed)
    keys, settings.AUTOMATE_SECRETS_KEYS = settings.AUTOMATE_SECRETS_KEYS, [generate_key()]
    recovery.mark_lost()
    assert names(client, show="failing") == ["Probe"]
    assert "was lost with its key. Enter it again." in words(client.get(LIST))
    settings.AUTOMATE_SECRETS_KEYS = [*settings.AUTOMATE_SECRETS_KEYS, *keys]
    recovery.unmark_recovered()
    assert names(client, show="untested") == ["Probe"]


def test_a_change_is_tested_with_the_stored_secret(probe, probed, sign_in, owner, colleague):
    url = reverse("studio:connection_try_change", args=[probed.pk])
    given = connection_form(
        config_base_url="https://new.example.com", config_token_value="", config_token_choice="database:probe-token"
    )
    assert "Test passed" in words(sign_in(owner).post(url, given))
    assert probe.calls == [
        {**probe.calls[0], "base_url": "https://new.example.com", "token": "probe-token-canary-77aa"}
    ]
    probed.refresh_from_db()
    assert probed.config["base_url"] == "https://api.example.com" and probed.health == "unknown"
    assign_perm("view_connection", colleague, probed)
    assert sign_in(colleague).post(url, given).status_code == 403


@pytest.mark.extended
def test_deleting_says_what_is_in_use(probe, probed, publish, sign_in, owner, colleague):
    url = reverse("admin:automate_connectors_connection_delete", args=[probed.pk])
    client = sign_in(owner)
    assert "Probe is not used" in words(client.get(url, headers=HTMX))
    made = publish(CALL)
    asked = client.get(url, headers=HTMX)
    assert (
        "in use and cannot be deleted" in words(asked) and made.name in words(asked) and b"<html" not in asked.content
    )
    assert b'name="post"' not in asked.content
    client.post(url, {"post": "yes"})
    assert Connection.objects.filter(pk=probed.pk).exists()
    for verb in ("view", "delete"):
        assign_perm(f"{verb}_connection", colleague, probed)
    theirs = words(sign_in(colleague).get(url))
    assert made.name not in theirs and "1 more that you cannot view" in theirs
    made.steps.all().delete()
    made.published = None
    made.save()
    assert client.post(url, {"post": "yes"}).status_code == 302 and not Connection.objects.filter(pk=probed.pk).exists()


def test_a_reference_that_is_none_is_not_sent_back(probe, sign_in, admin):
    answer = sign_in(admin).post(
        reverse(CONNECTION_ADD), connection_form(config_token_value="", config_token_other="pasted-canary-secret")
    )
    assert answer.status_code == 200 and b"pasted-canary" not in answer.content
    assert "Enter a reference such as env:NAME" in words(answer)


def test_a_mistyped_backend_is_named_with_those_there_are(probe, sign_in, admin):
    def posted(reference):
        form = connection_form(config_token_value="", config_token_other=reference)
        return sign_in(admin).post(reverse(CONNECTION_ADD), form)

    answer = posted("databse:github")
    said = words(answer)
    assert "There is no secrets backend databse." in said and "database" in said and "env" in said
    assert b'value="databse:github"' in answer.content
    assert b"canary" not in posted("canary:pasted-canary-secret").content
