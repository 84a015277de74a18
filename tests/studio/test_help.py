"""Help: the documentation inside the product."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from automate_studio import quick_search
from automate_studio.help import pages, readers
from automate_ui.navigation import registry
from tests.conftest import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client, owner):
    client.force_login(owner)
    return client


def test_every_page_of_the_documentation_is_in_the_order():
    listed = {page.name for section in pages.sections() for page in section.pages}
    assert listed == {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").rglob("*.md")}


TRANSLATIONS = [
    str(path.relative_to(pages.TRANSLATIONS).with_suffix("")).split("/", 1)
    for path in sorted(pages.TRANSLATIONS.rglob("*.md"))
]


def outline(name, language):
    """The levels and anchors of the headings, the links, and the numbers of code blocks and of rows."""
    html = pages.render(name, language).html
    return (
        re.findall(r'<(h\d) id="([^"]*)"', html),
        sorted(re.findall(r'<a href="([^"]*)"', html)),
        html.count("<pre"),
        html.count("<tr>"),
    )


@pytest.mark.parametrize(("language", "name"), TRANSLATIONS)
def test_a_translation_has_the_outline_of_the_english_page_as_it_is_now(language, name):
    assert outline(name, language) == outline(name, "en")
    assert pages.render(name, language).is_current, f"translate what changed, and begin with {pages.digest(name)}"


def test_a_page_without_a_translation_says_so(reader):
    index, backup = (reverse("studio:help_page", args=[name]) for name in ("index", "backup"))
    assert "only." not in reader.get(backup).text
    german = {"headers": {"accept-language": "de"}}
    untranslated, translated = reader.get(backup, **german).text, reader.get(index, **german).text
    assert 'role="note"' in untranslated and 'translate="no" lang="en">' in untranslated
    assert 'role="note"' not in translated and 'translate="no" lang="de">' in translated
    assert "Abfrage, einem Formular" in reader.get(index, {"q": "Abfrage"}, **german).text


@pytest.mark.extended
def test_every_page_is_shown_and_its_links_lead_to_pages_and_headings(reader):
    broken = []
    anchors = {name: set(re.findall(r'id="([^"]+)"', pages.render(name).html)) for name in pages.pages()}
    for name in pages.pages():
        address = reverse("studio:help_page", args=[name])
        answer = reader.get(address)
        assert answer.status_code == 200, name
        for link in re.findall(r'<a href="([^"]+)"', pages.render(name).html):
            if re.match(r"https?:", link):
                continue
            path, _hash, anchor = link.partition("#")
            target = name if not path else _resolve(name, path)
            if target not in anchors or (anchor and anchor not in anchors[target]):
                broken.append(f"{name}: {link}")
    assert not broken


def _resolve(name, path):
    from posixpath import normpath

    return normpath(f"{name}/{path}").strip("/")


def test_search_finds_headings_first_and_says_so_when_nothing_fits(reader):
    address = reverse("studio:help_page", args=["index"])
    answer = reader.get(address, {"q": "trusted proxy"})
    assert "proxy" in answer.text.lower()
    first = pages.search("webhook")[0]
    assert "webhook" in f"{first.page.title} {first.heading}".lower()
    assert "No page contains all of these words" in reader.get(address, {"q": "xyzzy plugh"}).text


def test_the_help_begins_with_the_sections_of_the_readers_roles(sign_in, owner, admin):
    assert [section.name for section in readers.sections_for(owner, "en")][:2] == ["Start", "Build workflows"]
    names = [page.name for page in readers.sections_for(owner, "en")[1].pages]
    assert names == sorted(names, key=lambda name: name.startswith("connectors/")), "connectors come last"
    found = [hit.page.name for hit in readers.search(owner, "run", "en")]
    kinds = [name in technical("Operate", "Develop", "Decisions") for name in found]
    assert kinds == sorted(kinds) and not kinds[0]


def technical(*sections):
    return {page.name for section in pages.sections() if section.name in sections for page in section.pages}


@pytest.mark.parametrize(
    ("typed", "title", "anchor"),
    [("AUTOMATE_EGRESS_ALLOW", "AUTOMATE_EGRESS_ALLOW", "settings/"), ("egress allow", "AUTOMATE_EGRESS_ALLOW", "#"),
     ("hosted form", "form", "forms/")],
)  # fmt: skip
def test_the_command_palette_finds_headings_and_settings(rf, owner, typed, title, anchor):
    request = rf.get("/")
    request.user = owner
    found = [each for each in quick_search.search(request, typed) if "/help/" in each.link]
    assert found and title in found[0].title and anchor in found[0].link, [(each.title, each.link) for each in found]


def test_found_headings_have_anchors_that_exist():
    for hit in pages.search("the"):
        assert not hit.anchor or f'id="{hit.anchor}"' in pages.render(hit.page.name).html, hit


def test_the_sidebar_leads_to_the_page_about_the_screen(reader):
    secrets = reader.get(reverse("admin:automate_governance_storedsecret_changelist")).text
    assert reverse("studio:help_page", args=["secrets"]) in secrets
    assert reader.get(reverse("studio:help")).url == "index/"


@pytest.mark.parametrize(
    ("view", "page"),
    [
        ("admin:index", "operating"),
        ("studio:versions", "drafts"),
        ("studio:review", "drafts"),
        ("admin:automate_core_event_changelist", "operating"),
        ("studio:event_rejected", "webhooks"),
    ],
)
def test_the_help_of_a_screen_is_the_page_that_explains_it(view, page):
    assert registry.help_topic(view) == page


@pytest.mark.parametrize("name", ["nothing", "../README", "connectors/../../README"])
def test_other_files_are_not_served(reader, name):
    assert reader.get(f"/admin/automate/help/{name}/").status_code == 404


@pytest.mark.parametrize(("name", "status"), [("images/run.png", 200), ("audit.md", 404), ("../static/x.png", 404)])
def test_only_images_of_the_documentation_are_served(reader, name, status):
    assert reader.get(f"/admin/automate/help/images/{name}").status_code == status


def test_wide_code_and_tables_scroll_by_keys(sign_in, owner):
    text = sign_in(owner).get(reverse("studio:help_page", args=["secrets"])).content.decode()
    assert "<table" in text and "<table>" not in text and "<pre>" not in text
