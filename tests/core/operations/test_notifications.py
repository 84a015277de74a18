"""Notifications: what is noticed, into which messages it goes, and that each is sent once, by one worker of several."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.utils import timezone, translation
from guardian.shortcuts import assign_perm, remove_perm

from automate_connectors import health
from automate_connectors.models import Connection
from automate_core.models import ExecutionRun, Notification, NotificationRule, Occurrence, OutboxJob, Wait
from automate_core.states import TransitionError
from automate_core.webhooks.schemes.registry import scheme_for
from automate_core.webhooks.schemes.signing import Delivery
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import NotPermittedError
from automate_governance.secrets.resolver import resolve
from automate_operations.notifications import messages, rules, sender, texts
from automate_operations.notifications.channels.slack import _slack_text
from automate_operations.notifications.channels.webhook import webhook_payload
from automate_operations.notifications.quiet_hours import after_quiet_hours
from automate_operations.notifications.rule_values import Incident
from automate_operations.notifications.rules import RuleValues
from tests.support.audit import without_append_only
from tests.support.processes import wait_for
from tests.support.smtp import MailServer

pytestmark = pytest.mark.django_db(transaction=True)
#: of rules that nothing below concerns
OTHER_KINDS = ("first_failure", "failures", "not_polled", "pool", "audit", "budget", "stopped")

CANARY = "canary-4711-of-the-payload"
FLOW = """
name: Nightly <b>sync</b>
slug: nightly
triggers: [{endpoint: github}]
steps:
  - kind: branch
    key: route
    arms:
      - key: bad
        when: {'==': [{var: event.payload.how}, fail]}
        steps: [{kind: stop, key: refuse, name: Refuse it, outcome: failed, message: 'No: {{ event.payload.secret }}'}]
