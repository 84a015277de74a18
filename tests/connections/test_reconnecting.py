"""A step whose connection only a person can mend waits, and goes on when that was done."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models.functions import Now
from django.urls import reverse

from automate_connectors.models import OAuthToken
from automate_core.engine.effects.performer import perform
from automate_core.models import ExecutionRun, OutboxJob, StepRun, Wait
from automate_core.runs import control
from automate_core.worker.maintenance import MaintenanceThread
from tests.connections.conftest import reconnect
from tests.support.connections import OAUTH_CALLBACK, press_test, sign_in_address, start_sign_in
from tests.support.processes import wait_for
from tests.support.walks import Slow, settle

pytestmark = pytest.mark.django_db(transaction=True)

ONE = "  - {key: call, action: probe.call, connection: probed, inputs: {n: 1}}"
API = "  - {key: call, action: http.request, connection: api, inputs: {url: /things}}"


def test_it_waits_and_goes_on_after_a_good_test(probe, probed, publish, run, drain, sign_in, owner):
    publish(ONE)
    probe.answers = [reconnect(), "octo", "done"]
    made = run()
    wait = Wait.objects.get()
    assert (made.status, wait.kind, wait.status, wait.data) == (
        "waiting",
        "reconnect",
        "open",
        {"connection": "probed"},
    )
    assert StepRun.objects.get().status == "waiting"
    probed.refresh_from_db()
    assert (probed.health, probed.health_note) == ("reconnect", "the token was withdrawn")

    assert b"Test passed." in press_test(sign_in(owner), probed).content
    wait.refresh_from_db()
    assert (wait.status, wait.outcome) == ("resolved", {"outcome": "reconnected"})
    settle(drain)
    made.refresh_from_db()
    step = StepRun.objects.get()
    assert (made.status, step.status, step.attempt, step.output) == ("succeeded", "succeeded", 1, {"said": "done"})


def test_while_it_needs_a_person_nothing_is_tried(probe, probed, publish, deliver, drain):
    publish(ONE)
    probe.answers = [reconnect()]
    for _ in range(3):
        deliver({})
        settle(drain)
    assert len(probe.calls) == 1
    assert Wait.objects.filter(kind="reconnect", status="open").count() == 3
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"waiting"}


@pytest.mark.extended
def test_all_that_wait_go_on_in_one_transaction(probe, probed, publish, deliver, drain, sign_in, owner):
    publish(ONE)
    probe.answers = [reconnect(), "fine"]
    for _ in range(3):
        deliver({})
        settle(drain)
    press_test(sign_in(owner), probed)
    resolved = set(Wait.objects.values_list("status", "resolved_at"))
    assert len(resolved) == 1 and {status for status, _ in resolved} == {"resolved"}
    assert OutboxJob.objects.filter(status="ready", kind="advance").count() == 3
    settle(drain)
    assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}


def test_a_failed_test_leaves_them_waiting(probe, probed, publish, run, sign_in, owner):
    publish(ONE)
    probe.answers = [reconnect(), RuntimeError("no route")]
    run()
    assert b"Test failed." in press_test(sign_in(owner), probed).content
    probed.refresh_from_db()
    assert probed.health == "reconnect" and Wait.objects.get().status == "open"


def test_cancelling_the_run_withdraws_the_wait(probe, probed, publish, run, drain, sign_in, owner):
    publish(ONE)
    probe.answers = [reconnect(), "fine"]
    made = run()
    control.cancel(made, by=owner)
    assert Wait.objects.get().status == "cancelled"
    press_test(sign_in(owner), probed)
    settle(drain)
    made.refresh_from_db()
    assert made.status == "cancelled" and len(probe.calls) == 2, "the step's first try, and the test"


def test_new_credentials_let_them_try(probe, probed, publish, run, drain, sign_in, owner):
    """Of a connection without a sign-in, giving it other secrets is what connects it again."""
    publish(ONE)
    probe.answers = [reconnect(), "fine"]
    made = run()
    url = reverse("admin:automate_connectors_connection_change", args=[probed.pk])
    sent = {
        "name": "Probe", "connector": "probe", "allowed_hosts": "", "config_base_url": "https://api.example.com",
        "config_region": "eu", "config_token_choice": "", "config_token_value": "another-canary-token",
    }  # fmt: skip
    assert sign_in(owner).post(url, sent).status_code == 302
    settle(drain)
    made.refresh_from_db()
    assert made.status == "succeeded" and probe.calls[-1]["token"] == "another-canary-token"


@pytest.mark.extended
def test_a_second_time(probe, probed, publish, run, drain, sign_in, owner):
    publish(ONE)
    probe.answers = [reconnect(), "works", reconnect("once more"), "works", "done"]
    made = run()
    press_test(sign_in(owner), probed)
    settle(drain)
    assert Wait.objects.filter(status="open").count() == 1
    press_test(sign_in(owner), probed)
    settle(drain)
    made.refresh_from_db()
    assert made.status == "succeeded" and StepRun.objects.get().attempt == 1


def test_it_is_not_lost_between_the_refusal_and_the_wait(probe, probed, publish, deliver, drain, sign_in, owner):
    """Somebody mends the connection while the step is being parked."""
    publish(ONE)
    probe.answers = [reconnect(), "works", "done"]
    deliver({})
    slow = Slow()
    slow.begin()
    calls, slow.calls = slow.calls, []
    outcomes = [(call, perform(call)) for call in calls]
    press_test(sign_in(owner), probed)
    slow.engine.deliver_results(outcomes)
    slow.go_on()
    assert Wait.objects.get().status == "open"
    MaintenanceThread().run_due()
    assert Wait.objects.get().status == "resolved"
    settle(drain)
    assert ExecutionRun.objects.get().status == "succeeded"


def test_a_crash_while_it_waits_changes_nothing(probe, probed, publish, deliver, drain, sign_in, owner):
    """The wait is in the journal: another worker goes on from there, with the same attempt."""
    publish(ONE + "\n  - {key: after, action: data.set, inputs: {x: '{{ steps.call.output.said }}'}}")
    probe.answers = [reconnect(), "works", "done"]
    deliver({})
    slow = Slow()
    slow.begin()
    slow.perform()
    slow.restart()
    press_test(sign_in(owner), probed)
    settle(drain)
    made = ExecutionRun.objects.get()
    assert made.status == "succeeded"
    assert StepRun.objects.get(path="after").output == {"x": "done"}
    assert StepRun.objects.filter(path="call").count() == 1


def test_beside_others_only_the_step_waits(probe, probed, publish, run, drain, sign_in, owner):
    publish("""
  - kind: parallel
    key: both
    arms:
      - {key: one, steps: [{key: call, action: probe.call, connection: probed}]}
      - {key: two, steps: [{key: other, action: data.set, inputs: {x: 1}}]}
