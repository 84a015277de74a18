"""The pages of notifications: rules are made, tried, muted and removed there, and the log says what became of each."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automate_core.models import Notification, NotificationRule
from automate_governance.secrets.resolver import resolve
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = """
name: Nightly <script>alert(1)</script>
slug: nightly
triggers: [{endpoint: github}]
steps: [{kind: stop, key: refuse, outcome: failed, message: Not today}]
"""
RULE = {
    "kind": "first_failure",
    "channel": "email",
    "addresses": "ops@example.com",
    "window": "15m",
    "timezone": "UTC",
    "is_on": "on",
}


@pytest.fixture
def flow(workflow):
    return workflow(FLOW)


@pytest.fixture
def urls(flow):
    names = {"page": "workflow_notifications", "new": "workflow_rule_new"}
    return {name: reverse(f"studio:{url}", args=[flow.pk]) for name, url in names.items()}


def _do(rule):
    return reverse("studio:rule_action", args=[rule.pk])


@pytest.mark.extended
def test_a_rule_from_its_form_to_its_removal(flow, urls, sign_in, owner, mailoutbox):
    client = sign_in(owner)
    page = client.get(urls["page"])
    assert b"<script>alert" not in page.content and "A run fails after a success" in Page(page).text
    wrong = {**RULE, "kind": "failures", "span": "soon", "addresses": "ops@, x@example.com", "quiet_from": "25:00"}
    answer = client.post(urls["new"], wrong)
    shown = Page(answer)
    assert answer.status_code == 422
    assert {name for name in ("span", "quiet_from") if shown.ids[f"id_{name}"].get("aria-invalid")} == {
        "span",
        "quiet_from",
    }
    assert shown.ids["id_addresses"]["value"] == "ops@, x@example.com", "nothing is lost"
    answer = client.post(
        urls["new"], {**RULE, "kind": "failures", "span": "10m", "addresses": "ops@", "people": "nobody"}
    )
    assert answer.status_code == 422
    assert {"id_addresses-why", "id_people-why", "id_failures-why"} <= set(Page(answer).ids)
    assert not NotificationRule.objects.filter(workflow=flow).exists()
    for nonsense in ({}, {**RULE, "kind": "x"}, {**RULE, "window": "9" * 50}, {**RULE, "addresses": "\0"}):
        assert client.post(urls["new"], nonsense).status_code == 422

    given = {
        **RULE,
        "kind": "failures",
        "failures": "3",
        "span": "2h 30m",
        "quiet_from": "22:00",
        "quiet_until": "07:00",
    }
    assert client.post(urls["new"], given).status_code == 303
    rule = NotificationRule.objects.get(workflow=flow)
    text = Page(client.get(urls["page"])).text
    assert "3 runs fail within 2 h 30 min" in text and "quiet 22:00 to 07:00 UTC" in text
    edit = reverse("studio:rule_edit", args=[rule.pk])
    shown = Page(client.get(edit)).ids
    assert (shown["id_span"]["value"], shown["id_failures"]["value"], shown["id_quiet_from"]["value"]) == (
        "2h 30m",
        "3",
        "22:00",
    )
    assert client.post(edit, {**given, "failures": "4"}).status_code == 303

    client.post(_do(rule), {"do": "test"})
    assert [mail.to for mail in mailoutbox] == [["ops@example.com"]] and "This is a test" in mailoutbox[0].body
    text = Page(client.get(urls["page"])).text
    assert "Test sent to ops@example.com." in text and "4 runs fail" in text and "and 1 more" not in text
    client.post(_do(rule), {"do": "off"})
    rule.refresh_from_db()
    assert not rule.is_on and "Turned off" in Page(client.get(urls["page"])).text
    removed = client.post(_do(rule), {"do": "remove"})["Location"]
    page = Page(client.get(removed))
    assert "4 runs fail" not in page.text and page.all(value="take_back")
    client.post(_do(rule), {"do": "take_back"})
    assert "4 runs fail" in Page(client.get(urls["page"])).text


def test_a_webhooks_secret_is_shown_once(flow, urls, sign_in, owner):
    client = sign_in(owner)
    given = {**RULE, "channel": "webhook", "url": "https://hooks.example.com/x?token=abcdefgh"}
    made = client.post(urls["new"], given)
    rule = NotificationRule.objects.get(workflow=flow)
    value = resolve(rule.secret).reveal()
    assert made.status_code == 200 and value in made.content.decode() and value.startswith("whsec_")
    edit = reverse("studio:rule_edit", args=[rule.pk])
    assert (
        value not in client.get(edit).content.decode() and "abcdefgh" not in client.get(urls["page"]).content.decode()
    )
    assert client.post(edit, {**given, "url": "https://other.example.com/"}).status_code == 303
    assert NotificationRule.objects.get(pk=rule.pk).secret == rule.secret, "the present one is kept"


def test_what_comes_with_the_site_is_turned_off_for_a_workflow_and_not_removed(
    flow, urls, sign_in, owner, admin, deliver, drain, notify
):
    everywhere = NotificationRule.objects.get(built_in=True)
    mute = reverse("studio:rule_mute", args=[flow.pk, everywhere.pk])
    client = sign_in(owner)
    client.post(mute, {"do": "mute"})
    assert "Turned off here" in Page(client.get(urls["page"])).text
    deliver()
    drain()
    notify()
    assert not Notification.objects.exists()
    client.post(mute, {"do": "unmute"})
    assert "Turned off here" not in Page(client.get(urls["page"])).text
    root = sign_in(admin)
    root.post(_do(everywhere), {"do": "remove"})
    site = Page(root.get(reverse("studio:notifications")))
    assert "Turn it off instead" in site.text and "Rules for all workflows" in site.text
    edit = reverse("studio:rule_edit", args=[everywhere.pk])
    assert (
        root.post(
            edit, {**RULE, "kind": "dead_job", "channel": "slack", "addresses": "", "to_owner": "on", "window": "1h"}
        ).status_code
        == 303
    )
    everywhere.refresh_from_db()
    assert (everywhere.kind, everywhere.channel, everywhere.window.seconds) == ("first_failure", "email", 3600)


def test_the_log_is_paged_searched_and_sent_again(flow, urls, sign_in, owner, admin, settings, notify, mailoutbox):
    rule = NotificationRule.objects.get(built_in=True)
    fact = {"text": "It failed \u202e", "at": "2026-01-01T00:00:00+00:00", "url": "https://x.test"}
    made = [
        Notification(rule=rule, kind=rule.kind, workflow=flow, channel="email", target=f"p{n}@example.com", facts=[fact], count=2,
                     status="failed" if n % 2 else "sent", error="550 no such user" if n % 2 else "", send_at=flow.created_at)
        for n in range(60)
    ]  # fmt: skip
    Notification.objects.bulk_create(made)
    client, seen, url, costs = sign_in(admin), [], reverse("studio:notifications"), []
    while url:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(url)
        costs.append(len(queries))
        found = answer.context["found"]
        seen += [row.notification.target for row in found.rows]
        url = found.following and reverse("studio:notifications") + found.following
    assert seen == [f"p{n}@example.com" for n in reversed(range(60))] and max(costs) - min(costs) <= 1
    assert "\u202e" not in answer.content.decode()
    failed = client.get(urls["page"], {"show": "failed", "q": "p59"}).context["found"].rows
    assert [row.notification.error for row in failed] == ["550 no such user"]
    again = reverse("studio:notification_resend", args=[failed[0].notification.pk])
    assert sign_in(owner).post(again).status_code == 404, "of a rule of the site"
    client.post(again)
    notify()
    assert [mail.to for mail in mailoutbox] == [["p59@example.com"]]
    client.post(again)
    assert "Only messages that were not sent" in Page(client.get(urls["page"])).text
    assert "No messages match" in Page(client.get(urls["page"], {"q": "nobody"})).text
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    assert "cannot send email yet" in Page(client.get(urls["page"])).text
