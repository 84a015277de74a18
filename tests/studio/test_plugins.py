"""The plug-ins page: what is installed, for those who administer the site."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from automate_connectors.registry import connectors
from automate_governance.redaction.redactor import MASK
from automate_plugins.registry import Plugin
from tests.support.pages import Page

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(stranger):
    stranger.user_permissions.add(Permission.objects.get(codename="administer_site"))
    return stranger


@pytest.fixture
def installed(monkeypatch):
    """Registries that hold what a test says."""

    def put(registry, *plugins):
        monkeypatch.setitem(registry.__dict__, "installed", plugins)

    return put


BROKEN = Plugin(
    name="acme",
    target="acme.nowhere:Missing",
    distribution="acme-automate",
    version="2.3",
    error="ModuleNotFoundError: No module named 'acme.<b>nowhere</b>'",
)


def test_it_says_what_is_installed_and_where_from(sign_in, administrator):
    page = Page(sign_in(administrator).get(reverse("studio:plugin_list")))
    assert page.status == 200
    for shown in (
        "Data",
        "Django models",
        "Find rows",
        "References such as env:slack-token",
        "openai",
        "django-automate",
        version("django-automate"),
    ):
        assert shown in page.text
    assert [
        attributes["class"] for attributes in page.all(aria_current="page") if "current" in attributes.get("class", "")
    ]


def test_it_names_the_triggers_of_a_connector_and_finds_it_by_them(sign_in, administrator):
    page = Page(sign_in(administrator).get(reverse("studio:plugin_list"), {"q": "new item"}))
    assert "RSS" in page.text and "Triggers: New item" in page.text and "Xero" not in page.text


def test_what_did_not_load_comes_first_with_its_reason(sign_in, administrator, installed):
    installed(connectors, *connectors.plugins, BROKEN)
    client, url = sign_in(administrator), reverse("studio:plugin_list")
    answer = client.get(url)
    page = Page(answer)
    assert page.text.index("No module named 'acme.<b>nowhere</b>'") < page.text.index("Django models")
    assert "acme.nowhere:Missing" in page.text and "<b>nowhere" not in answer.content.decode()
    broken = Page(client.get(url, {"show": "broken"}))
    assert "acme-automate" in broken.text and "Django models" not in broken.text


def test_a_secret_in_a_load_error_is_not_shown(sign_in, administrator, installed):
    installed(connectors, dataclasses.replace(BROKEN, error="ValueError: bad https://me:hunter2@example.com/"))
    page = Page(sign_in(administrator).get(reverse("studio:plugin_list")))
    assert "hunter2" not in page.text and MASK in page.text


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ({"show": "secrets"}, "database", "Django models"),
        ({"show": "models"}, "openai", "Django models"),
        ({"q": "create ROW"}, "Django models", "openai"),
        ({"q": "django-automate", "show": "connectors"}, "Django models", "openai"),
        ({"q": "nothing like it"}, "No plug-ins match these filters", "Django models"),
        ({"show": "nonsense"}, "Django models", "No plug-ins"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_it_is_searched_and_filtered(sign_in, administrator, query, shown, hidden):
    page = Page(sign_in(administrator).get(reverse("studio:plugin_list"), query))
    assert shown in page.text and hidden not in page.text


def test_with_nothing_installed_it_says_how_to_begin(sign_in, administrator, installed):
    from automate_operations.plugin_list import KINDS

    for kind in KINDS:
        installed(kind.registry)
    page = Page(sign_in(administrator).get(reverse("studio:plugin_list")))
    assert "No plug-ins installed" in page.text and "manage.py automate_startplugin NAME" in page.text


def test_it_takes_the_permission_to_administer(sign_in, stranger, administrator, owner):
    url = reverse("studio:plugin_list")
    assert sign_in(owner).get(url).status_code == 403
    assert sign_in(administrator).get(url).status_code == 200
    assert sign_in(administrator).post(url).status_code == 405
    sidebar = Page(sign_in(administrator).get(url))
    assert url in {attributes.get("href") for _, attributes in sidebar.tags}
    others = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_changelist")))
    assert url not in {attributes.get("href") for _, attributes in others.tags}
