"""A secret is changed without a lost delivery: two are valid for a time, each with its last use, then the old one is not."""

from __future__ import annotations

import datetime as dt
import re
import time
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_core.models import Event, WebhookEndpoint
from automate_core.webhooks import endpoints, receivers, view
from automate_core.webhooks.schemes.registry import SchemeError
from automate_core.webhooks.tally import tally
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.permissions import NotPermittedError
from automate_governance.reference_registry import describe_referrers
from automate_governance.secrets.keyring import generate_key
from tests.conftest import SECRET

pytestmark = pytest.mark.django_db

NEW = "fedcba9876543210fedcba9876543210"
NEWER = "00112233445566778899aabbccddeeff"


def _later(hours):
    until = WebhookEndpoint.objects.get().old_secret_until
    WebhookEndpoint.objects.update(old_secret_until=until - dt.timedelta(hours=hours))


def test_both_secrets_are_valid_for_a_day_and_then_the_new_one_alone(endpoint, deliver, owner):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    assert deliver(secret=SECRET).status_code == deliver(secret=NEW).status_code == 202
    _later(23.9)
    assert deliver(secret=SECRET).status_code == 202
    _later(0.2)
    assert (deliver(secret=SECRET).status_code, deliver(secret=NEW).status_code) == (401, 202)


def test_an_old_secret_ends_while_its_endpoint_is_remembered(endpoint, deliver, owner, monkeypatch):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    remembered = receivers.find_receiver("github")
    monkeypatch.setattr(view, "find_receiver", lambda slug: remembered)
    assert deliver(secret=SECRET).status_code == 202
    monkeypatch.setattr(receivers, "time", SimpleNamespace(time=lambda: time.time() + 90_000, monotonic=time.monotonic))
    assert (deliver(secret=SECRET).status_code, deliver(secret=NEW).status_code) == (401, 202)


def test_a_second_rotation_drops_the_oldest(endpoint, deliver, owner):
    for secret in (NEW, NEWER):
        endpoint = endpoints.rotate_secret(endpoint, secret, actor=owner)
    assert [deliver(secret=each).status_code for each in (SECRET, NEW, NEWER)] == [401, 202, 202]
    assert {endpoint.secret, endpoint.old_secret} == {"database:hook-github", "database:hook-github-2"}
    assert StoredSecret.objects.count() == 2


def test_without_an_overlap_the_old_secret_ends_at_once(endpoint, deliver, owner):
    endpoints.rotate_secret(endpoint, NEW, actor=owner, overlap=dt.timedelta(0))
    assert [deliver(secret=each).status_code for each in (SECRET, NEW)] == [401, 202]


def test_a_leaked_old_secret_can_be_refused_before_its_time(endpoint, deliver, owner):
    endpoint = endpoints.rotate_secret(endpoint, NEW, actor=owner)
    assert endpoints.end_overlap(endpoint, actor=owner) is True
    assert [deliver(secret=each).status_code for each in (SECRET, NEW)] == [401, 202]
    assert endpoints.end_overlap(endpoint, actor=owner) is False


def test_an_old_secret_that_went_missing_leaves_the_new_one(endpoint, deliver, owner):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    WebhookEndpoint.objects.update(old_secret="database:gone")
    assert [deliver(secret=each).status_code for each in (SECRET, NEW)] == [401, 202]


def test_rotating_takes_the_right_to_change_and_a_good_secret(endpoint, owner, stranger):
    with pytest.raises(NotPermittedError):
        endpoints.rotate_secret(endpoint, NEW, actor=stranger)
    with pytest.raises(NotPermittedError):
        endpoints.end_overlap(endpoint, actor=stranger)
    with pytest.raises(SchemeError, match="shorter than 16"):
        endpoints.rotate_secret(endpoint, "short", actor=owner)
    open_one, _ = endpoints.save_endpoint("open", scheme="unsigned", config={}, secret=None, actor=owner)
    with pytest.raises(SchemeError, match="no secret"):
        endpoints.rotate_secret(open_one, NEW, actor=owner)


