"""Pages, commands and help that another app registers: the sidebar, the palette, the user menu and breadcrumbs show
them as the studio's own."""

from __future__ import annotations

import re

import pytest
from django.test import RequestFactory
from django.urls import resolve, reverse
from django.utils import translation
from django.utils.translation import gettext_lazy

from automate_governance.permissions import SITE, can
from automate_studio import navigation
from automate_ui.navigation import registry
from automate_ui.navigation.registry import Link, Page, Section

pytestmark = pytest.mark.django_db

SEARCH, HELP = reverse("admin:search"), reverse("studio:help")


def administers(user):
    return can(user, "administer", SITE)


@pytest.fixture(autouse=True)
def other_app(monkeypatch):
    """What an app registers: a page for administrators between two of the studio's, and one without a URL."""
    for name in ("_pages", "_commands", "_account_links", "_help_topics"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    shared = {"section": Section.CONNECT, "icon": "api", "may_open": administers}
    registry.register(
        pages=[
            Page(title=gettext_lazy("Secrets"), view="studio:help", position=25, badge=lambda user: "7", **shared),
            Page(title="Nowhere", view="elsewhere:none", position=26, **shared),
        ],
        commands=[Link(title="Rotate everything", view="studio:help", icon="key", may_open=administers)],
        account_links=[Link(title="My keys", view="studio:help", icon="key", may_open=lambda user: True)],
        help_topics={"studio:preferences": "secrets", "studio:pre": "audit"},
    )


def connect_section(user):
    request = RequestFactory().get("/")
    request.user, request.resolver_match = user, resolve(reverse("studio:preferences"))
    return {str(group.get("title")): group["items"] for group in navigation.sidebar(request)}


def test_registered_page_stands_at_its_position(admin):
    items = connect_section(admin)["Connect"]
    assert [item["title"] for item in items][:4] == ["Connections", "Secrets", "Secrets", "Webhooks"]
    page = {"title": "Secrets", "icon": "api", "link": HELP, "badge": "7"}
    assert page.items() <= items[2].items()
    with translation.override("de"):
        assert connect_section(admin)["Anbindung"][2]["title"] == "Geheimnisse"


def test_page_is_only_shown_to_those_who_may_open_it(owner):
    assert HELP not in [item["link"] for item in connect_section(owner)["Connect"]]


def test_longest_beginning_decides_the_help_topic(admin):
    [about] = connect_section(admin)["None"]
    assert about["link"] == reverse("studio:help_page", args=["secrets"])


def test_command_and_account_link(sign_in, admin, owner):
    found = sign_in(admin).get(SEARCH, {"s": "rotate"}).content.decode()
    assert re.search(rf'href="{HELP}"\s+data-title="Rotate everything"', found)
    client = sign_in(owner)
    assert "Rotate everything" not in client.get(SEARCH, {"s": "rotate"}).content.decode()
    assert "My keys" in client.get(reverse("studio:preferences")).content.decode()


def test_breadcrumbs_of_a_registered_page():
    assert navigation.section_of(HELP) == ("Connect", "Secrets")
    assert navigation.section_of("/nowhere/") == ("", "")
