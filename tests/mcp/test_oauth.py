"""A person connects an agent by OAuth: discovery for this resource alone, PKCE, consent, and what the tokens may do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import clear_url_caches, set_urlconf
from mcp import Client as McpClient
from mcp.client.auth.oauth2 import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from oauth2_provider.cimd import CIMDError
from oauth2_provider.models import get_access_token_model, get_application_model

from automate_api.checks import check_oauth
from automate_api.mcp.oauth.fetcher import AskedByPerson, GuardedFetcher, asked_by_person
from automate_api.models import ApiToken
from automate_api.tokens.issuing import revoke_token
from automate_egress import transport
from automate_governance.models import AuditEntry
from tests.support.certificates import Authority
from tests.support.https_server import public_server
from tests.support.mcp import MODERN

pytestmark = pytest.mark.django_db(transaction=True)

CLIENT = "https://agent.example.com/client.json"
RETURN = "http://127.0.0.1:33418/callback"
RESOURCE = "http://127.0.0.1:8000/mcp"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
SCOPES = "workflow:view workflow:run workflow:change"
DOCUMENT = {
    "client_id": CLIENT,
    "client_name": "Published agent",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
NOTE = """
name: Note
slug: note
agents: {description: Notes.}
triggers: [{kind: manual}]
steps: [{key: say, action: data.set, inputs: {text: Hello}}]
"""


@pytest.fixture(autouse=True)
def oauth(settings):
    """The site with OAuth turned on."""
    settings.AUTOMATE_MCP_OAUTH = True
    settings.ROOT_URLCONF = "tests.support.oauth_urls"
    clear_url_caches()
    yield
    set_urlconf(None)
    clear_url_caches()


@pytest.fixture
def application():
    """A client whose metadata document was fetched before."""
    model = get_application_model()
    return model.objects.create(
        client_id=CLIENT,
        name="Agent",
        redirect_uris="http://127.0.0.1/callback https://agent.example.com/callback",
        client_type=model.CLIENT_PUBLIC,
        authorization_grant_type=model.GRANT_AUTHORIZATION_CODE,
        registration_source=model.RegistrationSource.CIMD,
    )


def asked(**changed):
    """The parameters of an authorization request."""
    return {
        "client_id": CLIENT,
        "redirect_uri": RETURN,
        "response_type": "code",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": SCOPES,
        "state": "s",
        "resource": RESOURCE,
    } | changed


def consent(browser, *scopes, allow="on", **changed):
    """Answer the page: the parameters that the client gets back."""
    posted = asked(**changed) | {"scopes": scopes} | ({"allow": allow} if allow else {})
    answer = browser.post("/oauth/mcp/authorize/", posted)
    return answer, parse_qs(urlsplit(answer.headers.get("Location", "")).query)


def exchange(**fields):
    return Client().post(
        "/oauth/mcp/token/", {"client_id": CLIENT, "redirect_uri": RETURN, "code_verifier": VERIFIER} | fields
    )


@pytest.fixture
def connect(sign_in, owner, application):
    """Connect the client: the answer of the token endpoint."""

    def connect(*scopes):
        _answer, found = consent(sign_in(owner), *(scopes or SCOPES.split()))
        return exchange(grant_type="authorization_code", code=found["code"][0]).json()

    return connect


def test_metadata_is_about_this_resource_alone():
    browser = Client()
    resource = browser.get("/.well-known/oauth-protected-resource/mcp").json()
    server = browser.get("/.well-known/oauth-authorization-server/oauth/mcp").json()
    assert (resource["resource"], resource["authorization_servers"]) == (RESOURCE, [server["issuer"]])
    assert server["issuer"] == "http://127.0.0.1:8000/oauth/mcp"
    assert (server["response_types_supported"], server["code_challenge_methods_supported"]) == (["code"], ["S256"])
    assert server["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert server["client_id_metadata_document_supported"] and server["token_endpoint_auth_methods_supported"] == [
        "none"
    ]
    assert "registration_endpoint" not in server
    for whole in ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration"):
        assert browser.get(f"/.well-known/{whole}").status_code == 404, "nothing is said about the whole host"


def test_a_request_without_a_token_names_the_metadata(on_site):
    async def use(site):
        async with site.http() as http:
            return await http.post("/mcp/", json={})

    challenge = on_site(use).headers["www-authenticate"]
    assert 'resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"' in challenge


def test_a_person_connects_an_agent_with_chosen_permissions(connect, workflow, owner, on_site, worker):
    workflow(NOTE)
    tokens = connect("workflow:view", "workflow:run")
    assert (tokens["token_type"], set(tokens["scope"].split())) == ("Bearer", {"workflow:view", "workflow:run"})
    listed = ApiToken.objects.get()
    assert (listed.owner, listed.name, listed.client_id) == (owner, "Agent", CLIENT)
    assert not get_access_token_model().objects.exclude(token="").exists(), "no token is stored in plain text"

    async def use(site):
        async with site.client(tokens["access_token"]) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            return tools, await client.call_tool("note", {})

    tools, result = on_site(use)
    assert "note" in tools and "change_draft" not in tools
    assert not result.is_error
    entry = AuditEntry.objects.get(verb="token.tool_called")
    assert (entry.actor, entry.object_id) == ("owner", str(listed.pk))


def test_the_page_asks_in_the_look_of_the_admin(sign_in, owner, application, settings):
    answer = sign_in(owner).get("/oauth/mcp/authorize/", asked())
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Connect Agent" in page and "agent.example.com" in page and "127.0.0.1:33418" in page
    assert page.count('name="scopes"') == 3 and "View workflows and runs" in page
    assert page.count("checked") == 2, "building is not chosen at first"
    assert "form-action 'self' http://127.0.0.1:33418" in answer.headers["Content-Security-Policy"]
    assert Client().get("/oauth/mcp/authorize/", asked()).status_code == 302, "only a person who is signed in"


def test_a_person_who_declines_connects_nothing(sign_in, owner, application):
    for scopes, allow in (((), "on"), (SCOPES.split(), "")):
        _answer, found = consent(sign_in(owner), *scopes, allow=allow)
        assert found["error"] == ["access_denied"]
    assert not ApiToken.objects.exists()


@pytest.mark.matrix
@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://evil.example.com/callback"},
        {"redirect_uri": "http://agent.example.com/callback"},
        {"client_id": "unknown"},
        {"response_type": "token"},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"resource": "https://other.example.com/mcp"},
        {"resource": ""},
        {"scope": "workflow:publish"},
    ],
)
def test_what_is_not_allowed_is_not_asked_and_not_granted(sign_in, owner, application, changed):
    browser = sign_in(owner)
    answer = browser.get("/oauth/mcp/authorize/", asked(**changed))
    back = answer.headers.get("Location", "")
    assert answer.status_code >= 400 or "error=" in back, answer.content[:300]
    assert "evil" not in back and "other.example" not in back
    answer, found = consent(browser, *SCOPES.split(), **changed)
    assert "code" not in found
    assert not ApiToken.objects.exists()


def test_a_code_needs_its_verifier_and_is_used_once(sign_in, owner, application):
    _answer, found = consent(sign_in(owner), "workflow:view")
    code = found["code"][0]
    assert found["iss"] == ["http://127.0.0.1:8000/oauth/mcp"]
    wrong = exchange(grant_type="authorization_code", code=code, code_verifier="w" * 50)
    assert wrong.status_code == 400
    first = exchange(grant_type="authorization_code", code=code)
    assert first.status_code == 200
    tokens = get_access_token_model().objects.filter(user=owner)
    assert tokens.count() == 1
    assert exchange(grant_type="authorization_code", code=code).status_code == 400
    assert not tokens.exists(), "a second use ends what the first one gave"
    assert exchange(grant_type="refresh_token", refresh_token=first.json()["refresh_token"]).status_code == 400


def test_each_code_needs_consent(connect, sign_in, owner):
    connect()
    answer = sign_in(owner).get("/oauth/mcp/authorize/", asked(approval_prompt="auto"))
    assert answer.status_code == 200 and "Connect Agent" in answer.content.decode()


def test_a_client_with_a_secret_is_refused_before_it_is_looked_up(application, django_assert_num_queries):
    basic = {"Authorization": "Basic " + base64.b64encode(f"{CLIENT}:x".encode()).decode()}
    for path in ("token", "revoke"):
        for fields, headers in (({"client_id": CLIENT, "client_secret": "x"}, {}), ({}, basic)):
            with django_assert_num_queries(0):
                answer = Client().post(f"/oauth/mcp/{path}/", fields, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("grant", ["password", "client_credentials", "implicit"])
def test_other_grants_are_refused(owner, application, grant):
    answer = exchange(grant_type=grant, username="owner", password="password-of-tests")
    assert answer.status_code in {400, 401} and "access_token" not in answer.json()


def test_revoking_the_connection_ends_its_tokens(connect, owner, on_site):
    tokens = connect()

    def ask():
        async def use(site):
            async with site.http(tokens["access_token"]) as http:
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
                headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
                return (await http.post("/mcp/", json=body, headers=headers)).status_code

        return on_site(use)

    refreshed = exchange(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    tokens = tokens | refreshed
    assert ask() == 200
    revoke_token(ApiToken.objects.get(), by=owner)
    assert ask() == 401
    again = exchange(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.status_code == 400


def test_an_access_token_is_no_api_token(connect, api):
    client = api(None)
    client.plain = connect()["access_token"]
    assert client.get("workflows").status_code == 401


@pytest.mark.parametrize(
    "client_id",
    [
        "https://127.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/client.json",
        "https://localhost/client.json",
        "http://agent.example.com/client.json",
        "https://user:pass@agent.example.com/client.json",
        "https://10.0.0.1:5432/x",
    ],
)
def test_no_document_is_fetched_from_inside(settings, client_id):
    settings.AUTOMATE_EGRESS_ALLOW = ["127.0.0.1:443", "localhost:443", "10.0.0.1:5432"]
    with pytest.raises(CIMDError):
        GuardedFetcher().fetch(client_id)


@pytest.fixture
def published(tmp_path, monkeypatch, settings):
    """The server of a client's documents, with a certificate for its name. The site reaches it by its proxy."""
    authority, bundle = Authority(), tmp_path / "authorities.pem"
    bundle.write_text(authority.pem)
    monkeypatch.setattr(transport, "PUBLIC_AUTHORITIES", str(bundle))
    with public_server(*authority.files(tmp_path, "agent.example.com"), {"/client.json": (200, {}, DOCUMENT)}) as made:
        settings.AUTOMATE_EGRESS_PROXY = made.proxy
        yield made


