"""Plug-ins of strangers: the documentation's own example, and a distribution found by entry point."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.declared.loading import SERVICES
from automate_connectors.registry import connectors
from automate_governance.secrets.resolver import backends, resolve
from automate_plugins.registry import PluginNotFoundError, Registry
from automate_testing.contracts import Case, ConnectorContractTest, SecretsBackendContractTest
from tests.conftest import ROOT
from tests.support.plugins import PLUGIN_FOLDER

pytestmark = pytest.mark.skipif(
    not PLUGIN_FOLDER.exists(),
    reason="tests/plugins/acme is installed by `make test`; without it there is no stranger to meet",
)


class MyERPAdapter(ConnectorAdapter):
    code = "my_erp"
    name = "My ERP"

    def execute(self, action, params, context):
        return {"done": action}


class TestMyERP(ConnectorContractTest):
    """The example as it is printed in the documentation."""

    adapter_cls = MyERPAdapter

    def test_execute_success(self):
        # Your specific test logic
        pass


@pytest.fixture
def acme(monkeypatch):
    """The stranger's distribution on the path, and the registries looking again."""
    monkeypatch.syspath_prepend(str(PLUGIN_FOLDER))
    for registry in (connectors, backends):
        registry.refresh()
    yield
    monkeypatch.undo()
    for registry in (connectors, backends):
        registry.refresh()


@pytest.mark.extended
def test_a_strangers_plug_ins_are_found_by_entry_point(acme):
    assert "acme" in connectors.names() and "acmevault" in backends.names()
    [plugin] = [plugin for plugin in connectors.plugins if plugin.name == "acme"]
    assert (plugin.distribution, plugin.version) == ("acme-automate", "2.3")
    assert resolve("acmevault:anvil-token").reveal() == "acme-vault-token-9f2c"


@pytest.mark.extended
def test_a_plug_in_that_does_not_load_is_a_row_and_a_warning(acme):
    from django.core.checks import run_checks

    [broken] = [plugin for plugin in connectors.plugins if plugin.error]
    assert (broken.name, "No module named 'acme.nowhere'" in broken.error) == ("broken", True)
    [warning] = [check for check in run_checks() if check.id == "automate_connectors.W001"]
    assert "'broken' (acme.nowhere:Missing)" in warning.msg and "acme-automate" in warning.hint
    with pytest.raises(PluginNotFoundError, match="Installed: "):
        connectors.get("broken")


def test_the_installation_may_narrow_its_plug_ins(acme, settings):
    settings.AUTOMATE_CONNECTORS = ["data", "http"]
    connectors.refresh()
    assert connectors.names() == ["data", "http"]


@pytest.mark.extended
def test_it_is_found_by_a_process_of_its_own():
    """No test's path, no refresh: a fresh interpreter that has the distribution installed."""
    code = (
        "import django; django.setup();"
        "from automate_connectors.registry import connectors; from automate_governance.secrets.resolver import backends;"
        "print(*sorted(connectors.names()), *sorted(backends.names()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PLUGIN_FOLDER), "DJANGO_SETTINGS_MODULE": "automate_site.settings"}
    services = [path.parent.name for path in SERVICES.glob("*/connector.yaml")]
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [
        *sorted(
            [
                "acme",
                "data",
                "email",
                "github",
                "http",
                "imap",
                "llm",
                "models",
                "mysql",
                "rss",
                "s3",
                "sftp",
                "slack",
                "sql",
                *services,
            ]
        ),
        *("acmevault", "database", "env", "vault"),
    ], done.stderr


@pytest.mark.django_db(transaction=True)
def test_its_connector_and_its_vault_work_in_a_run(acme, workflow, deliver, drain, sink, owner):
    from automate_connectors.models import Connection
    from automate_core.models import ExecutionRun, StepRun

    connection = Connection(name="Acme", slug="acme", connector="acme", owner=owner)
    connection.config, connection.allowed_hosts = {"token": "acmevault:anvil-token"}, ["127.0.0.1"]
    connection.full_clean()
    connection.save()
    sink.answer = lambda number, path: (200, {}, {})
    workflow(f"""
name: Anvils
slug: anvils
triggers: [{{endpoint: github}}]
steps: [{{key: order, action: acme.order, connection: acme, inputs: {{url: '{sink.url}/orders', count: '{{{{ event.payload.number }}}}'}}}}]
""")
    deliver()
    drain()
    assert (ExecutionRun.objects.get().error, StepRun.objects.get().output) == (None, {"ordered": 7})
    assert sink.calls[0][2] == {"count": 7}


@pytest.mark.extended
class TestAcmeConnector(ConnectorContractTest):
    cases = (Case(action="order", params={"url": "https://acme.example/", "count": 1}, connection={"token": "x"}),)

    @pytest.fixture(autouse=True)
    def _adapter(self, acme):
        type(self).adapter_cls = type(connectors.get("acme"))


def test_its_entry_point_has_the_name_of_its_code(acme, monkeypatch):
    adapter = connectors.get("acme")
    suite = type("Suite", (ConnectorContractTest,), {"adapter_cls": type(adapter)})()
    suite.test_contract_code(adapter)
    monkeypatch.setattr(type(adapter), "code", "acmecrm")
    with pytest.raises(AssertionError, match="the entry point 'acme' has another name than the code 'acmecrm'"):
        suite.test_contract_code(adapter)


class TestAcmeVault(SecretsBackendContractTest):
    @pytest.fixture(autouse=True)
    def _backend(self, acme):
        type(self).backend_cls = type(backends.get("acmevault"))

    def put(self, key, value):
        from acme import vault

        vault.SAFE[key] = value


def test_two_plug_ins_of_one_name_are_told_apart(monkeypatch):
    from importlib.metadata import EntryPoint

    class Other(MyERPAdapter):
        pass

    entries = [
        EntryPoint("a", "tests.contracts.test_strangers:MyERPAdapter", "x"),
        EntryPoint("b", "builtins:dict", "x"),
    ]
    entries.append(EntryPoint("c", "tests.contracts.test_strangers:MyERPAdapter", "x"))
    monkeypatch.setattr("automate_plugins.registry.entry_points", lambda group: entries)
    registry = Registry("x", ConnectorAdapter, name_of=lambda entry, cls: cls.code)
    assert registry.names() == ["my_erp"]
    errors = {plugin.target: plugin.error for plugin in registry.plugins if plugin.error}
    assert "already uses this name" in errors["tests.contracts.test_strangers:MyERPAdapter"]
    assert "must be a subclass of ConnectorAdapter" in errors["builtins:dict"]
