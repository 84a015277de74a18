"""The form of a connection is drawn from its connector's fields, and keeps references to secrets only."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_connectors.oauth.catalogue import GRANTS, providers
from automate_governance.models import AuditEntry, StoredSecret
from tests.support.connections import CONNECTION_ADD, connection_form, form_errors
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_chooses_the_connector_first(probe, sign_in, owner):
    page = Page(sign_in(owner).get(reverse(CONNECTION_ADD)))
    assert page.all(href="?connector=probe") and page.all(href="?connector=http")


def test_no_connection_is_offered_for_what_takes_none(sign_in, owner):
    client = sign_in(owner)
    assert not [
        code
        for code in ("data", "models", "rss")
        if Page(client.get(reverse(CONNECTION_ADD))).all(href=f"?connector={code}")
    ]
    page = Page(client.get(reverse(CONNECTION_ADD), {"connector": "data"}))
    assert page.all(href="?connector=http") and "id_slug" not in page.ids, "an old link leads to the choice"


def test_a_sign_in_is_offered_where_its_token_is_of_use(sign_in, owner):
    client = sign_in(owner)
    forms = {
        code: Page(client.get(reverse(CONNECTION_ADD), {"connector": code})).ids
        for code in (
            "http",
            "imap",
            "stripe",
            "zendesk",
            "google_sheets",
            "llm",
            "email",
            "sql",
            "mysql",
            "s3",
            "sftp",
            "twilio",
            "trello",
        )
    }
    assert {code for code, ids in forms.items() if "id_oauth_provider" in ids} == {
        "http",
        "imap",
        "stripe",
        "zendesk",
        "google_sheets",
    }
    assert all("id_slug" in ids for ids in forms.values())


def test_a_sign_in_that_a_connection_has_stays_in_its_form(sign_in, owner):
    setup = {"provider": "google", "grant": "authorization_code", "client_id": "abc", "client_secret": "env:SECRET"}
    kept = Connection.objects.create(name="M", slug="m", connector="llm", oauth=setup, owner=owner)
    page = Page(sign_in(owner).get(reverse("admin:automate_connectors_connection_change", args=[kept.pk])))
    assert page.ids["id_oauth_client_id"]["value"] == "abc"


def test_an_app_to_which_people_sign_in_begins_with_that(sign_in, owner):
    headings = re.compile(r"<(h2|summary)\b[^>]*>(Sign-in with OAuth 2|Settings)<")
    for connector, expected in (
        ("google_sheets", [("h2", "Sign-in with OAuth 2"), ("h2", "Settings")]),
        ("http", [("h2", "Settings"), ("summary", "Sign-in with OAuth 2")]),
    ):
        html = sign_in(owner).get(reverse(CONNECTION_ADD), {"connector": connector}).content.decode()
        assert headings.findall(html) == expected, connector


def test_each_field_has_the_widget_of_its_kind(probe, sign_in, owner):
    page = Page(sign_in(owner).get(reverse(CONNECTION_ADD), {"connector": "probe"}))
    widgets = {attrs.get("name"): (tag, attrs.get("type")) for tag, attrs in page.tags if attrs.get("name")}
    assert widgets["config_region"][0] == "select" and widgets["config_headers"][0] == "textarea"
    assert widgets["config_retries"] == ("input", "text") and widgets["config_strict"] == ("input", "checkbox")
    assert page.ids["id_config_retries"]["inputmode"] == "decimal"
    assert widgets["config_token_choice"][0] == "select" and widgets["config_token_value"] == ("input", "password")
    assert "config_token_other" not in widgets, "references to other backends are for those who may use any secret"
    assert "From your profile" in page.text


def test_a_secret_is_stored_in_place_and_only_its_reference_kept(probe, sign_in, owner):
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), connection_form())
    assert answer.status_code == 302, form_errors(answer)
    connection = Connection.objects.get()
    assert connection.config == {
        "base_url": "https://api.example.com", "region": "us", "retries": 3, "strict": True,
        "headers": {"X-Team": "a"}, "token": "database:mine-token",
    }  # fmt: skip
    secret = StoredSecret.objects.get(name="mine-token")
    assert secret.reveal() == "brand-new-canary" and secret.owner == owner
    assert set(AuditEntry.objects.values_list("verb", flat=True)) >= {"connection.created", "secret.created"}
    assert "canary" not in str(list(AuditEntry.objects.values()))
    page = sign_in(owner).get(reverse("admin:automate_connectors_connection_change", args=[connection.pk]))
    assert b"mine-token" in page.content and b"canary" not in page.content


def test_a_change_is_audited_with_old_and_new_values_and_no_secret(probe, sign_in, owner):
    sign_in(owner).post(reverse(CONNECTION_ADD), connection_form())
    page = reverse("admin:automate_connectors_connection_change", args=[Connection.objects.get().pk])
    answer = sign_in(owner).post(page, connection_form(config_base_url="https://other.example.com", config_retries="4"))
    assert answer.status_code == 302, form_errors(answer)
    assert AuditEntry.objects.get(verb="connection.changed").changes == {
        "base_url": {"from": "https://api.example.com", "to": "https://other.example.com"},
        "retries": {"from": 3, "to": 4},
        "token": {"from": "database:mine-token", "to": "database:mine-token-2"},
    }
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_a_new_secret_never_overwrites_one_that_is_there(probe, sign_in, owner, stranger):
    taken = StoredSecret(name="mine-token", owner=stranger)
    taken.put("of-somebody-else")
    taken.save()
    sign_in(owner).post(reverse(CONNECTION_ADD), connection_form())
    taken.refresh_from_db()
    assert taken.reveal() == "of-somebody-else"
    assert Connection.objects.get().config["token"] == "database:mine-token-2"


def test_nothing_is_stored_with_a_form_that_is_refused(probe, sign_in, owner):
    answer = sign_in(owner).post(
        reverse(CONNECTION_ADD), connection_form(config_retries="many", config_base_url="nowhere")
    )
    assert set(form_errors(answer)) == {"config_retries", "config_base_url"}
    assert b"canary" not in answer.content
    assert not StoredSecret.objects.exists() and not Connection.objects.exists()


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"config_token_value": ""}, "config_token"),
        ({"config_region": "mars"}, "config_region"),
        ({"config_headers": "{not json"}, "config_headers"),
        ({"config_headers": "[" * 100_000}, "config_headers"),
        ({"config_headers": "[1]"}, "config_headers"),
        ({"config_headers": '{"Authorization": "Bearer abc"}'}, "__all__"),
        ({"config_token_value": "", "config_token_choice": "database:not-mine"}, "config_token"),
        ({"allowed_hosts": "https://api.example.com/x"}, "allowed_hosts"),
        ({"slug": "no slug!"}, "slug"),
        ({"connector": "nowhere"}, "connector"),
        ({"config_base_url": "https://api.example.com/\0"}, "config_base_url"),
    ],
)
def test_bad_input_is_said_at_its_field(probe, sign_in, owner, given, field):
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), connection_form(**given))
    assert field in form_errors(answer), form_errors(answer)


def test_who_may_not_store_secrets_chooses(probe, sign_in, owner):
    group = Group.objects.create(name="plumbers")
    from django.contrib.auth.models import Permission

    wanted = ("add_connection", "view_connection", "change_connection", "use_storedsecret")
    group.permissions.set(Permission.objects.filter(codename__in=wanted))
    owner.groups.set([group])
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), connection_form())
    assert form_errors(answer) == {
        "config_token": ["You need the Add secrets permission to store a secret. Choose a stored secret."]
    }
    assert not StoredSecret.objects.exists()


def test_a_change_keeps_the_secret_that_is_chosen(probe, probed, sign_in, owner):
    url = reverse("admin:automate_connectors_connection_change", args=[probed.pk])
    given = connection_form(name="Renamed", config_token_value="", config_token_choice="database:probe-token")
    assert sign_in(owner).post(url, given).status_code == 302
    probed.refresh_from_db()
    assert (probed.name, probed.slug, probed.config["token"]) == ("Renamed", "probed", "database:probe-token")


def test_who_may_only_use_it_sees_which_one_it_is(probed, sign_in, colleague):
    for verb in ("view", "use"):
        assign_perm(f"{verb}_connection", colleague, probed)
    page = sign_in(colleague).get(reverse("admin:automate_connectors_connection_change", args=[probed.pk]))
    content = page.content.decode()
    assert page.status_code == 200 and probed.name in content
    assert "oauth" not in content and "Config" not in content


def test_a_sign_in_stands_in_for_the_secret(probe, sign_in, owner):
    given = connection_form(
        config_token_value="", oauth_provider="github", oauth_grant="authorization_code", oauth_client_id="abc",
        oauth_client_secret_value="client-secret-canary",
    )  # fmt: skip
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), given)
    assert answer.status_code == 302, form_errors(answer)
    connection = Connection.objects.get()
    assert connection.oauth == {
        "provider": "github", "grant": "authorization_code", "client_id": "abc",
        "client_secret": "database:mine-client-secret",
    }  # fmt: skip
    assert "token" not in connection.config and connection.token_name == "token"
    page = sign_in(owner).get(reverse("admin:automate_connectors_connection_change", args=[connection.pk]))
    assert b"Sign in to GitHub" in page.content


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"oauth_client_id": ""}, "oauth_client_id"),
        ({"oauth_provider": "generic"}, "oauth_token_url"),
        ({"oauth_provider": "generic", "oauth_token_url": "http://idp.example/token"}, "oauth_token_url"),
        ({"oauth_provider": "generic", "oauth_authorize_url": "javascript:alert(1)"}, "oauth_authorize_url"),
        ({"oauth_provider": "generic", "oauth_authorize_url": "https://u:p@idp.example/"}, "oauth_authorize_url"),
        ({"oauth_grant": "client_credentials"}, "oauth_grant"),
        (
            {"oauth_provider": "linear", "oauth_grant": "client_credentials", "oauth_client_secret_value": ""},
            "oauth_client_secret",
        ),
        ({"oauth_provider": "nowhere"}, "oauth_provider"),
        ({"oauth_secret_expires": "soon"}, "oauth_secret_expires"),
        ({"oauth_provider": "shopify", "oauth_parameter_shopify_shop": "a.b"}, "oauth_parameter_shopify_shop"),
        (
            {
                "oauth_provider": "google",
                "oauth_grant": "jwt_bearer",
                "oauth_private_key_choice": "database:not-mine",
            },
            "oauth_private_key",
        ),
    ],
)
def test_a_sign_in_is_checked(probe, sign_in, owner, given, field):
    form = connection_form(
        config_token_value="", oauth_provider="github", oauth_grant="authorization_code", oauth_client_id="abc",
        oauth_client_secret_value="client-secret-canary",
    )  # fmt: skip
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), {**form, **given})
    assert field in form_errors(answer), form_errors(answer)
    assert not StoredSecret.objects.exists()


HTTP = {"name": "Mine", "slug": "mine", "connector": "http", "config_base_url": "https://api.example.com"}


@pytest.mark.extended
def test_only_the_settings_of_the_chosen_authentication_are_asked_for(sign_in, owner):
    page = Page(sign_in(owner).get(reverse(CONNECTION_ADD), {"connector": "http"}))
    hidden = {
        attrs["data-when"]: "hidden" in attrs
        for name, attrs in page.tags
        if name != "option" and "data-when" in attrs and "_choice=" not in attrs["data-when"]  # parts of one field
    }
    conditions = {f"config_auth={kinds}" for kinds in ("bearer|header|query", "header", "query", "basic")}
    assert conditions <= hidden.keys() and all(hidden.values())
    errors = form_errors(sign_in(owner).post(reverse(CONNECTION_ADD), {**HTTP, "config_auth": "header"}))
    assert {name: list(said) for name, said in errors.items()} == {
        "config_token": ["Token is required."],
        "config_header_name": ["Header name is required."],
    }


def test_only_the_grants_of_the_provider_are_offered(sign_in, owner):
    page = Page(sign_in(owner).get(reverse(CONNECTION_ADD), {"connector": "google_sheets"}))
    options = {attrs["value"]: attrs for name, attrs in page.tags if name == "option" and "data-when" in attrs}
    offered = {grant for grant, attrs in options.items() if "disabled" not in attrs}
    assert offered == set(providers()["google"].grants) and options.keys() == GRANTS.keys()
    missed = [
        (code, grant)
        for grant, attrs in options.items()
        for code, row in providers().items()
        if (code in attrs["data-when"].removeprefix("oauth_provider=").split("|")) != (grant in row.grants)
    ]
    assert missed == []


def test_settings_of_another_authentication_are_not_kept(sign_in, owner):
    given = {"config_auth": "none", "config_token_value": "brand-new-canary", "config_username": "me"}
    assert sign_in(owner).post(reverse(CONNECTION_ADD), {**HTTP, **given}).status_code == 302
    assert Connection.objects.get().config == {"base_url": "https://api.example.com", "auth": "none"}
    assert not StoredSecret.objects.exists()


def test_the_form_of_an_app_leads_to_its_help(sign_in, owner):
    client = sign_in(owner)
    page = Page(client.get(reverse(CONNECTION_ADD), {"connector": "slack"}))
    [href] = {each["href"] for each in page.all(href=reverse("studio:help_page", args=["connectors/slack"]))}
    assert client.get(href).status_code == 200


def test_numbers_are_typed_and_shown_in_the_readers_notation(probe, sign_in, owner):
    client, german = sign_in(owner), {"HTTP_ACCEPT_LANGUAGE": "de"}
    add = reverse(CONNECTION_ADD)
    page = Page(client.post(add, connection_form(config_retries="1.250"), **german))
    assert page.ids["id_config_retries"]["value"] == "1.250" and "1250" in page.text.replace("1.250", "")
    assert not Connection.objects.exists()
    page = Page(client.post(add, connection_form(limit_requests="many", limit_seconds="60")))
    assert "Enter a whole number" in page.text
    assert "Enter both the number of calls" not in page.text, "one sentence for one mistake"
    page = Page(client.post(add, connection_form(limit_requests="5")))
    assert "Enter both the number of calls" in page.text


def test_the_provider_of_models_is_chosen_and_a_section_is_no_heading_twice(sign_in, owner):
    client = sign_in(owner)
    models = Page(client.get(reverse(CONNECTION_ADD), {"connector": "llm"}))
    assert [tag for tag, attributes in models.tags if attributes.get("name") == "config_provider"] == ["select"]
    http = client.get(reverse(CONNECTION_ADD), {"connector": "http"}).content.decode()
    sections = re.findall(r"<summary[^>]*>\s*(.*?)\s*</summary>", http)
    assert "Sign-in with OAuth 2" in sections and not {"Sign-in", "Authentication"} & set(sections)