def test_the_document_of_a_new_client_is_fetched_once(published, sign_in, owner):
    browser = sign_in(owner)
    page = browser.get("/oauth/mcp/authorize/", asked())
    assert (page.status_code, "Connect Published agent" in page.content.decode()) == (200, True)
    _answer, found = consent(browser, "workflow:view")
    tokens = exchange(grant_type="authorization_code", code=found["code"][0]).json()
    assert (tokens["scope"], ApiToken.objects.get().name) == ("workflow:view", "Published agent")
    assert published.asked == ["CONNECT agent.example.com:443", "GET /client.json"]


def test_a_document_that_proves_nothing_makes_no_client(published, sign_in, owner):
    at = "https://agent.example.com"
    published.answers = {
        "/of-another.json": (200, {}, DOCUMENT),
        "/moved.json": (302, {"Location": "/client.json"}, {}),
        "/page.json": (200, {"Content-Type": "text/html"}, DOCUMENT | {"client_id": f"{at}/page.json"}),
        "/long.json": (200, {}, DOCUMENT | {"client_id": f"{at}/long.json", "more": "x" * 20_000}),
        "/other-name.json": (200, {}, DOCUMENT | {"client_id": "https://other.example.com/other-name.json"}),
    }
    browser = sign_in(owner)
    for path in published.answers:
        client_id = f"https://other.example.com{path}" if path == "/other-name.json" else f"{at}{path}"
        assert browser.get("/oauth/mcp/authorize/", asked(client_id=client_id)).status_code == 400, path
    assert not get_application_model().objects.exists()
    read = [each for each in published.asked if each.startswith("GET")]
    assert read == [f"GET {path}" for path in published.answers if path != "/other-name.json"]


