"""Whatever a URL or a command changes leaves an entry in the audit trail."""

from __future__ import annotations

import datetime as dt
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from automate_core.models import WebhookEndpoint
from automate_governance.audit import payload_views
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.keyring import generate_key

YAML = "{name: Sent in, slug: sent-in, steps: [{key: one, action: data.log, inputs: {message: x}}]}"
RULE = {"kind": "first_failure", "channel": "email", "to_owner": "on", "is_on": "on"}

#: what is sent besides what the page's own form holds, and the verb of the entry that it leaves
LEAVES = {
    "run retry dialog": ({}, "run.retried"),
    "run retry": ({}, "run.retried"),
    "run download": ({"part": "output", "attempt": 1}, "run.payload_downloaded"),
    "run keep": ({"keep": "1"}, "run.kept"),
    "connection": (
        {"name": "Renamed", "config_base_url": "https://a.example.com", "config_headers": "{}"},
        "connection.changed",
    ),
    "connection delete": ({"post": "yes"}, "connection.deleted"),
    "connection test": ({}, "connection.tested"),
    "connector enable": ({}, "connector.enabled"),
    "connector disable": ({}, "connector.disabled"),
    "connector export": ({}, "connector.exported"),
    "connector delete": ({}, "connector.deleted"),
    "connector version": ({}, "connector.restored"),
    "secret add": ({"name": "fresh", "value": "a-value-of-this-test"}, "secret.created"),
    "secret": ({"value": "another-value-of-this-test"}, "secret.changed"),
    "webhook add": ({"slug": "fresh", "scheme": "github"}, "webhook.created"),
    "endpoint": ({}, "webhook.changed"),
    "share connection": ({"name": "colleague", "verb": "use"}, "connection.shared"),
    "share webhook": ({"name": "colleague", "verb": "view"}, "webhook.shared"),
    "share workflow": ({"name": "colleague", "verb": "view"}, "workflow.shared"),
    "share workflow with": ({"name": "colleague", "verb": "view"}, "workflow.shared"),
    "workflow start": ({}, "workflow.run_started"),
    "workflow pause": ({}, "workflow.paused"),
    "workflow copy": ({"name": "Twice"}, "workflow.copied"),
    "workflow copy named": ({"name": "Twice"}, "workflow.copied"),
    "workflow archive": ({}, "workflow.archived"),
    "workflows manage, nothing said": ({"do": "archive"}, "workflow.archived"),
    "webhook delete": ({"post": "yes"}, "webhook.deleted"),
    "webhook end overlap": ({}, "webhook.old_secret_refused"),
    "secret delete": ({"post": "yes"}, "secret.deleted"),
    "template": ({}, "workflow.template_used"),
    "template use": ({}, "workflow.template_used"),
    "workflow new": ({"name": "Begun"}, "workflow.created"),
    "workflow new, without a name": ({"name": "Begun"}, "workflow.created"),
    "workflow import": ({"text": YAML}, "workflow.created"),
    "builder budget": ({"day_cost": "2"}, "model_budget.created"),
    "builder budget set": ({"day_cost": "2"}, "model_budget.created"),
    "model budget add": ({"period": "day", "max_cost": "2"}, "model_budget.created"),
    "builder preview": ({}, "workflow.sample_viewed"),
    "event download": ({}, "event.payload_downloaded"),
    "sign-out": ({}, "user.signed_out"),
    "failures retry": ({}, "failures.retried"),
    "failures mark, nothing said": ({"do": "resolve"}, "failures.resolved"),
    "notification rule": (RULE, "notification.rule_changed"),
    "notification rule new": (RULE, "notification.rule_created"),
    "workflow notification rule new": (RULE, "notification.rule_created"),
    "notification again": ({}, "notification.sent_again"),
    "notification rule do, nothing said": ({"do": "off"}, "notification.rule_turned_off"),
    "workflow notification mute": ({}, "notification.unmuted"),
    "model usage export": ({}, "model_usage.exported"),
    "model call void": ({}, "model_call.voided"),
    "runs export": ({}, "runs.exported"),
    "audit export": ({"format": "csv"}, "audit.exported"),
    "audit verify": ({}, "audit.verified"),
    "bulk stop": ({}, "runs.bulk_stopped"),
    "personal data": ({"texts": "ada@example.com"}, "erasure.searched"),
    "erasure": ({"reason": "Request 12"}, "erasure.started"),
    "erasure stop": ({}, "erasure.stopped"),
    "account sign-in": ({"do": "unlock"}, "user.unlocked"),
}