def test_it_is_in_the_audit_trail_without_the_secret(endpoint, owner):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    entry = AuditEntry.objects.get(verb="webhook.secret_rotated")
    assert entry.actor == "owner" and entry.changes["reference"] == "database:hook-github-2"
    assert not AuditEntry.objects.filter(canonical__contains=NEW).exists()


def test_the_last_use_of_each_secret_costs_no_write_a_delivery(endpoint, deliver, owner, django_assert_num_queries):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    deliver(secret=NEW)  # the secrets' first use in five minutes is noted
    tally.clear()
    with django_assert_num_queries(3):  # the endpoint and its two secrets
        deliver(secret=SECRET)
    for _ in range(3):
        deliver(secret=SECRET)
    kept = WebhookEndpoint.objects.get()
    assert (kept.secret_used_at, kept.old_secret_used_at) == (None, None)
    tally.flush()
    kept.refresh_from_db()
    assert kept.secret_used_at is None
    assert timezone.now() - kept.old_secret_used_at < dt.timedelta(minutes=1)
    deliver(secret=NEW)
    tally.flush()
    kept.refresh_from_db()
    assert kept.secret_used_at is not None


def test_where_an_old_secret_is_used_is_told_until_it_counts_no_more(endpoint, owner):
    old = StoredSecret.objects.get(name="hook-github")
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    assert describe_referrers(old) == ["webhook endpoint github"]
    _later(25)
    assert describe_referrers(old) == []


# --- by command and in the admin --------------------------------------------------------------------------------------


def test_the_command_rotates(endpoint, admin, deliver, monkeypatch, capsys):
    monkeypatch.setenv("NEW", NEW)
    call_command("automate_endpoint", "github", rotate=True, secret_env="NEW", overlap="2h", owner="root")
    assert "has a new secret and accepts the old secret until" in capsys.readouterr().out
    until = WebhookEndpoint.objects.get().old_secret_until
    assert abs(until - timezone.now() - dt.timedelta(hours=2)) < dt.timedelta(minutes=1)
    assert deliver(secret=SECRET).status_code == deliver(secret=NEW).status_code == 202


@pytest.mark.parametrize(
    ("slug", "options", "said"),
    [
        ("nope", {"rotate": True, "secret_env": "NEW"}, "There is no webhook endpoint 'nope'."),
        ("github", {"rotate": True}, "--rotate requires"),
        ("github", {"rotate": True, "secret_env": "NEW", "overlap": "soon"}, "--overlap: 'soon' is not a duration"),
        ("github", {"rotate": True, "secret_env": "SHORT"}, "shorter than 16"),
        ("github", {}, "--scheme is required"),
    ],
)
def test_the_command_refuses_in_one_line(endpoint, admin, monkeypatch, slug, options, said):
    monkeypatch.setenv("NEW", NEW)
    monkeypatch.setenv("SHORT", "short")
    with pytest.raises(CommandError) as refused:
        call_command("automate_endpoint", slug, owner="root", **options)
    assert said in str(refused.value) and refused.value.returncode == 2
    assert WebhookEndpoint.objects.get().old_secret == ""