""")
    probe.answers = [reconnect(), "works", "done"]
    made = run()
    assert dict(StepRun.objects.values_list("path", "status")) == {
        "both": "running", "both/call": "waiting", "both/other": "succeeded",
    }  # fmt: skip
    press_test(sign_in(owner), probed)
    settle(drain)
    made.refresh_from_db()
    assert made.status == "succeeded"


def test_a_retry_after_it_counts_from_the_first_try(probe, probed, publish, run, drain, later, sign_in, owner):
    from automate_connectors.adapters.base import ConnectorError

    publish("  - {key: call, action: probe.call, connection: probed, retry: {attempts: 2, base: 5}}")
    busy = ConnectorError("busy", code="http_503", retryable=True)
    probe.answers = [reconnect(), "works", busy, "done"]
    made = run()
    press_test(sign_in(owner), probed)
    settle(drain)
    later(60)
    settle(drain)
    made.refresh_from_db()
    assert made.status == "succeeded"
    assert list(StepRun.objects.order_by("attempt").values_list("attempt", "status")) == [
        (1, "failed"),
        (2, "succeeded"),
    ]


@pytest.mark.extended
def test_the_run_page_says_what_it_waits_for(probe, probed, publish, run, sign_in, owner, colleague):
    from guardian.shortcuts import assign_perm

    publish(ONE)
    probe.answers = [reconnect()]
    made = run()
    url = reverse("admin:automate_core_executionrun_change", args=[made.pk])
    page = sign_in(owner).get(url).content.decode()
    assert "Waiting for the connection probed" in page
    assert reverse("admin:automate_connectors_connection_change", args=[probed.pk]) in page
    assign_perm("view_workflow", colleague, made.workflow)
    page = sign_in(colleague).get(url).content.decode()
    assert "to be reconnected" in page
    assert reverse("admin:automate_connectors_connection_change", args=[probed.pk]) not in page


# --- with a real provider ---------------------------------------------------------------------------------------------


def test_signing_in_again_lets_the_steps_go_on(oauth, provider, publish, run, drain, sign_in, owner):
    connection = oauth()
    publish(API)
    made = run()
    assert made.status == "waiting" and provider.api_calls == []
    client = sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    settle(drain)
    made.refresh_from_db()
    assert made.status == "succeeded" and len(provider.api_calls) == 1
    assert StepRun.objects.get().output["body"] == {"account": "octo"}


def test_a_withdrawn_token_is_renewed_and_the_step_goes_on(oauth, provider, publish, run, drain):
    oauth(grant="client_credentials")
    publish(API)
    assert run().status == "succeeded"
    provider.revoke()
    assert run().status == "succeeded"
    assert [call in provider.access for call in provider.api_calls] == [False] * 3
    assert provider.asked == ["client_credentials"] * 2 and len(provider.api_calls) == 3


def test_a_token_that_is_never_let_in_fails_the_step(oauth, provider, publish, run, drain, settings):
    connection = oauth(grant="client_credentials")
    publish(API)
    provider.access = type("Nobody", (set,), {"__contains__": lambda self, item: False})()
    made = run()
    connection.refresh_from_db()
    assert made.status == "failed" and made.error["code"] == "http_401"
    assert connection.health == "failing" and provider.asked == ["client_credentials"] * 2


def test_a_step_says_what_the_provider_rejected_and_what_to_do(oauth, provider, publish, run, drain):
    """First away, then rejecting the client: never the provider's own text, and nothing is lost in between."""
    connection = oauth(grant="client_credentials")
    publish(API)
    provider.status = 502
    failed = run()
    assert (failed.status, failed.error["code"]) == ("failed", "oauth_unavailable")
    assert "127.0.0.1 did not return a token: HTTP 502" in failed.error["message"]
    provider.status, provider.refusal = None, {"error": "invalid_client", "error_description": "RFC 6749 5.2"}
    OAuthToken.objects.update(retry_at=None)
    assert run().status == "waiting"
    connection.refresh_from_db()
    assert connection.health == "reconnect" and "RFC" not in connection.health_note
    assert "rejected the sign-in (invalid_client)" in connection.health_note
    assert "Check them in the connection. Then test the connection." in connection.health_note
    error = StepRun.objects.latest("pk").error or {}
    assert "RFC" not in error.get("message", "")