"""
TO_OPS = RuleValues(kind="first_failure", channel="email", addresses=["ops@example.com"])


@pytest.fixture
def flow(workflow):
    return workflow(FLOW)


@pytest.fixture
def happen(deliver, drain):
    """Runs that end so, one after the other."""

    def go(*how):
        for each in how:
            assert deliver({"how": each, "secret": CANARY}).status_code == 202
            drain()

    return go


@pytest.fixture
def quiet_owner(db):
    """Without the rule that comes with the site."""
    NotificationRule.objects.filter(built_in=True).update(is_on=False)


def soon():
    """The time of what waits has come, and of what is to be looked at."""
    Notification.objects.filter(status="waiting").update(send_at="2001-01-01T00:00Z")
    NotificationRule.objects.update(look_at="2001-01-01T00:00Z")


def ago(**span):
    return dt.datetime.now(dt.UTC) - dt.timedelta(**span)


@pytest.mark.extended
def test_several_workers_tell_once_of_the_first_failure(flow, owner, admin, deliver, worker_process):
    """Three processes, thirty runs that fail at once, a real mail server: the owner and the others get one mail each."""
    server = MailServer()
    values = RuleValues(
        kind="failures", channel="email", addresses=["ops@example.com"], failures=10, span=dt.timedelta(hours=1)
    )
    rules.save_rule(None, values, workflow=None, by=admin)
    smtp = {"AUTOMATE_SMTP": f"127.0.0.1:{server.port}", "AUTOMATE_SMTP_TLS": "off"}
    for _ in range(30):
        assert deliver({"how": "fail", "secret": CANARY}).status_code == 202
    with worker_process(**smtp), worker_process(**smtp), worker_process(**smtp):
        wait_for(lambda: ExecutionRun.objects.filter(status="failed", noticed=True).count() == 30)
        wait_for(lambda: len(server.received) >= 2)
        time.sleep(3)  # whatever else would be sent
    to = sorted(each for mail in server.received for each in mail.recipients)
    server.close()
    assert to == ["ops@example.com", "owner@example.com"]
    assert sorted(Notification.objects.values_list("status", "count")) == [("sent", 1), ("sent", 1)]
    texts = [part.get_content() for mail in server.received for part in mail.message.walk() if not part.is_multipart()]
    assert len(texts) == 4 and not any(CANARY in text for text in texts), (
        "as text and as HTML, and of the payload nothing"
    )
    assert any("failed at step Refuse it: a Stop step ended it" in text for text in texts)
    pages = [text for text in texts if "<html" in text]
    assert any("Nightly &lt;b&gt;sync" in page for page in pages) and not any("<b>sync" in page for page in pages)


@pytest.mark.extended
def test_only_the_first_failure_after_a_success_is_told(flow, owner, happen, notify, mailoutbox):
    happen("fail", "fail", "ok", "fail", "fail", "ok", "ok", "fail")
    notify()
    [message] = Notification.objects.all()
    assert (message.count, message.target, mailoutbox) == (3, "owner@example.com", [])
    soon()
    notify()
    assert [mail.subject for mail in mailoutbox] == [
        "3 notifications: Nightly <b>sync</b> failed at step Refuse it: a Stop step ended it."
    ]
    happen("ok", "fail")
    notify()
    late = Notification.objects.get(status="waiting")
    window = late.send_at - Notification.objects.get(status="sent").send_at
    assert window >= dt.timedelta(minutes=15), "no more than one in the window"
    rules.set_rule_enabled(late.rule, on=False, by=get_user_model().objects.create_superuser("root"))
    soon()
    notify()
    assert Notification.objects.get(pk=late.pk).status == "dropped" and len(mailoutbox) == 1
    assert not Notification.objects.filter(facts__icontains=CANARY).exists()


def test_an_owner_who_left_is_replaced_by_the_administrators(flow, owner, admin, happen, notify, mailoutbox):
    """Of a failure before, whose message was still to be sent, and of one since."""
    users = get_user_model().objects
    happen("fail")
    notify()
    users.filter(pk=owner.pk).update(is_active=False)
    users.filter(pk=admin.pk).update(email="")
    soon()
    notify()
    left = Notification.objects.get(person=owner)
    assert (left.status, left.error) == ("failed", "No one was reached: the account is not active.")
    users.filter(pk=admin.pk).update(email="root@example.com")
    Notification.objects.filter(pk=left.pk).update(status="waiting", attempts=0)
    soon()
    notify()
    left.refresh_from_db()
    assert (left.status, left.error) == (
        "dropped",
        "The account is not active. The administrators were notified instead.",
    )
    assert [mail.to for mail in mailoutbox] == [["root@example.com"]]
    since = Incident(key="k", fact={}, at=timezone.now(), workflow=flow, owner=users.get(pk=owner.pk))
    assert [target.name for target in messages.incident_targets(left.rule, since)] == ["root@example.com"]


@pytest.mark.extended
def test_so_many_failures_in_a_span_are_counted_anew_after_each_message(flow, owner, quiet_owner, happen, notify):
    values = RuleValues(
        kind="failures", channel="email", addresses=["ops@example.com"], failures=2, span=dt.timedelta(minutes=10)
    )
    rule, _ = rules.save_rule(None, values, workflow=flow, by=owner)
    told = []
    for _ in range(5):
        happen("fail")
        notify()
        told.append(Occurrence.objects.filter(rule=rule).count())
    assert told == [0, 1, 1, 2, 2]
    ExecutionRun.objects.update(finished_at=ago(minutes=20))
    happen("fail")
    notify()
    assert Occurrence.objects.filter(rule=rule).count() == 2, "the others are too long ago"
    assert Notification.objects.get().count == 2


@pytest.mark.extended
def test_what_is_found_by_looking_is_told_once(flow, owner, admin, quiet_owner, happen, notify, workflow):
    happen("ok")
    run = ExecutionRun.objects.get()
    span = dt.timedelta(hours=1)
    for kind in ("not_run", "waiting", "dead_job", "connection"):
        rules.save_rule(None, replace(TO_OPS, kind=kind, span=span), workflow=None, by=admin)

    def told():
        for _ in range(2):
            soon()
            notify()
        return {kind: Notification.objects.filter(kind=kind).count() for kind in NotificationRule.Kind.values}

    assert not any(told().values())
    ExecutionRun.objects.update(created_at=ago(hours=2))
    with without_append_only():
        flow.versions.update(created_at=ago(hours=3))
    waits = {
        kind: Wait.objects.create(run=run, path=f"x/{kind}", kind=kind) for kind in ("approval", "timer", "callback")
    }
    Wait.objects.update(created_at=ago(hours=2))
    Wait.objects.filter(pk=waits["callback"].pk).update(created_at=ago(minutes=2))
    OutboxJob.objects.create(kind="dispatch", status="dead", event_id=run.event_id)
    made = Connection.objects.create(name="Shop", slug="shop", connector="http", owner=owner)
    health.record_test(made, "http_401", "refused: Bearer abc")
    seen = {"not_run": 1, "waiting": 1, "dead_job": 1, "connection": 1}
    assert told() == {**dict.fromkeys(OTHER_KINDS, 0), **seen}
    texts = {each.kind: each.facts[0]["text"] for each in Notification.objects.all()}
    assert "has not run since" in texts["not_run"] and "a decision at Approval" in texts["waiting"]
    assert texts["connection"] == "The connection Shop is failing." and "failed permanently" in texts["dead_job"]
    assert told()["not_run"] == 1, "nor at later looks"
    health.record_test(made, "", "works")
    health.record_test(made, "http_401", "refused again")
    ExecutionRun.objects.update(created_at=ago(minutes=90))
    assert {name: number for name, number in told().items() if number == 2} == {"not_run": 2, "connection": 2}


@pytest.mark.extended
def test_a_message_is_sent_by_one_of_many_threads_and_after_a_crash_by_another(flow, owner, sink, notify):
    """Signed, and with the same id on every attempt; who comes back late settles nothing."""
    values = RuleValues(kind="first_failure", channel="webhook", url=f"{sink.url}/alerts?token=t0k3n")
    rule, secret = rules.save_rule(None, values, workflow=flow, by=owner)
    assert secret.startswith("whsec_") and resolve(rule.secret).reveal() == secret
    fact = {"text": "It failed", "at": "2026-01-01T00:00:00+00:00", "url": "https://x.test"}
    made = [
        Notification(
            rule=rule, kind=rule.kind, channel="webhook", target=sink.host, facts=[fact], count=1, send_at=ago(hours=1)
        )
        for _ in range(40)
    ]
    Notification.objects.bulk_create(made)
    sink.answer = lambda number, path: (503 if number == 1 else 200, {}, {})
    taken = sender._lease_next()  # by a worker that dies now
    barrier = threading.Barrier(4)

    def work():
        try:
            barrier.wait()
            while sender.send_next() is not None:
                pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sink.calls) == 39
    ids = [headers["webhook-id"] for headers in sink.headers]
    assert len(set(ids)) == 39 and str(taken.pk) not in ids
    [refused] = Notification.objects.filter(status="waiting", attempts=1, taken_until=None)
    assert refused.error == f"{sink.host} responded with HTTP 503." and str(refused.pk) == ids[0]
    for headers, body in zip(sink.headers, sink.bodies, strict=True):
        assert scheme_for("standard", {}).match([secret], Delivery(headers, body)) == 0
    assert "t0k3n" not in str(list(Notification.objects.values())), "the address may hold a token"

    Notification.objects.filter(pk=taken.pk).update(taken_until=ago(minutes=1))
    soon()
    notify()
    assert {headers["webhook-id"] for headers in sink.headers[39:]} == {str(taken.pk), str(refused.pk)}
    sender.attempt_delivery(taken)
    assert Notification.objects.filter(status="sent").count() == 40
    assert Notification.objects.get(pk=taken.pk).attempts == 2


def test_a_message_that_fails_for_good_says_why_and_is_sent_again_by_hand(flow, owner, colleague, sink, notify):
    connection = Connection.objects.create(
        name="Team",
        slug="team",
        connector="slack",
        owner=owner,
        config={"base_url": sink.url, "token": "env:SLACK_FOR_TESTS"},
    )
    values = RuleValues(kind="first_failure", channel="slack", connection="team", room="#alerts")
    rule, _ = rules.save_rule(None, values, workflow=flow, by=owner)
    [refused] = rules.send_test(rule, by=owner)
    assert refused.status == "failed" and "SLACK_FOR_TESTS" in refused.error
    Connection.objects.filter(pk=connection.pk).update(
        config={"base_url": sink.url, "token": f"database:{_stored(owner)}"}
    )
    sink.answer = lambda number, path: (200, {"ok": True, "channel": "C1", "ts": "1"}, {})
    with pytest.raises(NotPermittedError):
        rules.resend_notification(refused, by=colleague)
    rules.resend_notification(refused, by=owner)
    notify()
    [(path, _, body)] = sink.calls
    assert path == "/chat.postMessage" and body["channel"] == "#alerts" and "This is a test" in body["text"]
    assert "&lt;b&gt;" in body["text"], "a name is no markup"
    refused.refresh_from_db()
    assert (refused.status, refused.error) == ("sent", "")
    with pytest.raises(TransitionError):
        rules.resend_notification(refused, by=owner)
    Connection.objects.filter(pk=connection.pk).update(owner=colleague)
    [refused] = rules.send_test(rule, by=owner)
    assert refused.error == "owner needs the Use permission for the connection Team." and len(sink.calls) == 1


def _stored(owner):
    secret = StoredSecret(name="slack-token", owner=owner)
    secret.put("xoxb-not-a-real-token-at-all")
    secret.save()
    return secret.name


def test_without_a_mail_server_the_log_says_so(flow, happen, notify, settings):
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    happen("fail")
    notify()
    soon()
    notify()
    failed = Notification.objects.get()
    assert failed.status == "failed" and "cannot send email yet" in failed.error


def test_who_may_make_rules_and_whom_they_may_name(flow, owner, colleague, stranger, admin, happen, notify, mailoutbox):
    named = replace(TO_OPS, people=["colleague"])
    for person, whose in ((colleague, flow), (stranger, flow), (owner, None), (colleague, None)):
        with pytest.raises(NotPermittedError):
            rules.save_rule(None, TO_OPS, workflow=whose, by=person)
    with pytest.raises(rules.RuleError, match="cannot view this workflow"):
        rules.save_rule(None, named, workflow=flow, by=owner)
    assign_perm("view_workflow", colleague, flow)
    with pytest.raises(NotPermittedError):
        rules.save_rule(None, named, workflow=flow, by=colleague)
    rule, _ = rules.save_rule(None, named, workflow=flow, by=owner)
    everywhere = NotificationRule.objects.get(built_in=True)
    for act in (
        lambda: rules.set_rule_enabled(everywhere, on=False, by=owner),
        lambda: rules.remove_rule(rule, by=colleague),
    ):
        with pytest.raises(NotPermittedError):
            act()
    with pytest.raises(rules.RuleError, match="Turn it off"):
        rules.remove_rule(everywhere, by=admin)
    rules.mute_owner(everywhere, flow, on=True, by=owner)
    with pytest.raises(rules.RuleError):
        rules.mute_owner(rule, flow, on=True, by=owner)
    remove_perm("view_workflow", colleague, flow)
    happen("fail")
    notify()
    assert sorted(Notification.objects.values_list("target", flat=True)) == ["ops@example.com"], (
        "neither muted nor barred"
    )
    verbs = AuditEntry.objects.filter(verb__startswith="notification").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["notification.rule_created", "notification.muted"]
    rules.remove_rule(rule, by=owner)
    soon()
    notify()
    assert mailoutbox == [] and Notification.objects.get().status == "dropped"


WRONG = {
    "failures": (replace(TO_OPS, kind="failures", span=dt.timedelta(hours=1)), "failures"),
    "no span": (replace(TO_OPS, kind="not_run"), "span"),
    "too long": (replace(TO_OPS, kind="waiting", span=dt.timedelta(days=400)), "span"),
    "nobody": (replace(TO_OPS, addresses=[]), "people"),
    "no such person": (replace(TO_OPS, people=["nobody"]), "people"),
    "no address": (replace(TO_OPS, addresses=["ops@"]), "addresses"),
    "two lines": (replace(TO_OPS, addresses=["a@example.com\nBcc: b@example.com"]), "addresses"),
    "too many": (replace(TO_OPS, addresses=[f"a{n}@example.com" for n in range(21)]), "addresses"),
    "connection": (replace(TO_OPS, channel="slack", connection="x", room="#a"), "connection"),
    "room": (replace(TO_OPS, channel="slack"), "room"),
    "scheme": (replace(TO_OPS, channel="webhook", url="ftp://example.com/"), "url"),
    "user": (replace(TO_OPS, channel="webhook", url="https://user:pass@example.com/"), "url"),
    "port": (replace(TO_OPS, channel="webhook", url="https://example.com:99999/"), "url"),
    "secret": (replace(TO_OPS, channel="webhook", url="https://example.com/", secret="env:DATABASE_URL"), "secret"),
    "window": (replace(TO_OPS, window=dt.timedelta(0)), "window"),
    "half a quiet time": (replace(TO_OPS, quiet_from=dt.time(22)), "quiet_until"),
    "no quiet time": (replace(TO_OPS, quiet_from=dt.time(22), quiet_until=dt.time(22)), "quiet_until"),
    "zone": (replace(TO_OPS, timezone="Mars/Olympus"), "timezone"),
}


@pytest.mark.extended
def test_rules_that_cannot_be_say_why_at_the_field(flow, owner):
    found = {}
    for name, (values, _) in WRONG.items():
        with pytest.raises(rules.RuleError) as refused:
            rules.save_rule(None, values, workflow=flow, by=owner)
        found[name] = refused.value.errors
    assert {name: field for name, (_, field) in WRONG.items() if field not in found[name]} == {}
    assert all(text.endswith(".") for errors in found.values() for text in errors.values())
    assert not NotificationRule.objects.filter(workflow=flow).exists()
    many = (NotificationRule(workflow=flow, kind="first_failure", channel="email") for _ in range(rules.MOST_RULES))
    NotificationRule.objects.bulk_create(many)
    with pytest.raises(rules.RuleError, match="limit of 50 rules"):
        rules.save_rule(None, WRONG["nobody"][0], workflow=flow, by=owner)


def test_quiet_times():
    at = lambda text: dt.datetime.fromisoformat(text)  # noqa: E731
    night, lunch = (dt.time(22), dt.time(7)), (dt.time(12), dt.time(13))
    table = (
        ("2026-01-10T21:59+00:00", night, "UTC", "2026-01-10T21:59+00:00"),
        ("2026-01-10T22:00+00:00", night, "UTC", "2026-01-11T07:00+00:00"),
        ("2026-01-11T06:59+00:00", night, "UTC", "2026-01-11T07:00+00:00"),
        ("2026-01-11T07:00+00:00", night, "UTC", "2026-01-11T07:00+00:00"),
        ("2026-01-10T12:30+00:00", lunch, "UTC", "2026-01-10T13:00+00:00"),
        ("2026-01-10T21:30+00:00", night, "Europe/Warsaw", "2026-01-11T06:00+00:00"),
        ("2026-03-28T22:30+00:00", night, "Europe/Warsaw", "2026-03-29T05:00+00:00"),  # the night loses an hour
        ("2026-10-24T21:30+00:00", night, "Europe/Warsaw", "2026-10-25T06:00+00:00"),  # and gains one
        ("2026-01-10T22:30+00:00", (None, None), "UTC", "2026-01-10T22:30+00:00"),
    )
    assert [after_quiet_hours(at(moment), *span, zone) for moment, span, zone, _ in table] == [
        at(end) for *_, end in table
    ]


@pytest.mark.extended
def test_what_waits_for_the_quiet_time_is_sent_as_one(flow, owner, quiet_owner, happen, notify, mailoutbox):
    now = dt.datetime.now(dt.UTC)
    values = replace(
        TO_OPS,
        quiet_from=(now - dt.timedelta(hours=1)).time(),
        quiet_until=(now + dt.timedelta(hours=1)).time(),
        window=dt.timedelta(minutes=1),
    )
    rules.save_rule(None, values, workflow=flow, by=owner)
    for _ in range(3):
        happen("fail", "ok")
        notify()
    message = Notification.objects.get()
    assert message.count == 3 and message.send_at > now + dt.timedelta(minutes=59) and mailoutbox == []
    soon()
    notify()
    [mail] = mailoutbox
    [page, _kind] = mail.alternatives[0]
    for shown in (mail.body, page):
        assert shown.count("failed at step Refuse it") == 1 and "3 times: Nightly" in shown, "one sentence of one cause"
        assert all(str(run.pk) in shown for run in ExecutionRun.objects.filter(status="failed")), "then the runs"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("http_500", "the service answered with HTTP 500"),
        ("nobody_to_ask", "no approver has an active account"),
        ("acme_closed", "error code acme_closed"),
        ("invalid_input", "an input of the step is not valid"),
        ("did_not_happen", "a person marked the step as not executed"),
    ],
)
def test_reasons_are_words_in_the_language_of_the_reader(code, reason):
    since = timezone.now()
    told = (
        texts.run_failed("Flow", "Pay", code),
        texts.run_failed("Flow", "", code),
        texts.poll_overdue("Flow", "inbox", since, code),
        texts.webhook_failing("Flow", "orders", since, code),
    )
    for sentence in told:
        assert sentence.endswith(f": {reason}.") and f"({code})" not in sentence
        fact = json.loads(json.dumps(texts.build_fact(sentence, since)))  # as the message's row keeps it
        asked = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "automate_governance.texts.gettext", lambda message, seen=asked: seen.append(message) or message
            )
            texts.fact_text(fact)
        starts = [message.partition("%")[0] for message in asked]
        assert any(start and reason.startswith(start) for start in starts), "the reason is translated too"


def test_the_log_is_kept_for_so_many_days(flow, owner, happen, notify, settings):
    happen("fail")
    notify()
    soon()
    notify()
    Notification.objects.update(created_at=ago(days=91))
    Occurrence.objects.update(at=ago(days=91))
    settings.AUTOMATE_NOTIFICATION_DAYS = 0
    call_command("automate_prune")
    assert Notification.objects.count() == 1
    settings.AUTOMATE_NOTIFICATION_DAYS = 90
    rule, _ = rules.save_rule(None, TO_OPS, workflow=flow, by=owner)
    rules.remove_rule(rule, by=owner)
    NotificationRule.objects.filter(pk=rule.pk).update(removed_at=ago(days=2))
    call_command("automate_prune")
    assert not Notification.objects.exists() and not Occurrence.objects.exists()
    assert NotificationRule.objects.get().built_in


def test_without_a_mail_server_messages_name_the_setting_and_the_sites_variable(monkeypatch):
    """A host project has no variables of the site's: its messages name the setting alone."""
    from automate_core import conf
    from automate_operations.notifications.channels import mail

    assert "in AUTOMATE_SMTP." in mail.no_mail_message() and "MAILERS" not in mail.no_mail_message()
    monkeypatch.setattr(conf, "variables", {})
    assert mail.no_mail_message().endswith("in MAILERS.")


