"""Sign-ins without a person: by a signed assertion, a certificate, an installation of a GitHub App."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.urls import reverse

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.models import Connection, OAuthToken
from automate_connectors.oauth.assertions import read_signing_key
from automate_connectors.oauth.setup import parse_oauth_setup
from automate_connectors.oauth.tokens import get_access_token
from automate_governance.models import StoredSecret
from tests.connections.provider import CLIENT_ID
from tests.support.connections import CONNECTION_ADD, form_errors, press_test

pytestmark = pytest.mark.django_db(transaction=True)

CERTIFICATE_DAYS = 5


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def certificate_of(key):
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "automate")]), dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    return made.not_valid_after(now + dt.timedelta(days=CERTIFICATE_DAYS)).sign(key, hashes.SHA256())


def google_file(key, **more):
    return json.dumps(
        {
            "type": "service_account", "private_key": pem_of(key), "private_key_id": "key-7",
            "client_email": "robot@project.iam.example", "token_uri": "http://evil.example/token", **more,
        }
    )  # fmt: skip


@pytest.fixture
def app(tmp_path, settings, provider, owner, client_secret, key):
    """A connection of the local provider without a person, by a row with these lines."""
    provider.key = key.public_key()

    def make(grant, credential, lines="", url="/token", **oauth):
        secret = StoredSecret(name="key", owner=owner)
        secret.put(credential)
        secret.save()
        path = tmp_path / "providers.toml"
        path.write_text(
            f'[local]\nname = "Local"\npage = "https://docs.example.com"\ntoken_url = "{provider.url}{url}"\n'
            f'grants = ["{grant}"]\nhosts = ["127.0.0.1"]\n{lines}'
        )
        settings.AUTOMATE_OAUTH_PROVIDERS = str(path)
        document = {"provider": "local", "grant": grant, "client_id": CLIENT_ID, "private_key": "database:key", **oauth}
        connection = Connection(
            name="The API", slug="api", connector="http", owner=owner,
            config={"base_url": provider.url, "auth": "oauth2"},
            oauth={name: value for name, value in document.items() if value},
        )  # fmt: skip
        connection.full_clean()
        connection.save()
        return connection

    return make


def test_a_service_account_acts_as_a_person(app, provider, key):
    lines = "jwt = { key_file = true }\n"
    connection = app("jwt_bearer", google_file(key), lines, client_id="", subject="ada@example.com", scopes="a b")
    assert get_access_token(connection) in provider.access
    claims = provider.claims[-1]
    assert {name: claims[name] for name in ("iss", "sub", "scope", "aud")} == {
        "iss": "robot@project.iam.example", "sub": "ada@example.com", "scope": "a b", "aud": f"{provider.url}/token",
    }  # fmt: skip
    assert provider.headers[-1] == {"alg": "RS256", "typ": "JWT", "kid": "key-7"}
    assert provider.forms[-1].keys() == {"grant_type", "assertion"}
    assert OAuthToken.objects.get().refresh is None


def test_a_key_that_lost_its_line_breaks_signs_as_well(app, provider, key):
    connection = app(
        "jwt_bearer", pem_of(key).replace("\n", ""), 'jwt = { scopes = "none", audience = "https://a.example" }\n'
    )
    assert get_access_token(connection) in provider.access
    assert (provider.claims[-1]["iss"], provider.claims[-1]["aud"]) == (CLIENT_ID, "https://a.example")


def test_an_application_signs_in_with_a_certificate(app, provider, key):
    certificate = certificate_of(key)
    both = pem_of(key) + certificate.public_bytes(Encoding.PEM).decode()
    connection = app("client_certificate", both, 'jwt = { algorithm = "PS256" }\napp_scopes = "all"\n')
    assert get_access_token(connection) in provider.access
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    header, form = provider.headers[-1], provider.forms[-1]
    assert header["alg"] == "PS256" and base64.urlsafe_b64encode(thumbprint).decode().startswith(header["x5t#S256"])
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "all") and "client_secret" not in form
    assert OAuthToken.objects.get().credential_ends_at == certificate.not_valid_after_utc


def test_an_installation_of_a_github_app_signs_in(app, provider, key):
    lines = (
        'token_path = "token"\nerrors = { http_401 = "invalid_client" }\n[local.parameters.installation_id]\n'
        'label = "Installation ID"\nkind = "segment"\nexample = "1"\n'
    )
    url = "/app/installations/{installation_id}/access_tokens"
    connection = app("github_app", pem_of(key), lines, url, parameters={"installation_id": "77"})
    assert get_access_token(connection) in provider.access
    assert provider.paths == ["/app/installations/77/access_tokens"] and provider.claims[-1]["iss"] == CLIENT_ID
    token = OAuthToken.objects.get()
    assert abs((token.expires_at - token.renewed_at).total_seconds() - provider.lifetime) < 60
    OAuthToken.objects.update(expires_at=token.renewed_at)
    provider.key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    with pytest.raises(
        ConnectorError, match=r"Local rejected the sign-in \(http_401\). The provider does not know"
    ) as caught:
        get_access_token(connection)
    assert caught.value.code == "needs_reconnect" and "could not be decoded" not in caught.value.message


@pytest.mark.parametrize("ahead", [7200.0, -7200.0], ids=["ahead", "behind"])
def test_another_clock_is_no_reason_to_fail(app, provider, key, ahead):
    provider.ahead = ahead
    assert get_access_token(app("jwt_bearer", pem_of(key))) in provider.access
    assert len(provider.asked) == 2
    token = OAuthToken.objects.get()
    assert abs((token.expires_at - token.renewed_at).total_seconds() - provider.lifetime) < 60


def test_a_refused_assertion_says_what_to_check(app, provider, key):
    connection = app("jwt_bearer", pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    with pytest.raises(ConnectorError, match="does not accept the signed assertion") as caught:
        get_access_token(connection)
    assert len(provider.asked) == 1 and "över" not in caught.value.message
    assert caught.value.details == {"error": "invalid_grant", "description": 'It is "över": ask again'}


def test_a_credential_that_cannot_sign_is_never_repeated(key):
    other = certificate_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    wrong = {
        "": "cannot be read", "canary-of-a-key": "cannot be read", "{canary": "not valid JSON", "[]": "cannot be read",
        '{"client_email": "canary"}': "has no private key", '{"private_key": "canary"}': "cannot be read",
        pem_of(key, BestAvailableEncryption(b"pw")): "has a passphrase",
        pem_of(ec.generate_private_key(ec.SECP256R1())): "must be an RSA key",
        pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)): "of 2048 bits",  # noqa: S505
        pem_of(key) + other.public_bytes(Encoding.PEM).decode(): "does not belong to the private key",
    }  # fmt: skip
    missed = {}
    for credential, said in wrong.items():
        with pytest.raises(ConnectorError) as caught:
            read_signing_key(credential)
        if said not in caught.value.message or "canary" in caught.value.message:
            missed[credential[:40]] = caught.value.message
        assert caught.value.code == "invalid_credential"
    assert missed == {}


def test_microsofts_own_row_needs_the_tenant_of_an_application():
    document = {"provider": "microsoft", "client_id": "a", "client_secret": "env:A", "private_key": "env:B"}
    person = parse_oauth_setup({**document, "grant": "authorization_code"})
    assert "/common/oauth2/v2.0/authorize" in person.authorize_endpoint and not list(person.problems())
    for grant in ("client_credentials", "client_certificate"):
        missing = parse_oauth_setup({**document, "grant": grant})
        assert [field for field, _ in missing.problems()] == ["oauth_parameter_microsoft_tenant"]
        app = parse_oauth_setup({**document, "grant": grant, "parameters": {"tenant": "contoso.onmicrosoft.com"}})
        assert app.audience == "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token"
        assert app.scope == "https://graph.microsoft.com/.default" and not list(app.problems())


def test_the_form_asks_for_what_the_grant_needs(sign_in, owner, key):
    page = sign_in(owner).get(reverse(CONNECTION_ADD), {"connector": "http"}).content.decode()
    assert 'data-when="oauth_provider=microsoft"' in page and 'name="oauth_parameter_shopify_shop"' in page
    given = {
        "name": "Google", "slug": "google", "connector": "http", "config_base_url": "https://www.googleapis.com",
        "config_auth": "oauth2", "oauth_provider": "google", "oauth_grant": "jwt_bearer", "oauth_subject": "ada@example.com",
        "oauth_private_key_value": google_file(key), "oauth_client_secret_value": "left-over-canary",
        "oauth_secret_expires": "2030-01-01", "oauth_parameter_shopify_shop": "left-over",
    }  # fmt: skip
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), given)
    assert answer.status_code == 302, form_errors(answer)
    connection = Connection.objects.get()
    assert connection.oauth == {
        "provider": "google", "grant": "jwt_bearer", "subject": "ada@example.com", "private_key": "database:google-private-key",
    }  # fmt: skip
    assert connection.secrets_in_use() == ["database:google-private-key"]
    assert StoredSecret.objects.get().reveal() == google_file(key)
    answer = sign_in(owner).post(reverse(CONNECTION_ADD), {**given, "slug": "other", "oauth_private_key_value": ""})
    assert form_errors(answer).keys() == {"oauth_private_key"}


def test_a_connection_test_makes_one_real_request(app, provider, sign_in, owner, key):
    connection = app("jwt_bearer", pem_of(key))
    assert b"Test passed" in press_test(sign_in(owner), connection).content
    assert len(provider.asked) == 1 and len(provider.api_calls) == 1
