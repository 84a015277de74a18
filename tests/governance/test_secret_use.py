"""Whoever says where a secret goes may use it: nobody borrows one by writing its name into something of theirs."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_governance.models import StoredSecret
from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_governance.secrets.resolver import NOT_A_REFERENCE, resolve

pytestmark = pytest.mark.django_db

ADD = "admin:automate_connectors_connection_add"


@pytest.fixture
def secret(owner):
    stored = StoredSecret(name="payments", owner=owner)
    stored.put("a-secret-of-the-owner")
    stored.save()
    return stored


def form(reference="database:payments", **config):
    part = "choice" if reference.startswith("database:") else "other"
    return {
        "name": "Mine", "slug": "mine", "connector": "http", "allowed_hosts": "api.example.com",
        "config_auth": "bearer", f"config_token_{part}": reference, **config,
    }  # fmt: skip


def said(answer):
    return answer.context["adminform"].form.errors if answer.status_code == 200 else {}


@pytest.mark.extended
def test_a_connection_takes_only_secrets_that_one_may_use(secret, owner, stranger, sign_in):
    answer = sign_in(stranger).post(reverse(ADD), form())
    assert "config_token" in said(answer) and "payments" not in answer.content.decode().replace("database:payments", "")
    assert said(sign_in(stranger).post(reverse(ADD), form("database:nowhere"))).keys() == {"config_token"}
    assert not Connection.objects.exists()
    assign_perm("use_storedsecret", stranger, secret)
    assert sign_in(stranger).post(reverse(ADD), form()).status_code == 302
    assert Connection.objects.get().owner == stranger


def test_who_may_change_a_connection_may_not_send_its_secret_elsewhere(secret, owner, colleague, sign_in):
    assert sign_in(owner).post(reverse(ADD), form()).status_code == 302
    connection = Connection.objects.get()
    for verb in ("view", "change"):
        assign_perm(f"{verb}_connection", colleague, connection)
    url = reverse("admin:automate_connectors_connection_change", args=[connection.pk])
    answer = sign_in(colleague).post(url, {**form(), "allowed_hosts": "elsewhere.example"})
    assert said(answer) == {"config_token": ["Secret database:payments does not exist, or you may not use it."]}
    connection.refresh_from_db()
    assert connection.allowed_hosts == ["api.example.com"]


def test_secrets_of_the_environment_are_for_those_who_may_use_any(owner, sign_in, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRET_VENDOR", "a-secret-of-the-site")
    assert said(sign_in(owner).post(reverse(ADD), form("env:vendor"))), "no such field is read of this person"
    chosen = form("env:vendor", config_token_choice="env:vendor")
    assert said(sign_in(owner).post(reverse(ADD), chosen)).keys() == {"config_token"}
    assert not Connection.objects.exists()
    owner.user_permissions.add(Permission.objects.get(codename="use_any_storedsecret"))
    assert sign_in(owner).post(reverse(ADD), form("env:vendor")).status_code == 302


def test_an_endpoint_takes_only_secrets_that_one_may_use(secret, stranger, sign_in):
    url = reverse("admin:automate_core_webhookendpoint_add")
    sent = {"slug": "mine", "scheme": "github", "secret_choice": "database:payments"}
    assert said(sign_in(stranger).post(url, sent)) == {"secret": ["Select a secret that you are allowed to use."]}
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_does_not_replace_the_secret_of_somebody_else(owner, stranger):
    taken = StoredSecret(name="hook-mine", owner=owner)
    taken.put("a-secret-of-the-owner")
    taken.save()
    made, _ = endpoints.save_endpoint("mine", scheme="github", config={}, secret="0" * 32, actor=stranger)
    taken.refresh_from_db()
    assert taken.reveal() == "a-secret-of-the-owner"
    assert re.fullmatch(r"database:hook-mine-[0-9a-f]{8}", made.secret)


def test_a_name_that_was_taken_before_receives_no_secret(stranger, admin):
    """Also of somebody who may replace any secret: the one who took the name could use what they give."""
    taken = StoredSecret(name="hook-orders", owner=stranger)
    taken.put("waiting-for-another-value")
    taken.save()
    made, _ = endpoints.save_endpoint("orders", scheme="github", config={}, secret="0" * 32, actor=admin)
    made = endpoints.rotate_secret(made, "1" * 32, actor=admin)
    taken.refresh_from_db()
    assert taken.reveal() == "waiting-for-another-value"
    stored = {f"database:{each.name}": each for each in StoredSecret.objects.filter(owner=admin)}
    assert stored.keys() == {made.secret, made.old_secret}
    assert (stored[made.secret].reveal(), stored[made.old_secret].reveal()) == ("1" * 32, "0" * 32)


def test_a_secret_that_was_refused_is_not_sent_back(owner, sign_in):
    answer = sign_in(owner).post(
        reverse("admin:automate_governance_storedsecret_add"), {"name": "not a name!", "value": "typed-in-clear-text"}
    )
    assert {"name", "value"} <= set(said(answer)) and b"typed-in-clear-text" not in answer.content
    assert b"Enter it again" in answer.content, "that the value has to be typed again is said at its field"


PASTED = "whsec_Pasted-in-clear-4711"


def test_a_secret_pasted_where_a_reference_belongs_is_not_repeated(admin, sign_in):
    for pasted in (PASTED, f"sk:{PASTED}", f"https://user:{PASTED}@example.com"):
        with pytest.raises(ValidationError) as refused:
            WebhookEndpoint(slug="mine", scheme="github", secret=pasted, owner=admin).full_clean()
        assert refused.value.message_dict == {"secret": [NOT_A_REFERENCE]}
        answer = sign_in(admin).post(reverse(ADD), form("", config_token_other=pasted))
        assert said(answer).keys() == {"config_token"} and PASTED.encode() not in answer.content
    answer = sign_in(admin).post(reverse(ADD), form("", config_base_url=f"postgres://user:{PASTED}@db/x"))
    assert said(answer) and PASTED not in str(said(answer))
    with pytest.raises(SecretNotFoundError) as caught:
        resolve(PASTED)
    assert PASTED not in str(caught.value)


REFUSED = {
    "unknown name": ({"baseurl": "https://api.example.com"}, [], "Unknown field 'baseurl'"),
    "no URL": ({"base_url": "api.example.com"}, [], "must start with https://"),
    "other protocol": ({"base_url": "ftp://api.example.com"}, [], "must start with https://"),
    "number for a URL": ({"base_url": 5}, [], "must be a URL (got number)"),
    "password in a URL": ({"base_url": "https://user:pass@api.example.com"}, [], "must not contain a username"),
    "plain token": ({"auth": "bearer", "token": "abcdef"}, ["a.example"], "must be a reference to a secret"),
    "missing token": ({"auth": "bearer"}, [], "token is required"),
    "no list of hosts": ({}, "api.example.com", "Enter host names, such as"),
    "URLs as hosts": ({}, ["https://api.example.com/x"], "Enter host names, such as"),
    "numbers as hosts": ({}, [1], "Enter host names, such as"),
    "no mapping": ([], [], "a JSON object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_connection_is_checked_against_its_connector(name, owner):
    config, hosts, reason = REFUSED[name]
    connection = Connection(name="C", slug="c", connector="http", owner=owner, config=config, allowed_hosts=hosts)
    with pytest.raises(ValidationError) as caught:
        connection.full_clean()
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"headers": {"Authorization": "Bearer abc"}},
        {"headers": [{"X-Api-Key": "abc"}]},
        {"authorization": "Bearer abc"},
        {"nested": {"token": "database:payments"}},
        {"server": "smtps://user:pass@mail.example.com"},
    ],
)
def test_plain_secrets_are_refused_where_a_connector_describes_nothing(config, owner):
    connection = Connection(name="C", slug="c", connector="data", owner=owner, config=config)
    with pytest.raises(ValidationError, match="looks like a secret"):
        connection.full_clean()
