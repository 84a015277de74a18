"""German screens have one word for a thing, and neutral words for people."""

from __future__ import annotations

import io
import re

import pytest
from babel.messages.pofile import read_po
from django.urls import reverse
from django.utils import translation

from automate_core.models import Event
from automate_governance.models import Preferences
from scripts import messages
from tests.conftest import ROOT, make_person
from tests.support.pages import Page, tidy

#: Words that are ruled out, and the one to use instead.
RULED_OUT = {
    r"Genehmigern?s?": "genehmigende Person",
    r"(?:[Ee]in|[Ee]inen|[Ee]inem|[Dd]er|[Dd]en|Ihren) (?:\w+-)?Administrator": "die Administration",
    r"Administratoren": "die Administration",
    r"[Ee]ine?n? Entwickler": "in which setting or file",
    r"[Ee]ine?n? Betreiber": "die Berechtigung „Steuern“",
    r"[Bb]etreiben": "steuern",
    r"Mitarbeiter-?[Ss]tatus": "Team-Status",
    r"für Sie freizugeben|ist für Workflows freigegeben|Datei freigeben": "teilen",
    r"als diese Person": "im Namen dieser Person",
}
_FOUND = re.compile("|".join(rf"\b(?:{word})\b" for word in RULED_OUT))


def test_german_texts_keep_to_the_terms():
    said = [
        (path.parts[-5], text)
        for app, domain in messages.catalogues()
        for path in [messages.catalogue_path(app, "de", domain)]
        for message in read_po(io.BytesIO(path.read_bytes()), locale="de")
        if message.id
        for text in ([message.string] if isinstance(message.string, str) else message.string)
    ]
    said += [
        (page.name, re.sub(r"\s+", " ", page.read_text(encoding="utf-8")))
        for page in (ROOT / "apps/automate_studio/help/translations/de").glob("*.md")
        if page.name != "index.md"  # it names the job of running a site
    ]
    found = sorted(f"{place}: {hit.group()} in {text[:80]}" for place, text in said for hit in _FOUND.finditer(text))
    assert not found, "\n".join(found)


@pytest.fixture
def read(sign_in):
    """The words of a page as a person reads them in German."""

    def read_page(url, person):
        Preferences.objects.update_or_create(person=person, defaults={"language": "de"})
        response = sign_in(person).get(url)
        page = Page(response)
        page.html = tidy(response.content.decode())
        return page

    yield read_page
    translation.activate("en")


@pytest.mark.django_db(transaction=True)
def test_lists_decline_and_count_their_words(workflow, deliver, drain, owner, read):
    workflow("{name: Order, slug: order, triggers: [{endpoint: github}], steps: [{kind: stop, key: end}]}")
    deliver()
    drain()
    listed = read(reverse("admin:automate_core_workflow_changelist"), owner)
    strips = [each["title"] for each in listed.all(class_="da-tracker")]
    assert len(strips) == 1 and strips[0].startswith("Letzte Ausführung: ")
    Event.objects.update(type="")  # as of a sender that states none
    assert '<span class="clipped">keiner</span>' in read(reverse("admin:automate_core_event_changelist"), owner).html


@pytest.mark.django_db
def test_handing_over_says_whose_work(admin, read):
    leaver = make_person("leaver", "Builders")
    assert "Arbeit von leaver übergeben" in read(reverse("studio:hand_over", args=[leaver.pk]), admin).text