@pytest.mark.process
@pytest.mark.extended
def test_worker_processes_renew_once_between_them(oauth, provider, publish, deliver, worker_process, sign_in, owner):
    """Three workers, two dozen runs and a token that is over: the provider sees one renewal."""
    connection, client = oauth(), sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    publish(API)
    OAuthToken.objects.update(expires_at=Now() - dt.timedelta(seconds=1))
    provider.slow, provider.api_slow = 1.0, 0.5
    for _ in range(24):
        deliver({})
    variables = {"AUTOMATE_EGRESS_ALLOW": provider.host}
    with (
        worker_process("--concurrency", "4", **variables) as one,
        worker_process("--concurrency", "4", **variables) as two,
        worker_process("--concurrency", "4", **variables) as three,
    ):
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 24)
        assert all(each.poll() is None for each in (one, two, three))
    workers = set(ExecutionRun.objects.values_list("worker", flat=True))
    assert provider.count("refresh_token") == 1 and provider.replayed == [] and len(workers) > 1


@pytest.mark.extended
@pytest.mark.process
def test_a_worker_process_parks_and_goes_on(oauth, provider, publish, deliver, worker_process, sign_in, owner):
    connection, client = oauth(), sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    publish(API)
    OAuthToken.objects.update(expires_at=Now() - dt.timedelta(seconds=1))
    provider.refusing.add("refresh_token")
    for _ in range(3):
        deliver({})
    with worker_process(AUTOMATE_EGRESS_ALLOW=provider.host):
        wait_for(lambda: Wait.objects.filter(kind="reconnect", status="open").count() == 3)
        assert provider.count("refresh_token") == 1
        client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
        wait_for(lambda: ExecutionRun.objects.filter(status="succeeded").count() == 3)


@pytest.mark.extended
def test_no_token_is_left_in_the_clear(oauth, provider, publish, run, drain, sign_in, owner, caplog):
    from django.db import connection as database

    connection, client = oauth(), sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    publish(
        API + "\n  - {key: bad, action: http.request, connection: api, inputs: {url: 'https://elsewhere.example/'}}"
    )
    run()
    provider.refusing.add("refresh_token")
    OAuthToken.objects.update(expires_at=Now() - dt.timedelta(seconds=1))
    run()
    found = []
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', ["%canary%"])
            if cursor.fetchone()[0]:
                found.append(table)
    page = client.get(reverse("admin:automate_connectors_connection_change", args=[connection.pk])).content.decode()
    assert found == [] and "canary" not in caplog.text and "canary" not in page