def _words(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def _form(endpoint, **changed):
    kept = {"scheme": endpoint.scheme, "secret_choice": endpoint.secret, "overlap_hours": 24, "enabled": "on"}
    return {**kept, **changed}


def test_another_secret_in_the_admin_begins_an_overlap(endpoint, owner, sign_in, deliver):
    reference = endpoints.store_secret("another", NEW, owner)
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    answer = sign_in(owner).post(page, _form(endpoint, secret_choice=reference, overlap_hours=3))
    assert answer.status_code == 302, answer.context["errors"]
    changed = WebhookEndpoint.objects.get()
    assert (changed.secret, changed.old_secret) == (reference, "database:hook-github")
    assert abs(changed.old_secret_until - timezone.now() - dt.timedelta(hours=3)) < dt.timedelta(minutes=1)
    assert deliver(secret=SECRET).status_code == deliver(secret=NEW).status_code == 202
    tally.flush()
    shown = _words(sign_in(owner).get(page))
    assert re.search(
        r"database:another last used (\d+ s ago|just now) database:hook-github last used (\d+ s ago|just now), expires",
        shown,
    )


def test_saving_in_the_admin_without_another_secret_keeps_both(endpoint, owner, sign_in):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    before = WebhookEndpoint.objects.get()
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    assert sign_in(owner).post(page, _form(before)).status_code == 302
    after = WebhookEndpoint.objects.get()
    assert (after.secret, after.old_secret, after.old_secret_until) == (
        before.secret, before.old_secret, before.old_secret_until,
    )  # fmt: skip


def test_a_colleague_needs_no_right_on_the_old_secret(endpoint, owner, colleague, sign_in):
    """Only what is bound anew is asked for."""
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    for verb in ("view", "change"):
        assign_perm(f"{verb}_webhookendpoint", colleague, endpoint)
    assign_perm("use_storedsecret", colleague, StoredSecret.objects.get(name="hook-github-2"))
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    assert sign_in(colleague).post(page, _form(WebhookEndpoint.objects.get())).status_code == 302


@pytest.mark.extended
def test_the_page_ends_the_overlap_for_those_who_may_change_it(endpoint, owner, colleague, sign_in, deliver):
    endpoints.rotate_secret(endpoint, NEW, actor=owner)
    assign_perm("view_webhookendpoint", colleague, endpoint)
    page = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    end = reverse("studio:webhook_end_overlap", args=[endpoint.pk])
    assert end not in sign_in(colleague).get(page).content.decode()
    assert sign_in(colleague).post(end).status_code == 403 and WebhookEndpoint.objects.get().has_old_secret
    assert end in sign_in(owner).get(page).content.decode()
    told = sign_in(owner).post(end, follow=True).content.decode()
    assert "The previous secret is now rejected" in told and end not in told
    assert deliver(secret=SECRET).status_code == 401
    assert not Event.objects.exists()


def test_a_secret_that_signs_nothing_is_refused_in_the_admin(endpoint, owner, sign_in):
    short = StoredSecret(name="short", owner=owner)
    short.put("abc")
    short.save()
    url = reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk])
    client = sign_in(owner)
    assert b"shorter than 16" in client.post(url, _form(endpoint, secret_choice="database:short")).content
    assert client.post(url, _form(endpoint, secret_choice="database:nowhere")).status_code == 200
    before = endpoint.secret
    endpoint.refresh_from_db()
    assert endpoint.secret == before
    assert f"/hooks/{endpoint.slug}/".encode() in client.get(url).content


def test_a_process_without_the_key_tells_senders_to_come_again(endpoint, deliver, settings):
    """Several senders stop for good on a 4xx: a key that is missing is no fault of theirs."""
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    assert deliver().status_code == 503


@pytest.mark.extended
def test_a_schemes_own_settings_have_fields_in_the_admin(owner, sign_in):
    made, _ = endpoints.save_endpoint("sums", scheme="hmac", config={"prefix": "v1="}, secret=SECRET, actor=owner)
    page = reverse("admin:automate_core_webhookendpoint_change", args=[made.pk])
    client = sign_in(owner)
    assert 'value="v1="' in client.get(page).content.decode()
    chosen = {"hmac_header": "X-Sum", "hmac_prefix": "v1=", "hmac_encoding": "base64", "hmac_algorithm": "sha512"}
    answer = client.post(page, _form(made, **chosen, hmac_dedupe_seconds="60", bearer_header="left out"))
    assert answer.status_code == 302, answer.context["errors"]
    stored = {"header": "X-Sum", "prefix": "v1=", "encoding": "base64", "algorithm": "sha512", "dedupe_seconds": 60}
    assert WebhookEndpoint.objects.get().config == stored
    wrong = client.post(page, _form(made, **chosen, hmac_event_header="x-sum"))
    assert wrong.status_code == 200 and "is a credential" in wrong.content.decode()
    assert client.post(page, _form(made, **chosen, hmac_dedupe_seconds="soon")).status_code == 200
    assert WebhookEndpoint.objects.get().config == stored
    assert client.post(page, _form(made, scheme="github", **chosen)).status_code == 302
    assert WebhookEndpoint.objects.get().config == {}