#: what changes nothing of the site's; what a person keeps for themselves alone
CHANGES_NOTHING = {
    "search", "preferences", "connections", "webhooks", "secrets", "audit list", "model budgets", "sign-in",
    "run sample", "run test", "event sample", "builder sample", "builder sample choose", "builder trigger event",
    "builder trigger caught", "builder trigger poll", "builder test keep",  # the sample that one builds with
    "builder here", "builder options",  # who is looking; what a field offers
    "connection add", "connection try", "connection try, a change",  # a choice; tests of what is not saved, which are told
    "connection sign-in",  # leads to the provider; coming back is the entry
    "connector new", "connector edit",  # drafts of one's own
    "view save, nothing said", "view change", "view delete",  # how lists are filtered
}  # fmt: skip

#: what needs more than stands here: the verb, which a test of that page looks for
ELSEWHERE = {
    "run cancel": "run.cancelled",
    "run try now": "step.tried_now",
    "run skip": "step.skipped",
    "run review": "run.reviewed",
    "run decide": "approval.decided",
    "approval": "approval.decided",
    "approval delegate": "approval.delegated",
    "approval reassign": "approval.reassigned",
    "approvals hand over": "approval.reassigned",
    "workflow resume": "workflow.resumed",
    "workflow restore": "workflow.restored",
    "runs bulk, nothing said": "runs.bulk_",
    "event replay": "event.replayed",
    "events replay, nothing said": "events.bulk_replay",
    "jobs replay": "job.replayed",
    "review": "workflow.published",
    "review publish": "workflow.published",
    "review fix": "workflow.edited",
    "version publish": "workflow.published",
    "version restore": "workflow.restored",
    "connector review": "connector.created",
    "connector call": "connection.called",
    "builder do": "workflow.edited",
    "builder step": "workflow.edited",
    "builder step save": "workflow.edited",
    "builder copy": "workflow.edited",
    "builder condition": "workflow.edited",
    "builder connection": "connection.created",
    "builder trigger webhook": "webhook.created",
    "builder test": "workflow.tested",
    "builder test start": "workflow.tested",
    "hand over": "user.handed_over",
    "retention": "retention.changed",
}


class Form(HTMLParser):
    """What the forms of a page would send."""

    def __init__(self, answer):
        super().__init__()
        self.values, self.inside, self.chooser, self.area = {}, False, None, None
        if answer.status_code == 200 and "html" in answer.get("Content-Type", ""):
            self.feed(answer.content.decode())

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        name = given.get("name")
        if tag == "form":
            self.inside = given.get("method", "").lower() == "post"
        elif not self.inside:
            return
        elif (
            tag == "input" and name and (given.get("type") not in {"checkbox", "radio", "submit"} or "checked" in given)
        ):
            self.values.setdefault(name, given.get("value", ""))
        elif tag == "select":
            self.chooser = name
        elif tag == "option" and self.chooser and ("selected" in given or self.chooser not in self.values):
            self.values[self.chooser] = given.get("value", "")
        elif tag == "textarea" and name:
            self.area, self.values[name] = name, ""

    def handle_data(self, data):
        if self.area:
            self.values[self.area] += data

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "form"
        self.chooser = self.chooser if tag != "select" else None
        self.area = self.area if tag != "textarea" else None


class _Undo(Exception):
    pass


def _left(client, url, sent):
    """(status, verbs) of a POST, of which nothing stays."""
    found = (0, [])
    try:
        with transaction.atomic():
            payload_views.clear_recent_entries()
            form = Form(client.get(url)).values
            last = AuditEntry.objects.latest("pk").pk
            answer = client.post(url, {**form, **sent})
            verbs = AuditEntry.objects.filter(pk__gt=last).values_list("verb", flat=True)
            said = str(list(AuditEntry.objects.filter(pk__gt=last).values_list("object", "changes")))
            assert " object at 0x" not in said, "the repr of an object"
            found = (answer.status_code, list(verbs))
            raise _Undo
    except _Undo:
        payload_views.clear_recent_entries()
        return found


@pytest.fixture
def unused(urls, owner, run):
    """The addresses, with a secret and a webhook that nothing uses, so that they can be deleted."""
    secret = StoredSecret(name="unused", owner=owner)
    secret.put("of-no-use-to-anybody")
    secret.save()
    lonely = WebhookEndpoint.objects.create(slug="lonely", scheme="github", owner=owner, old_secret=secret.reference)
    WebhookEndpoint.objects.filter(pk=lonely.pk).update(old_secret_until=timezone.now() + dt.timedelta(days=1))
    spare = WebhookEndpoint.objects.create(slug="spare", scheme="github", owner=owner)
    free = StoredSecret(name="free", owner=owner)
    free.put("of-no-use-to-anybody-else")
    free.save()
    return urls | {
        "webhook end overlap": ("post", reverse("studio:webhook_end_overlap", args=[lonely.pk])),
        "webhook delete": ("post", reverse("admin:automate_core_webhookendpoint_delete", args=[spare.pk])),
        "secret delete": ("post", reverse("admin:automate_governance_storedsecret_delete", args=[free.pk])),
    }


