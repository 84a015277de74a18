"""A key that is lost for good: what it protected is listed and marked, the site starts, and values are entered again."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.urls import reverse

from automate_connectors.models import Connection
from automate_core.webhooks.tally import tally
from automate_governance import startup
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.keyring import generate_key
from automate_governance.secrets.resolver import resolve
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lost(owner, endpoint, settings):
    """The secrets of a connection and of a webhook, whose key is not configured any more: the key."""
    secret = StoredSecret(name="crm", owner=owner)
    secret.put("a-value-that-nobody-has-any-more")
    secret.save()
    config = {"base_url": "https://a.example.com", "token": secret.reference}
    Connection.objects.create(name="CRM", slug="crm", connector="http", config=config, owner=owner)
    [*keys] = settings.AUTOMATE_SECRETS_KEYS
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    return keys


def test_what_is_lost_is_listed_and_nothing_changes(lost, capsys):
    with pytest.raises(ImproperlyConfigured, match="automate_recover_keys"):
        startup.prepare_process()
    with pytest.raises(CommandError, match="--accept-loss") as raised:
        call_command("automate_recover_keys")
    assert raised.value.returncode == 1
    said = capsys.readouterr().out
    assert "used by connection CRM" in said and "used by webhook" in said
    assert not StoredSecret.objects.exclude(lost_at=None).exists()
    with pytest.raises(SecretUnavailableError):  # a process that has the key may come
        resolve("database:crm")


def test_the_site_starts_and_values_are_entered_again(lost, admin, deliver, sign_in, capsys):
    call_command("automate_recover_keys", "--accept-loss")
    startup.prepare_process()
    assert AuditEntry.objects.filter(verb="secret.marked_lost").count() == StoredSecret.objects.count()
    with pytest.raises(SecretNotFoundError, match="Enter it again"):
        resolve("database:crm")
    assert "answer 503 to every delivery" in capsys.readouterr().out
    client = sign_in(admin)
    webhooks = reverse("admin:automate_core_webhookendpoint_changelist")
    assert "Rejecting 1" in Page(client.get(webhooks)).text, "before any delivery"
    for signed in ({}, {"secret": "a-wrong-secret-of-a-stranger-0123456789"}):
        answer = deliver(**signed)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    tally.flush()
    assert "Enter the lost value again under Secrets." in Page(client.get(reverse("studio:event_rejected"))).text
    overview = Page(client.get(reverse("studio:overview"), headers={"HX-Request": "true"})).text
    assert "Secrets with a lost key" in overview and "crm" in overview
    secret = StoredSecret.objects.get(name="crm")
    page = reverse("admin:automate_governance_storedsecret_change", args=[secret.pk])
    assert client.post(page, {"value": "the-new-value-of-it"}).status_code == 302
    secret.refresh_from_db()
    assert secret.lost_at is None and resolve("database:crm").reveal() == "the-new-value-of-it"


def test_a_key_that_turns_up_takes_the_marks_away(lost, settings, capsys):
    call_command("automate_recover_keys", "--accept-loss")
    settings.AUTOMATE_SECRETS_KEYS = [*settings.AUTOMATE_SECRETS_KEYS, *lost]
    call_command("automate_recover_keys")
    assert "All stored secrets can be read." in capsys.readouterr().out
    assert not StoredSecret.objects.exclude(lost_at=None).exists()
    assert AuditEntry.objects.filter(verb="secret.found_again").exists()
    assert resolve("database:crm").reveal() == "a-value-that-nobody-has-any-more"
