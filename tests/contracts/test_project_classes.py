"""Plug-in classes of a project's own code, listed in AUTOMATE_PLUGINS: no package, no entry point."""

from __future__ import annotations

import importlib

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.urls import reverse

from automate_connectors.registry import connectors, find_action
from automate_governance.secrets.resolver import backends, resolve
from automate_llm.registry import providers
from automate_operations.plugin_list import KINDS, list_plugins, unplaced
from automate_plugins import project_classes
from automate_testing import run_workflow

OWN = """
from automate_connectors.adapters.base import Action, ConnectorAdapter
from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend
from automate_llm.providers.base import LLMProvider


class Sales(ConnectorAdapter):
    code, name = "sales", "Sales"
    actions = (Action(name="ship", label="Ship"),)

    def execute(self, action, params, context):
        return {"shipped": True}


class Safe(SecretsBackend):
    code = "safe"

    def get_secret(self, key):
        return f"a secret of the project: {key}"


class Model(LLMProvider):
    code, name = "own_model", "Own model"

    def chat(self, messages, options):
        return "An answer"

    def count_tokens(self, text):
        return 1


class NoCode(SecretsBackend):
    def get_secret(self, key):
        raise SecretNotFoundError(key)


class Http(Sales):
    code = "http"


class Nothing:
    pass
"""
BROKEN = [
    ("sales_app.missing.Class", "No module named"),
    ("sales_app.plugins.Absent", "Absent"),
    ("nothing", "must have the form module.Class"),
    ("sales_app.exits.Class", "tried to exit"),
    ("sales_app.plugins.Nothing", "inherits from none"),
]


@pytest.fixture
def plugins(settings, tmp_path, monkeypatch):
    """Lists paths in the setting, and lets the registries look again."""
    package = tmp_path / "sales_app"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "plugins.py").write_text(OWN)
    (package / "exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))

    def look_again(*paths):
        settings.AUTOMATE_PLUGINS = list(paths)
        project_classes._import.cache_clear()
        for kind in KINDS:
            kind.registry.refresh()

    yield look_again
    look_again()


def warnings():
    return {each.id: each for each in run_checks(tags=["automate"]) if "sales_app" in each.msg or "nothing" in each.msg}


def test_each_class_is_a_plug_in_of_its_kind(plugins, settings):
    settings.AUTOMATE_CONNECTORS = ["data"]  # limits what is installed, not what the settings list
    plugins(*(f"sales_app.plugins.{name}" for name in ("Sales", "Safe", "Model")))
    assert find_action("sales.ship")[1].label == "Ship"
    assert resolve("safe:a-key").reveal() == "a secret of the project: a-key"
    assert "own_model" in providers.names() and connectors.names() == ["data", "sales"]
    assert warnings() == {} and not [each for each in list_plugins() if "error" in each]


def test_a_step_uses_it(plugins, owner):
    plugins("sales_app.plugins.Sales")
    text = "{name: A, slug: a, triggers: [{kind: manual}], steps: [{key: one, action: sales.ship}]}"
    result = run_workflow(text, run_as=owner, real=["one"])
    assert result.steps["one"].output == {"shipped": True}


@pytest.mark.parametrize(("path", "reason"), BROKEN)
def test_a_path_that_does_not_load_is_a_warning_and_a_row(path, reason, plugins, admin, sign_in):
    plugins(path)
    warning = warnings()["automate_core.W004"]
    assert reason in warning.msg and path.rpartition(".")[2] in warning.msg and "AUTOMATE_PLUGINS" in warning.hint
    page = sign_in(admin).get(reverse("studio:plugin_list"), {"show": "broken"}).content.decode()
    assert reason in page and path in page
    assert [each.name for each in unplaced.plugins] == [path]


LEAKS = """
import os
from django.conf import settings
raise RuntimeError(" ".join([
    "refused", settings.SECRET_KEY, settings.AUTOMATE_SECRETS_KEYS[0], settings.ERP["LOGIN"]["password"],
    os.environ["ERP_API_TOKEN"], os.environ["ERP_URL"], repr(settings.SECRET_KEY_FALLBACKS),
    "VAULT_TOKEN=hvs.from-elsewhere", "mode=" + os.environ["ERP_KEY"],
]))
"""
LEAKED = ["a-fallback-key-1x", "Erp-pass-77x", "erp-token-of-the-environment", "url-pass-8F3a", "hvs.from-elsewhere"]


def test_an_error_shows_no_secret_of_the_site(plugins, settings, monkeypatch, tmp_path, admin, sign_in, capsys):
    settings.SECRET_KEY_FALLBACKS = [LEAKED[0]]
    settings.ERP = {"LOGIN": {"password": LEAKED[1]}}
    monkeypatch.setenv("ERP_API_TOKEN", LEAKED[2])
    monkeypatch.setenv("ERP_URL", f"https://shop:{LEAKED[3]}@erp.example")
    monkeypatch.setenv("ERP_KEY", "invoices")  # an ordinary word
    (tmp_path / "sales_app_leaks.py").write_text(LEAKS)
    importlib.invalidate_caches()
    plugins("sales_app_leaks.Class")
    call_command("automate_plugins")
    client = sign_in(admin)
    shown = [
        warnings()["automate_core.W004"].msg,
        client.get(reverse("studio:plugin_list"), {"show": "broken"}).content.decode(),
        capsys.readouterr().out,
    ]
    for text in shown:
        assert "refused ***" in text and "mode=invoices" in text
        for secret in (settings.SECRET_KEY, settings.AUTOMATE_SECRETS_KEYS[0], *LEAKED):
            assert secret not in text


def test_a_class_without_a_code_is_broken_in_its_kind(plugins):
    plugins("sales_app.plugins.NoCode")
    [broken] = [each for each in backends.plugins if each.error]
    assert "code must be text" in broken.error
    assert "code must be text" in warnings()["automate_governance.W001"].msg


def test_one_that_replaces_a_built_in_is_reported(plugins):
    plugins("sales_app.plugins.Http")
    assert "sales_app.plugins:Http" in warnings()["automate_connectors.W002"].msg