def test_strangers_have_nothing_fetched():
    unknown = "https://127.0.0.1/client.json"
    assert not AskedByPerson().has_permission(None, unknown)
    with asked_by_person():
        assert AskedByPerson().has_permission(None, unknown)
    answer = exchange(grant_type="authorization_code", code="x", client_id=unknown)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_id_that_cannot_be_fetched_is_unknown(sign_in, owner):
    answer = sign_in(owner).get("/oauth/mcp/authorize/", asked(client_id="https://127.0.0.1/client.json"))
    assert answer.status_code == 400 and "cannot be answered" in answer.content.decode()


def test_the_page_says_what_is_wrong_with_the_document_of_a_client(published, sign_in, owner):
    """Also when it is asked for again, before the document is fetched again."""
    at = "https://agent.example.com"
    published.answers = {
        "/page.json": (200, {"Content-Type": "text/html"}, DOCUMENT),
        "/of-another.json": (200, {}, DOCUMENT),
    }
    said = {
        "nonsense": "not the URL",
        "https://agent.example.com": "not the URL",
        "http://agent.example.com/x": "not the URL",
        "https://127.0.0.1/client.json": "public server",
        "https://unknown.example.com/x.json": "cannot be reached",
        f"{at}/page.json": "leads to no document",
        f"{at}/of-another.json": "describes no client",
    }
    browser = sign_in(owner)
    for client_id, words in said.items():
        for _again in range(2):
            answer = browser.get("/oauth/mcp/authorize/", asked(client_id=client_id))
            assert answer.status_code == 400 and words in answer.content.decode(), (client_id, answer.content.decode())


