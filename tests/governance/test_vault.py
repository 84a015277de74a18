"""Secrets from a Vault or OpenBao server, spoken to over real HTTP: see `vault_server.py`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import types

import pytest

from automate_governance import checks
from automate_governance.redaction.redactor import MASK, redactor
from automate_governance.secrets import vault_server
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretUnavailableError
from automate_governance.secrets.resolver import backends, resolve
from automate_governance.secrets.vault import VaultSecretsBackend
from automate_testing.contracts import SecretsBackendContractTest
from tests.governance.vault_server import VaultStandIn


@pytest.fixture
def vault():
    made = VaultStandIn()
    made.put("crm/api", token="a-token-out-of-the-vault", value="the-default-field", port=5432)
    made.roles["role"] = "a-secret-id-of-tests"
    yield made
    made.close()


@pytest.fixture
def use(vault, settings, monkeypatch):
    """Configure the backend anew, by token unless told otherwise."""

    def configure(**members):
        if "role_id" not in members:
            members.setdefault("token", vault.token())
        settings.AUTOMATE_VAULT = {"url": vault.url, **members}
        monkeypatch.setitem(backends._usable, "vault", VaultSecretsBackend())

    return configure


@pytest.fixture
def later(monkeypatch):
    """Let so many seconds pass for the backend, and for nobody else."""

    def pass_by(seconds):
        moved = types.SimpleNamespace(monotonic=lambda: time.monotonic() + seconds, sleep=time.sleep)
        monkeypatch.setattr(vault_server, "time", moved)

    return pass_by


def told(reference, error=SecretUnavailableError):
    with pytest.raises(error) as caught:
        resolve(reference)
    return str(caught.value)


def test_a_field_by_its_path(vault, use):
    use()
    assert resolve("vault:crm/api#token").reveal() == "a-token-out-of-the-vault"
    assert resolve("vault:crm/api").reveal() == "the-default-field"
    assert vault.reads == ["/v1/secret/data/crm/api"], "one read for both fields"
    [(_, _, headers)] = vault.requests
    assert headers["X-Vault-Request"] == "true" and headers["X-Vault-Token"].startswith("hvs.")
    assert redactor.text("a-token-out-of-the-vault") == MASK


def test_what_was_read_is_trusted_for_a_while(vault, use, later):
    use(cache_seconds=600)
    assert resolve("vault:crm/api#token").reveal() == "a-token-out-of-the-vault"
    vault.put("crm/api", token="rotated-in-the-vault")
    assert resolve("vault:crm/api#token").reveal() == "a-token-out-of-the-vault"
    later(601)
    assert resolve("vault:crm/api#token").reveal() == "rotated-in-the-vault"


def test_mount_and_namespace(vault, use):
    vault.put("x", mount="kv/team", namespace="org/unit", value="of-the-namespace")
    use(mount="kv/team", namespace="org/unit")
    assert resolve("vault:x").reveal() == "of-the-namespace"
    assert vault.requests[-1][2]["X-Vault-Namespace"] == "org/unit"


def test_approle_signs_in_once_and_again_when_its_token_ends(vault, use):
    use(role_id="role", secret_id="a-secret-id-of-tests", cache_seconds=0)
    for _ in range(3):
        resolve("vault:crm/api")
    assert [method for method, _, _ in vault.requests] == ["POST", "GET", "GET", "GET"]
    [token] = vault.tokens
    assert redactor.text(f"{token} a-secret-id-of-tests") == f"{MASK} {MASK}"
    vault.tokens.clear()  # revoked
    assert resolve("vault:crm/api").reveal() == "the-default-field"
    assert [method for method, _, _ in vault.requests[4:]] == ["GET", "POST", "GET"]


def test_a_token_that_soon_ends_is_replaced_before_it_is_used(vault, use, later):
    vault.token_seconds = 600
    use(role_id="role", secret_id="a-secret-id-of-tests", cache_seconds=0)
    resolve("vault:crm/api")
    later(599)
    resolve("vault:crm/api")
    assert [method for method, _, _ in vault.requests] == ["POST", "GET", "POST", "GET"]


def test_many_threads_sign_in_once(vault, use):
    use(role_id="role", secret_id="a-secret-id-of-tests")
    values = []
    threads = [threading.Thread(target=lambda: values.append(resolve("vault:crm/api").reveal())) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == ["the-default-field"] * 12
    assert [method for method, _, _ in vault.requests].count("POST") == 1


# --- what can be wrong ------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_named(vault, use):
    use()
    vault.deleted.add(("", "secret", "gone"))
    assert "no Vault secret 'secret/nope'" in told("vault:nope", SecretNotFoundError)
    assert "has no field 'pasword'. It has: port, token, value." in told("vault:crm/api#pasword", SecretNotFoundError)
    assert "is not text" in told("vault:crm/api#port", SecretNotFoundError)
    assert "'secret/gone' was deleted" in told("vault:gone", SecretNotFoundError)
    use(mount="kv")
    assert "no secrets engine at 'kv'" in told("vault:crm/api", SecretNotFoundError)


def test_denied(vault, use):
    vault.denied.add("secret/data/crm/api")
    use()
    assert "that a policy allows `read` on secret/data/crm/api" in told("vault:crm/api")
    use(token="hvs.of-another-server")
    assert "Check the token" in told("vault:crm/api")
    use(role_id="role", secret_id="wrong")
    said = told("vault:crm/api")
    assert "rejected the role at auth/approle: invalid role or secret ID" in said and "wrong" not in said
    use(role_id="role", secret_id="wrong", auth_mount="elsewhere")
    assert "auth/elsewhere" in told("vault:crm/api")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, b'{"errors": ["Vault is sealed"]}', {}), "Vault is sealed. Ask its administrator to unseal it."),
        ((501, b'{"errors": ["not initialized"]}', {}), "Vault is not initialised"),
        ((429, b'{"errors": ["request quota exceeded"]}', {}), "rejects further requests"),
        ((500, b'{"errors": ["internal error"]}', {}), "an error for 'secret/crm/api': internal error"),
        (
            (502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
            "an error for 'secret/crm/api': BadGateway",
        ),
        ((200, b'{"data": {"token": "kv version 1"}}', {}), "Check that 'secret' is a KV version 2 engine."),
        ((200, b"[]", {}), "Check that 'secret' is a KV version 2 engine."),
        ((200, b"not json", {}), "Check that 'secret' is a KV version 2 engine."),
        ((307, b"", {"Location": "http://169.254.169.254/latest"}), "Vault cannot be reached"),
        ((307, b"", {"Location": "https://elsewhere.example/v1/secret"}), "Vault cannot be reached"),
        ((200, b"x" * 2_000_000, {}), "Vault cannot be reached"),
    ],
)
def test_trouble_is_told_in_words(vault, use, answer, said):
    use()
    vault.answer = answer
    assert said in told("vault:crm/api")
    assert all(path.startswith("/v1/secret/") for path in vault.reads), "the token went nowhere else"
    vault.answer = None
    assert resolve("vault:crm/api").reveal() == "the-default-field", "trouble is not remembered"


def test_a_server_that_hangs_is_given_up(vault, use):
    use(timeout_seconds=0.3)
    vault.delay = 1.0
    assert "did not respond within 0." in told("vault:crm/api")


def test_a_server_that_is_away(vault, use):
    use()
    vault.close()
    assert "Vault cannot be reached" in told("vault:crm/api")


@pytest.mark.parametrize("key", ["../../sys/raw", "a/../b", "/x", "x/", "", "a//b", "a?list=true", "a%2e%2e/b", "./x"])
def test_a_path_stays_inside_its_mount(vault, use, key):
    use()
    told(f"vault:{key}#x", SecretNotFoundError)
    assert not vault.requests


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"url": "http://vault.example.com:8200", "token": "x"}, "unencrypted"),
        ({"url": "vault.example.com", "token": "x"}, "is not a URL"),
        ({"url": "https://vault.example.com:port", "token": "x"}, "is not a URL"),
        ({"url": "https://vault.example.com"}, "either a token, or a role_id"),
        ({"url": "https://vault.example.com", "token": "x", "role_id": "y"}, "either a token, or a role_id"),
        ({"url": "https://vault.example.com", "tokn": "x"}, "AUTOMATE_VAULT has no tokn"),
    ],
)
def test_settings_that_make_no_sense_are_an_error_at_start(settings, members, said):
    settings.AUTOMATE_VAULT = members
    [error] = checks.check_vault_settings(None)
    assert error.id == "automate_governance.E004" and said in error.msg


def test_without_a_server_the_reference_says_so(settings):
    settings.AUTOMATE_VAULT = {}
    assert "Set AUTOMATE_VAULT" in told("vault:crm/api", SecretNotFoundError)
    assert not checks.check_vault_settings(None)


def test_a_host_that_the_setting_names_may_be_spoken_to_in_clear(settings):
    settings.AUTOMATE_EGRESS_ALLOW = ["vault.internal:8200"]
    settings.AUTOMATE_VAULT = {"url": "http://vault.internal:8200", "token": "x"}
    assert not checks.check_vault_settings(None)


def test_nothing_is_looked_for_in_the_environment_or_the_home_folder(vault, use, monkeypatch, tmp_path):
    (tmp_path / ".vault-token").write_text("hvs.somebody-elses")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "hvs.somebody-elses")
    use(role_id="role", secret_id="a-secret-id-of-tests")
    resolve("vault:crm/api")
    assert "somebody-elses" not in json.dumps([headers for _, _, headers in vault.requests])


class TestVaultBackend(SecretsBackendContractTest):
    """The contract of every backend."""

    backend_cls = VaultSecretsBackend

    @pytest.fixture(autouse=True)
    def _server(self, vault, use):
        use()
        self.vault = vault

    def put(self, key, value):
        self.vault.put(key, value=value)

    @contextlib.contextmanager
    def unavailable(self):
        self.vault.close()
        yield