def test_a_fact_is_read_in_the_language_and_time_zone_of_its_reader():
    since = dt.datetime(2031, 5, 4, 3, 2, tzinfo=dt.UTC)
    said = texts.workflow_not_run("Nightly\nsync", since, ever=True)
    fact = json.loads(json.dumps(texts.build_fact(said, since, times={"since": since})))
    assert fact["text"] == "Nightly sync has not run since 2031-05-04 03:02 UTC."
    with timezone.override("Asia/Tokyo"), translation.override("de"):
        assert "Nightly sync" in texts.fact_text(fact) and "Mai 2031, 12:02 JST" in texts.fact_text(fact)
    assert texts.public_facts([fact]) == [{name: fact[name] for name in ("text", "at", "url")}]
    long = texts.format_duration(dt.timedelta(days=1, hours=2, minutes=3))
    assert long == "1 day 2 h 3 min" and texts.format_duration(dt.timedelta(0)) == "0 s"


ALIKE = [
    texts.build_fact(texts.run_failed("Sync", "pay", code), ago(minutes=number), "admin:index")
    for number, code in enumerate(["http_500", "timeout", "http_500"])
]


def test_alike_failures_are_one_line_in_every_channel():
    message = Notification(kind="first_failure", channel="slack", facts=ALIKE, count=5)
    lines = _slack_text(message).split("\n")
    assert lines[0].startswith("2 times: Sync failed at step pay: the service answered with HTTP 500.")
    assert lines[0].count("|") == 2 and lines[1].count("|") == 1 and lines[2:] == ["And 2 more."]
    data = webhook_payload(message)["data"]
    assert len(data["happened"]) == 3, "as before"
    assert [(each["count"], each["at"]) for each in data["groups"]] == [(2, ALIKE[2]["at"]), (1, ALIKE[1]["at"])]
    assert data["groups"][0]["text"] == data["happened"][0]["text"]


def test_all_times_of_a_webhook_message_have_one_form():
    written = json.dumps(webhook_payload(Notification(kind="first_failure", channel="webhook", facts=ALIKE, count=3)))
    times = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', written)
    assert len(times) > 5 and [each for each in times if not re.fullmatch(r"[\d-]+T[\d:]+\.\d{3}Z", each)] == []


def test_several_failures_name_the_commonest_cause(flow, owner, quiet_owner, happen, notify):
    values = RuleValues(kind="failures", channel="email", to_owner=True, failures=2, span=dt.timedelta(hours=1))
    rules.save_rule(None, values, workflow=flow, by=owner)
    happen("fail", "fail")
    notify()
    [message] = Notification.objects.all()
    assert texts.fact_text(message.facts[0]).endswith("within 1 h. Most frequent cause: a Stop step ended it.")
    with translation.override("de"):
        assert "%(" not in texts.fact_text(message.facts[0])
    told = texts.repeated_failures("Sync", 5, dt.timedelta(hours=1), {"timeout": 2, "http_500": 3})
    assert told.endswith("Most frequent cause: the service answered with HTTP 500.")
