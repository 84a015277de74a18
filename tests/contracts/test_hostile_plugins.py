"""Plug-ins that exit, raise or take a built-in's name: rows and warnings, and everything else goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from automate_connectors.registry import connectors
from automate_governance.secrets.resolver import backends
from automate_llm.registry import providers
from automate_plugins.fields import FieldSpec
from automate_plugins.members import check_members
from tests.conftest import ROOT
from tests.support.pages import Page

REGISTRIES = (connectors, backends, providers)
MODULES = {
    "hostile_exit": "import sys\nsys.exit(3)\n",
    "hostile_raise": "class Away(BaseException):\n    pass\n\nraise Away('not today')\n",
    "hostile_text": "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError('no text')\n\nraise Mute\n",
    "hostile": """
import sys

from automate_connectors.adapters.base import ConnectorAdapter
from automate_governance.secrets.interfaces import SecretsBackend
from automate_llm.providers.base import LLMProvider


class Connector(ConnectorAdapter):
    code = "hostile"
    name = "Hostile"

    def execute(self, action, params, context):
        sys.exit("I am off")


class Made(Connector):
    def __init__(self):
        sys.exit(4)


class Nameless(ConnectorAdapter):
    code = "nameless"
    execute = Connector.execute


class Listed(Connector):
    code = "listed"
    actions = ("create",)


class Interrupted(Connector):
    def __init__(self):
        raise KeyboardInterrupt


class Spaced(Connector):
    code = "Bad Name"


class Http(Connector):
    code = "http"
    name = "Our own HTTP"


class Env(SecretsBackend):
    def get_secret(self, key):
        return key


class OpenAI(LLMProvider):
    def chat(self, messages, options):
        return ""

    def count_tokens(self, text):
        return len(text)


class Loud(OpenAI):
    def __init__(self):
        raise ValueError("no licence token=abc123def456ghi789")
""",
}
ENTRIES = """
[django_automate.connectors]
an_exit = hostile_exit:Connector
a_raise = hostile_raise:Connector
a_text = hostile_text:Connector
made = hostile:Made
nameless = hostile:Nameless
listed = hostile:Listed
works = hostile:Connector
our_http = hostile:Http
interrupted = hostile:Interrupted
spaced = hostile:Spaced

[django_automate.secrets.backends]
env = hostile:Env
col:on = hostile:Env
exit = hostile_exit:Backend

[django_automate.llm.providers]
openai = hostile:OpenAI
loud = hostile:Loud
"""
FAULTS = {
    "an_exit": "The plug-in tried to exit the process (SystemExit: 3).",
    "a_raise": "Away: not today",
    "a_text": "Mute",
    "interrupted": "The plug-in tried to exit the process (KeyboardInterrupt: ).",
    "made": "The plug-in tried to exit the process (SystemExit: 4).",
    "nameless": "TypeError: name must be text",
    "listed": "TypeError: actions must be a tuple of Action: item 1 is str ('create')",
    "exit": "The plug-in tried to exit the process (SystemExit: 3).",
    "loud": "ValueError: no licence token=***",
}
REPLACED = ("HttpConnector", "EnvSecretsBackend", "OpenAICompatibleProvider")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder of a distribution, on the path, and the registries looking again."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    metadata = tmp_path / "hostile-6.6.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 6.6\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    for registry in REGISTRIES:
        registry.refresh()
    yield tmp_path
    monkeypatch.undo()
    for name in MODULES:
        sys.modules.pop(name, None)
    for registry in REGISTRIES:
        registry.refresh()


@pytest.mark.extended
@pytest.mark.process
def test_no_command_is_stopped_and_check_names_each(installed):
    environment = {**os.environ, "PYTHONPATH": str(installed), "DJANGO_SETTINGS_MODULE": "automate_site.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name, fault in FAULTS.items():
        assert any(f"'{name}'" in line and fault in line for line in done.stderr.splitlines()), (name, done.stderr)
    for app, target in zip(("connectors", "governance", "llm"), REPLACED, strict=True):
        [line] = [line for line in done.stderr.splitlines() if f"automate_{app}.W002" in line]
        assert "replaces the built-in plug-in" in line and target in line
    for app, name in (("connectors", "Bad Name"), ("governance", "col:on")):
        [line] = [line for line in done.stderr.splitlines() if f"automate_{app}.W009" in line]
        assert f"'{name}' (hostile:" in line and "has an invalid name" in line


@pytest.mark.extended
@pytest.mark.django_db
def test_the_page_shows_the_faults_and_what_is_replaced(installed, sign_in, stranger):
    stranger.user_permissions.add(Permission.objects.get(codename="administer_site"))
    page = Page(sign_in(stranger).get(reverse("studio:plugin_list")))
    assert page.status == 200
    for shown in (*FAULTS.values(), *REPLACED, "Our own HTTP"):
        assert shown in page.text, shown
    assert page.text.count("Replaces a built-in plug-in") == 3
    assert connectors.get("http").name == "Our own HTTP" and "hostile" in connectors.names()


def test_an_action_that_exits_fails_its_step_alone(installed):
    from automate_connectors.adapters.base import ConnectorError
    from automate_connectors.invocation import invoke
    from automate_testing.fakes import context

    adapter = connectors.get("hostile")
    with pytest.raises(ConnectorError, match="I am off"):
        invoke(adapter, adapter.action("any"), {}, context())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            FieldSpec(name="token"),
            "config_fields must be a tuple of FieldSpec, not one FieldSpec: add a comma after it",
        ),
        ({"token": "text"}, "config_fields must be a tuple of FieldSpec, not dict"),
        ((FieldSpec(name="url"), {"name": "token"}), "item 2 is dict"),
        ((FieldSpec,), "item 1 is the class FieldSpec"),
        (
            (FieldSpec(name="count", kind="integer"),),
            "kind of 'count' must be a member of FieldKind such as FieldKind.INTEGER, not 'integer'",
        ),
        ((FieldSpec(name="url", required="yes"),), "required of 'url' must be a bool: True or False, not 'yes'"),
        (
            (FieldSpec(name="url", choices=("a", "b")),),
            "choices of 'url' must be a tuple of (text, text): item 1 is str ('a')",
        ),
        ((FieldSpec(name="url", choices=(1, 2)),), "must be a tuple of (text, text): item 1 is int"),
        ((FieldSpec(name="url", choices=(("a", "A"), ("b", 2))),), "(text, text): item 2: item 2 is int"),
        ((FieldSpec(name="url", choices=(("a",),)),), "(text, text): item 1 has 1 items, not 2"),
        ((FieldSpec(name="url", choices={"a": "A"}),), "must be a tuple of (text, text), not dict"),
        ((FieldSpec(name="url", columns=("x", "y")),), ": item 1 is str ('x')"),
        (
            (FieldSpec(name="url", columns=(FieldSpec(name="x", kind="list"),)),),
            "columns of 'url': kind of 'x' must be",
        ),
    ],
)
def test_an_invalid_description_is_named_with_its_item(fields, problem):
    with pytest.raises(TypeError) as caught:
        check_members("config_fields", fields, FieldSpec)
    assert problem in str(caught.value)
