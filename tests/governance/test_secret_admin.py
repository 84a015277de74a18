"""Secrets in the admin: values go in and never come out; what protects them, what uses them, when they were used."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint
from automate_governance.models import AuditEntry, StoredSecret
from automate_governance.secrets.keyring import generate_key
from automate_governance.secrets.resolver import resolve
from tests.governance.spelt import found
from tests.support.pages import tidy

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Overriding get_action_choices"),  # the admin theme's own list page
]

VALUE = "a-value-of-the-admin-tests-9f2c"
LIST = "admin:automate_governance_storedsecret_changelist"


def page_of(secret, kind="change"):
    return reverse(f"admin:automate_governance_storedsecret_{kind}", args=[secret.pk])


@pytest.fixture
def secret(owner):
    made = StoredSecret(name="payments", owner=owner)
    made.put(VALUE)
    made.save()
    return made


@pytest.fixture
def text(sign_in):
    """The words of a page, for that person."""

    def look(user, url):
        answer = sign_in(user).get(url)
        assert answer.status_code == 200
        assert not found(VALUE, answer.content.decode()), "no page shows a value"
        return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())

    return look


def test_a_secret_is_made_replaced_and_audited(owner, sign_in):
    client = sign_in(owner)
    add = reverse("admin:automate_governance_storedsecret_add")
    assert client.post(add, {"name": "token", "value": f"  {VALUE}\n"}).status_code == 302
    made = StoredSecret.objects.get()
    assert (made.reveal(), made.version, made.owner) == (VALUE, 1, owner)
    assert client.post(page_of(made), {"name": "renamed", "value": "another-value-entirely"}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.reveal(), made.version) == ("token", "another-value-entirely", 2), "the name stays"
    entries = AuditEntry.objects.order_by("id").values_list("verb", "changes")
    assert list(entries) == [
        ("secret.created", {"value": "changed"}),
        ("secret.changed", {"value": "changed"}),
    ]


def test_no_page_shows_a_value(secret, owner, text):
    for url in (reverse(LIST), page_of(secret), page_of(secret, "history"), page_of(secret, "delete")):
        text(owner, url)


def test_an_empty_value_changes_nothing(secret, owner, sign_in):
    answer = sign_in(owner).post(page_of(secret), {"value": ""})
    assert answer.context["adminform"].form.errors == {"value": ["This field is required."]}
    secret.refresh_from_db()
    assert secret.reveal() == VALUE


def test_the_last_four_characters_of_a_long_value_alone(secret, owner, text):
    assert "Ends with …9f2c" in text(owner, page_of(secret))
    secret.put("twenty-characters-ab")
    secret.save()
    shown = text(owner, page_of(secret))
    assert "the value is short" in shown and "s-ab" not in shown


@pytest.mark.extended
def test_which_key_protects_it(secret, owner, text, settings):
    assert f"Newest key, {secret.key_id}." in text(owner, page_of(secret))
    assert "Not used" in text(owner, reverse(LIST))
    old = settings.AUTOMATE_SECRETS_KEYS
    settings.AUTOMATE_SECRETS_KEYS = [generate_key(), *old]
    assert f"Older key, {secret.key_id}. Run manage.py automate_rotate_keys" in text(owner, page_of(secret))
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    shown = text(owner, page_of(secret))
    assert f"Key missing, {secret.key_id}." in shown and "Cannot be decrypted. This secret was stored with key" in shown
    assert "Key missing" in text(owner, reverse(LIST))


@pytest.mark.matrix
@pytest.mark.parametrize("keys", [["malformed"], []])
def test_bad_keys_and_bad_rows_break_no_page(secret, owner, text, settings, keys):
    StoredSecret.objects.update(box=b"altered")
    assert "altered or moved" in text(owner, page_of(secret))
    settings.AUTOMATE_SECRETS_KEYS = keys
    assert "payments" in text(owner, reverse(LIST)) and "Cannot be decrypted" in text(owner, page_of(secret))


def test_where_it_is_used_with_links(secret, owner, colleague, text, sign_in):
    assert "Not used yet." in text(owner, page_of(secret))
    connection = Connection.objects.create(
        name="Payments", slug="payments", connector="http", owner=owner, config={"token": "database:payments"}
    )
    endpoint = WebhookEndpoint.objects.create(slug="paid", scheme="github", secret="database:payments", owner=owner)
    page = sign_in(owner).get(page_of(secret)).content.decode()
    assert re.findall(r'<a class="da-link" href="([^"]+)">([^<]+)</a>', tidy(page).partition('id="used"')[2]) == [
        (reverse("admin:automate_connectors_connection_change", args=[connection.pk]), "Payments"),
        (reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk]), "paid"),
    ]
    for verb in ("use", "replace"):
        assign_perm(f"{verb}_storedsecret", colleague, secret)
    assign_perm("view_connection", colleague, connection)
    shown = text(colleague, page_of(secret))
    assert "Connection Payments 1 more that you cannot view" in shown and "paid" not in shown


def test_who_may_use_it_sees_what_it_is_and_no_more(secret, colleague, stranger, text, sign_in):
    assign_perm("use_storedsecret", colleague, secret)
    shown = text(colleague, page_of(secret))
    assert "database:payments" in shown and "Ends with" not in shown and "9f2c" not in shown
    assert sign_in(colleague).post(page_of(secret), {"value": "taken over"}).status_code == 403
    assert sign_in(stranger).get(page_of(secret)).status_code == 404
    secret.refresh_from_db()
    assert secret.reveal() == VALUE


def test_when_it_was_last_used(secret, owner, text):
    resolve("database:payments")
    secret.refresh_from_db()
    assert secret.last_used_at is not None
    assert secret.last_used_at.strftime("%Y") in text(owner, page_of(secret))


def test_a_page_of_many_costs_no_more_queries(owner, sign_in, django_assert_max_num_queries):
    for number in range(30):
        made = StoredSecret(name=f"s{number}", owner=owner)
        made.put(f"value-number-{number}")
        made.save()
    client = sign_in(owner)
    client.get(reverse(LIST))
    with django_assert_max_num_queries(22):
        assert client.get(reverse(LIST)).status_code == 200


def test_an_error_report_leaves_the_value_out(owner, sign_in, monkeypatch, settings, mailoutbox):
    """Whatever goes wrong while one is saved: neither the report to the admins nor the debug page has it."""
    settings.DEBUG = True

    def broken(self, value):
        raise ImproperlyConfigured("no key today")

    monkeypatch.setattr(StoredSecret, "put", broken)
    client = sign_in(owner)
    client.raise_request_exception = False
    answer = client.post(reverse("admin:automate_governance_storedsecret_add"), {"name": "token", "value": VALUE})
    assert answer.status_code == 500 and "no key today" in answer.content.decode()
    page = answer.content.decode()
    assert "********************" in page
