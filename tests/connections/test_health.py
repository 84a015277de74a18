"""A connection's health: from tests by people, and from what steps meet, without a write a call."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models.functions import Now
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors import health
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.resolver import resolve
from tests.connections.conftest import refused
from tests.support.connections import press_test

pytestmark = pytest.mark.django_db(transaction=True)

ONE = "  - {key: call, action: probe.call, connection: probed, inputs: {n: 1}}"


def test_a_test_makes_a_real_call_and_is_audited(probe, probed, sign_in, owner):
    probe.answers = ["Signed in as octo"]
    answer = press_test(sign_in(owner), probed)
    assert answer.status_code == 200 and b"Signed in as octo" in answer.content
    assert probe.calls == [{"base_url": "https://api.example.com", "token": "probe-token-canary-77aa"}]
    probed.refresh_from_db()
    assert probed.health == "working" and probed.tested_at is not None
    entry = AuditEntry.objects.get(verb="connection.tested")
    assert (entry.actor, entry.changes["works"]) == ("owner", True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused("token probe-token-canary-77aa is bad"), "token *** is bad"),
        (ConnectorError("no", code="timeout", retryable=True), "no"),
        (RuntimeError("<b>boom</b>"), "RuntimeError: &lt;b&gt;boom&lt;/b&gt;"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_test_that_fails_says_why_in_one_line(probe, probed, sign_in, owner, error, words):
    probe.answers = [error]
    content = press_test(sign_in(owner), probed).content.decode()
    assert "Test failed." in content and words in content and "canary" not in content
    probed.refresh_from_db()
    assert probed.health == "failing" and "canary" not in probed.health_note


def test_a_test_without_htmx_comes_back_to_the_page(probe, probed, sign_in, owner):
    answer = sign_in(owner).post(reverse("studio:connection_test", args=[probed.pk]))
    assert answer.status_code == 303 and answer["Location"].endswith("/change/")


def test_a_test_takes_use_or_change_of_that_very_connection(probe, probed, sign_in, owner, colleague, stranger):
    assert press_test(sign_in(stranger), probed).status_code == 404
    assign_perm("view_connection", colleague, probed)
    assert press_test(sign_in(colleague), probed).status_code == 403
    assert probe.calls == []
    assign_perm("use_connection", colleague, probed)
    assert press_test(sign_in(colleague), probed).status_code == 200
    assert sign_in(owner).get(reverse("studio:connection_test", args=[probed.pk])).status_code == 405


def test_a_test_goes_through_the_guard(probe, probed, sign_in, owner, sink):
    """Bound to the connection's hosts, whatever the connector asks for."""
    probe.answers = [lambda context: context["http"].request("GET", f"{sink.url}/metadata").text]
    assert b"cannot be used for 127.0.0.1" in press_test(sign_in(owner), probed).content
    assert sink.calls == []


def test_a_missing_secret_is_said(probe, probed, sign_in, owner):
    probed.config["token"] = "database:gone"
    probed.save()
    assert b"There is no stored secret named" in press_test(sign_in(owner), probed).content and probe.calls == []


@pytest.mark.extended
def test_steps_tell_its_health(probe, probed, publish, run):
    publish(ONE)
    run()
    probed.refresh_from_db()
    assert probed.health == "working"
    probe.answers = [refused()]
    run()
    probed.refresh_from_db()
    assert (probed.health, probed.health_note) == ("failing", "bad credentials")
    since = probed.health_since
    run()
    probed.refresh_from_db()
    assert probed.health_since == since
    Connection.objects.update(health_since=Now() - dt.timedelta(seconds=60))
    probe.answers = ["fine"]
    run()
    probed.refresh_from_db()
    assert probed.health == "working"


def test_other_failures_say_nothing_about_credentials(probe, probed, publish, run):
    publish(ONE)
    probe.answers = [ConnectorError("not found", code="http_404")]
    run()
    probed.refresh_from_db()
    assert probed.health == "unknown"


def test_what_is_known_is_not_written_again(probed, django_assert_num_queries):
    health.record_success(probed)
    probed.refresh_from_db()
    rev = probed.health_rev
    with django_assert_num_queries(0):
        health.record_success(probed)
    health.record_refusal(probed, "http_401", "no")
    probed.refresh_from_db()
    with django_assert_num_queries(0):
        health.record_refusal(probed, "http_401", "no")
    assert (probed.health, probed.health_rev) == ("failing", rev + 1)


def test_one_that_goes_to_and_fro_is_not_written_at_each_turn(probed):
    health.record_refusal(probed, "http_401", "no")
    probed.refresh_from_db()
    health.record_success(probed)
    probed.refresh_from_db()
    assert probed.health == "failing", "for less than ten seconds"


def test_a_report_about_an_earlier_state_counts_for_nothing(probed):
    """A step that began before somebody mended the connection fails after that."""
    stale = Connection.objects.get(pk=probed.pk)
    health.record_sign_in(probed)
    health.record_refusal(stale, "needs_reconnect", "too late")
    probed.refresh_from_db()
    assert probed.health == "working"


def test_saving_the_form_leaves_what_was_found_out_meanwhile(probed):
    before = Connection.objects.get(pk=probed.pk)
    health.record_sign_in(probed)
    before.name = "Renamed"
    before.save()
    probed.refresh_from_db()
    assert (probed.name, probed.health) == ("Renamed", "working")


def test_the_list_shows_icon_and_health(probe, probed, sign_in, owner, django_assert_max_num_queries):
    health.require_reconnect(probed, "gone")
    for number in range(20):
        Connection.objects.create(name=f"C{number}", slug=f"c{number}", connector="gone", owner=owner)
    client = sign_in(owner)
    with django_assert_max_num_queries(24):
        page = client.get(reverse("admin:automate_connectors_connection_changelist")).content.decode()
    assert "science" in page and "Reconnect" in page and "Not tested yet" in page


@pytest.mark.extended
def test_the_page_shows_where_it_is_used_to_those_who_may_know(probe, probed, publish, sign_in, owner, colleague):
    made = publish(ONE)
    url = reverse("admin:automate_connectors_connection_change", args=[probed.pk])
    link = reverse("admin:automate_core_workflow_change", args=[made.pk])
    assert link in sign_in(owner).get(url).content.decode()
    assign_perm("view_connection", colleague, probed)
    page = sign_in(colleague).get(url).content.decode()
    assert link not in page and "1 more that you cannot view" in page


def test_a_connector_without_a_test_lets_what_waits_try(owner, sign_in):
    connection = Connection.objects.create(name="Mail", slug="mail", connector="data", owner=owner)
    health.require_reconnect(connection, "gone")
    assert b"Waiting steps retry now" in press_test(sign_in(owner), connection).content
    connection.refresh_from_db()
    assert connection.health == "unknown"
    assert AuditEntry.objects.filter(verb="connection.released").exists()


def test_the_value_stays_out_of_sight(probed):
    assert str(resolve("database:probe-token")) == "***"


def test_a_failing_connection_is_not_tested_yet_once_its_secret_is_entered_again(probed):
    Connection.objects.filter(pk=probed.pk).update(health="failing", health_note="the secret cannot be read")
    reference = probed.config["token"]
    secret = StoredSecret.objects.get(name=reference.partition(":")[2])
    secret.put("another-value-canary")
    secret.save()
    probed.refresh_from_db()
    assert (probed.health, probed.health_note) == ("unknown", "")