@pytest.mark.parametrize("path", ["/register", "/oauth/mcp/register"])
def test_a_client_that_registers_is_led_to_metadata_documents(path):
    answer = Client(enforce_csrf_checks=True).post(path, {"redirect_uris": [RETURN]}, content_type="application/json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    problem = answer.json()
    assert problem["error"] == "invalid_request" and "client ID metadata document" in problem["error_description"]
    assert "/.well-known/oauth-authorization-server/oauth/mcp" in problem["error_description"]
    assert problem["error_uri"].startswith("https://")


def test_checks_find_settings_that_are_less_strict(settings, monkeypatch):
    assert check_oauth(None) == []
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "PKCE_REQUIRED": False}
    [found] = check_oauth(None)
    assert (found.id, "PKCE_REQUIRED" in found.msg) == ("automate_api.E003", True)
    monkeypatch.delitem(apps.app_configs, "oauth2_provider")
    assert [each.id for each in check_oauth(None)] == ["automate_api.E002"]


def test_the_secret_of_a_connection_is_known_to_no_one(connect, owner):
    connect()
    token = ApiToken.objects.get()
    assert len(token.digest) == 64 and secrets.compare_digest(token.old_digest, "")


class Kept:
    """What the SDK's client keeps."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


def test_the_official_client_finds_its_way_from_the_url_alone(sign_in, owner, application, workflow, on_site, worker):
    workflow(NOTE)
    browser, shown = sign_in(owner), []

    def answer(url):
        """What the person does in a browser: open the page, and agree."""
        try:
            page = browser.get(url)
            assert page.status_code == 200, page.content[:500]
            asked_for = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
            posted = asked_for | {"scopes": asked_for["scope"].split(), "allow": "on"}
            shown.append(browser.post("/oauth/mcp/authorize/", posted).headers["Location"])
        finally:
            connection.close()

    async def use(site):
        async def open_page(url):
            await asyncio.to_thread(answer, url)

        async def come_back():
            found = parse_qs(urlsplit(shown[-1]).query)
            return AuthorizationCodeResult(code=found["code"][0], state=found["state"][0], iss=found["iss"][0])

        provider = OAuthClientProvider(
            "http://127.0.0.1:8000/mcp",
            OAuthClientMetadata(redirect_uris=[RETURN], client_name="Agent", token_endpoint_auth_method="none"),
            Kept(),
            open_page,
            come_back,
            client_metadata_url=CLIENT,
        )
        transport = httpx2.ASGITransport(site.application)
        url = "http://127.0.0.1:8000/mcp"
        async with (
            httpx2.AsyncClient(transport=transport, auth=provider, timeout=300) as http,
            McpClient(streamable_http_client(url, http_client=http), mode=MODERN) as client,
        ):
            return await client.call_tool("note", {})

    result = on_site(use)
    assert not result.is_error and result.structured_content["status"] == "succeeded"
    assert ApiToken.objects.get().client_id == CLIENT