@pytest.mark.django_db(transaction=True)
def test_every_url_that_changes_something_leaves_an_entry(unused, admin, colleague, sign_in, run):
    """A new URL that takes POST stands in one of the lists above, and those of the first leave their entries."""
    client, listed = sign_in(admin), {*LEAVES, *CHANGES_NOTHING, *ELSEWHERE}
    silent, unlisted = {}, set()
    for name, (_, url) in unused.items():
        if name not in listed and _left(client, url, {})[0] not in {404, 405}:
            unlisted.add(name)
        if name in LEAVES:
            sent, verb = LEAVES[name]
            left = _left(client, url, {"id": run.workflow_id, **sent})
            if verb not in left[1]:
                silent[name] = left
            if name == "sign-out":
                client = sign_in(admin)
    assert (silent, unlisted) == ({}, set())


def _tests():
    return "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py") if path != Path(__file__))


def test_what_is_tested_elsewhere_is():
    assert [verb for verb in sorted(set(ELSEWHERE.values())) if f'"{verb}' not in _tests()] == []


#: commands that change nothing of the site's data, or nothing that a person decides
COMMANDS_WITHOUT = {
    "automate_generate_key": "prints",
    "automate_connector_docs": "writes docs",
    "automate_connector_from_openapi": "writes a file",
    "automate_startplugin": "writes a folder",
    "automate_plugins": "prints",
    "automate_openapi": "writes docs",
    "automate_file_schema": "prints",
    "automate_status": "reads",
    "automate_mail": "takes a message as a webhook takes a delivery",
    "automate_worker": "does what people asked for, each with its entry",
    "automate_restore": "needs an empty database; tests/core/test_backup.py looks for its entry",
    "automate_uninstall": "deletes the trail itself",
    "serve": "runs the site",
    "demo": "sends a delivery as automate_send does",
}
COMMANDS_WITH = {
    "automate_runs": "run.cancelled",
    "automate_endpoint": "webhook.created",
    "automate_workflow": "workflow.paused",
    "automate_import": "workflow.created",
    "automate_dead": "job.replayed",
    "automate_events": "event.replayed",
    "automate_export": "workflow.exported",
    "automate_prune": "retention.prune_started",
    "automate_erase": "erasure.searched",
    "automate_rollup": "statistics.rebuilt",
    "automate_rotate_keys": "secrets.rewrapped",
    "automate_recover_keys": "secret.marked_lost",
    "automate_send": "webhook.delivery_sent",
    "automate_unlock": "user.unlocked",
    "automate_handover": "user.handed_over",
    "automate_backup": "site.backup_started",
    "automate_token": "token.created",
    "automate_verify_audit": "audit.verified",
}


OF_PAGES_TOO = {"run.cancelled", "job.replayed", "event.replayed"}  #: recorded by what the pages call, too


@pytest.mark.django_db(transaction=True)
def test_every_command_that_changes_something_leaves_an_entry(run, deliver, admin, monkeypatch, tmp_path, settings):
    """What is done to runs and dead jobs by command goes the way that the pages go; the rest is done here."""
    monkeypatch.setattr(sys, "argv", ["manage.py"])
    ours = {name for name, app in get_commands().items() if str(app).startswith("automate_")}
    assert ours == {*COMMANDS_WITHOUT, *COMMANDS_WITH}
    for name, text in (("file.yaml", YAML), ("secret", "0123456789abcdef0123456789abcdef"), ("body", "{}")):
        (tmp_path / name).write_text(text)
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *settings.AUTOMATE_SECRETS_KEYS]
    last = AuditEntry.objects.latest("pk").pk
    call_command("automate_import", str(tmp_path / "file.yaml"))
    call_command("automate_workflow", "pause", "branching")
    call_command("automate_endpoint", "fresh", scheme="github", secret_file=str(tmp_path / "secret"))
    call_command("automate_export", "branching")
    call_command("automate_prune")
    call_command("automate_verify_audit")
    call_command("automate_erase", "ada@example.com")
    call_command("automate_rollup", "--rebuild")
    call_command("automate_rotate_keys")
    call_command("automate_token", "owner", name="nightly", scopes="workflow:view")
    call_command("automate_unlock", "owner")
    call_command("automate_handover", "owner", "root")
    call_command("automate_backup", str(tmp_path / "archive"), "--without-keys")
    call_command("automate_runs", "rerun", str(run.pk), "--start", "start")
    with pytest.raises(CommandError, match="Is the site running"):
        call_command("automate_send", "github", str(tmp_path / "body"))
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    call_command("automate_recover_keys", "--accept-loss")
    entries = AuditEntry.objects.filter(pk__gt=last)
    assert set(entries.values_list("source", flat=True)) == {"command"}
    assert {*COMMANDS_WITH.values()} - {*entries.values_list("verb", flat=True)} == OF_PAGES_TOO
    assert "run.retried" in entries.values_list("verb", flat=True)
