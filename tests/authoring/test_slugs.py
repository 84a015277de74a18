"""Slugs that are proposed for names: one rule for workflows, webhooks and connections."""

from __future__ import annotations

import pytest
from django.utils import translation

from automate_authoring.slugs import slug_like
from automate_authoring.workflows import slug_of


@pytest.mark.parametrize(
    ("language", "slug"), [("de", "bestellliste-pruefen-gruesse"), ("en", "bestellliste-prufen-grusse")]
)
def test_umlauts_are_written_out_in_german(language, slug):
    with translation.override(language):
        assert slug_of("Bestellliste prüfen: Grüße") == slug


@pytest.mark.parametrize("name", ["Äpfel, Öl und Übung", "ÄPFEL ÖL UND ÜBUNG"])
def test_capitals_are_written_out_as_well(name):
    with translation.override("de"):
        assert slug_like(name).startswith("aepfel-oel-und-")


def test_a_slug_is_cut_without_a_dash_at_its_end():
    assert slug_like("a" * 9 + " b", most=10) == "a" * 9
    assert slug_like("--- ___") == ""
