"""The catalogue of OAuth providers: rows that are checked, and addresses that lead nowhere else."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.credentials import resolve_config
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth import exchange
from automate_connectors.oauth.catalogue import CatalogueError, own_providers, providers, read_providers
from automate_connectors.oauth.setup import parse_oauth_setup
from automate_connectors.oauth.tokens import get_access_token
from tests.connections.provider import CLIENT_ID
from tests.support.connections import OAUTH_CALLBACK, expire_token, sign_in_address, start_sign_in

WANTED = {
    "google",
    "microsoft",
    "slack",
    "github",
    "gitlab",
    "hubspot",
    "salesforce",
    "pipedrive",
    "airtable",
    "notion",
    "asana",
    "atlassian",
    "linear",
    "zendesk",
    "intercom",
    "shopify",
    "stripe",
    "xero",
    "quickbooks",
    "mailchimp",
    "discord",
    "dropbox",
    "zoom",
    "calendly",
    "typeform",
}
ROW = """
[acme]
name = "Acme"
page = "https://docs.acme.example/oauth"
authorize_url = "https://acme.example/authorize"
token_url = "https://{realm}.acme.example/token"
[acme.parameters.realm]
label = "Realm"
kind = "label"
example = "sales"
"""


def test_the_rows_are_sound_and_complete():
    rows = own_providers()
    assert rows.keys() >= WANTED
    assert [code for code, row in rows.items() if not row.register.startswith("https://")] == []
    unreachable = []
    for code, row in rows.items():
        for grant in row.grants:
            values = {name: parameter.example for name, parameter in row.parameters.items()}
            document = {
                "provider": code, "grant": grant, "client_id": "a", "client_secret": "env:A", "private_key": "env:B",
                "parameters": values,
            }  # fmt: skip
            setup = parse_oauth_setup(document)
            unreachable += [(code, *problem) for problem in setup.problems()]
            assert setup.hosts or any(kept.domains for kept in row.keep.values()), code
    assert unreachable == []


MISTAKES = {
    "an unknown field": ("name =", 'nmae = "x"\nname =', "unknown field `nmae`"),
    "an unknown grant": ("name =", 'grants = ["magic"]\nname =', "Invalid enum value 'magic'"),
    "no grant": ("name =", "grants = []\nname =", "grants must not be empty"),
    "no token address": ('token_url = "https://{realm}.acme.example/token"\n', "", "token_url is missing"),
    "http": ("https://acme.example/auth", "http://acme.example/auth", "authorize_url: Enter an https:// URL"),
    "an unknown parameter": ("https://{realm}.", "https://{relm}.", "the parameter realm is not used"),
    "a whole host as a part": ("https://{realm}.acme.example/", "https://acme.example/{realm}/", "cannot stand there"),
    "other code in a template": ("{realm}", "{realm.__class__}", "is not a template"),
    "an example that does not fit": ('"sales"', '"sales.eu"', "parameters.realm: 'sales.eu'"),
    "an unknown standard code": ("name =", 'errors = { gone = "lost" }\nname =', "errors.gone: 'lost' is none of"),
    "no documentation": ("https://docs.acme.example/oauth", "none", "page must be"),
    "no TOML": ("[acme]", "[acme", "cannot be read"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_named(tmp_path, mistake):
    old, new, said = MISTAKES[mistake]
    path = tmp_path / "providers.toml"
    path.write_text(ROW.replace(old, new, 1))
    with pytest.raises(CatalogueError) as caught:
        read_providers(path)
    assert said in str(caught.value)


def test_a_file_of_the_site_adds_and_replaces_rows(tmp_path, settings, caplog):
    path = tmp_path / "providers.toml"
    path.write_text(ROW + ROW.replace("acme", "github"))
    settings.AUTOMATE_OAUTH_PROVIDERS = path
    assert (
        providers()["acme"].name == "Acme" and providers()["github"].token_url == "https://{realm}.github.example/token"
    )
    assert list(providers())[-1] == "generic"
    broken = tmp_path / "broken.toml"
    broken.write_text(ROW.replace('name = "Acme"', "name = 3"))
    settings.AUTOMATE_OAUTH_PROVIDERS = broken
    assert providers().keys() == own_providers().keys() | {"generic"} and "are not available" in caplog.text
    with pytest.raises(SystemCheckError, match=r"acme: Expected `str`, got `int` - at `\$.name`"):
        call_command("check", tags=["automate"])


# --- templated addresses ----------------------------------------------------------------------------------------------

ELSEWHERE = [
    "", "evil.example/", "evil.example#", "evil.example?", "a@evil.example", "evil.example:443", "..", "a.b", "a/b", "a\\b",
    "-a", "a" * 64, "a b", "ä", "127.0.0.1", "a%2eb", "{shop}", "\n", "a\x00b",
]  # fmt: skip


def test_a_part_of_a_host_leads_nowhere_else_when_it_is_saved_and_when_it_is_called(db, owner):
    """At the call as well: an import, or a hand in the database, knows nothing of forms."""
    let_in = []
    for value in ELSEWHERE:
        connection = Connection(
            name="Shop", slug="shop", connector="http", owner=owner, config={"base_url": "https://api.example.com", "auth": "oauth2"},
            oauth={
                "provider": "shopify", "grant": "client_credentials", "client_id": "a", "client_secret": "env:A",
                "parameters": {"shop": value},
            },
        )  # fmt: skip
        try:
            connection.full_clean()
        except ValidationError as error:
            if "oauth_parameter_shopify_shop" in error.message_dict:
                continue
        let_in.append(value)
    assert let_in == []
    called = []
    for value in ELSEWHERE:
        setup = parse_oauth_setup({**connection.oauth, "parameters": {"shop": value}})
        with pytest.raises(ConnectorError) as caught:
            exchange.request_app_tokens(setup)
        called += [] if caught.value.code == "invalid_connection" else [value]
        assert setup.hosts == ()
    assert called == []


def test_a_whole_host_stays_below_its_domains():
    def refused(provider, value):
        document = {"provider": provider, "client_id": "a", "client_secret": "env:A", "parameters": {"host": value}}
        return [field for field, _ in parse_oauth_setup(document).problems()] == [f"oauth_parameter_{provider}_host"]

    for value in ("evilsalesforce.com", "salesforce.com.evil.example", "login.salesforce.com:1", "localhost"):
        assert refused("salesforce", value), value
    for value in ("test.salesforce.com", "acme.my.salesforce.com", ""):
        assert not refused("salesforce", value), value
    assert not refused("gitlab", "git.example.org") and refused("gitlab", "git.example.org/x")


# --- rows at work -----------------------------------------------------------------------------------------------------


@pytest.fixture
def row(tmp_path, settings, provider, client_secret, owner):
    """A connection to the local provider by a row with these lines."""

    def make(lines="", slug="api", **oauth):
        path = tmp_path / f"{slug}.toml"
        path.write_text(
            f'[local]\nname = "Local"\npage = "https://docs.example.com"\nauthorize_url = "{provider.url}/authorize"\n'
            f'token_url = "{provider.url}/token"\nhosts = ["127.0.0.1"]\n{lines}'
        )
        settings.AUTOMATE_OAUTH_PROVIDERS = str(path)
        connection = Connection(
            name="The API", slug=slug, connector="http", owner=owner,
            config={"base_url": provider.url, "auth": "oauth2"},
            oauth={
                "provider": "local", "grant": "authorization_code", "client_id": CLIENT_ID,
                "client_secret": "database:client-secret", **oauth,
            },
        )  # fmt: skip
        connection.full_clean()
        connection.save()
        return connection

    return make


@pytest.mark.django_db(transaction=True)
def test_a_row_decides_how_tokens_are_requested(row, provider, sign_in, owner):
    """JSON, no PKCE, the secret in the body, tokens elsewhere in the answer, values that are kept."""
    connection = row(
        'request_format = "json"\npkce = false\nseparator = ","\nscope_parameter = "user_scope"\nscopes = "a b"\n'
        'token_path = "authed.access_token"\nrenewed_path = "access_token"\ncallback = ["realmId"]\n'
        'authorize_parameters = { owner = "user" }\ntoken_parameters = { expiring = "1" }\n'
        'refresh_parameters = { again = "yes" }\n'
        'keep = { team = { path = "team.id" }, api = { path = "api", domains = ["example.com"] },'
        ' bad = { path = "bad", domains = ["example.com"] } }\n'
    )
    provider.nested = {"team": {"id": "T1"}, "api": "https://eu.example.com", "bad": "https://example.com.evil.example"}
    client = sign_in(owner)
    address = sign_in_address(start_sign_in(client, connection))
    assert "user_scope=a%2Cb" in address and "owner=user" in address and "code_challenge" not in address
    assert client.get(OAUTH_CALLBACK, {**provider.consent(address), "realmId": "42"}).status_code == 303
    first = provider.forms[-1]
    assert (
        first["expiring"] == "1" and "code_verifier" not in first and provider.content_types[-1] == "application/json"
    )
    kept = {"team": "T1", "api": "https://eu.example.com", "realmId": "42"}
    assert OAuthToken.objects.get().kept == kept
    assert get_access_token(connection) in provider.access
    provider.nested = None
    expire_token(connection)
    assert get_access_token(connection) in provider.access and provider.forms[-1]["again"] == "yes"
    connection = Connection.objects.get(pk=connection.pk)
    with CaptureQueriesContext(database) as asked:
        assert resolve_config(connection)["oauth"] == kept and len(connection.secrets_in_use()) == 3
        assert connection.hosts() == ["127.0.0.1"] and connection.kept_values() == kept
    assert sum("automate_connectors_oauthtoken" in query["sql"] for query in asked) == 1, "a call reads its tokens once"
    provider.extra = {"team": {"id": "T2"}}
    expire_token(connection)
    assert get_access_token(connection) in provider.access and connection.kept_values() == {**kept, "team": "T2"}
    connection.config = {"auth": "oauth2"}
    assert connection.hosts() == ["127.0.0.1", "eu.example.com"], "without an address of its own, the account's"


@pytest.mark.django_db(transaction=True)
def test_a_refresh_address_of_its_own_is_used(row, provider, sign_in, owner):
    connection = row(f'refresh_url = "{provider.url}/refresh"\n')
    client = sign_in(owner)
    client.get(OAUTH_CALLBACK, provider.consent(sign_in_address(start_sign_in(client, connection))))
    expire_token(connection)
    assert get_access_token(connection) in provider.access
    assert provider.paths == ["/token", "/refresh"]
