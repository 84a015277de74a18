"""Cards of steps and shipped templates: names in the reader's language, and whole texts for mouse users."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import translation

from automate_authoring.library import files
from automate_core.definition import step_names
from automate_core.definition.slots import walk
from automate_governance.models import Preferences
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

LONG = "Rejected because the order is larger than the limit that finance has set for new customers in this country"
WORKFLOW = f"""
name: Flow
slug: flow
steps:
  - {{kind: approval, key: ask, name: Ask, timeout: 2d, groups: [Operators], outcomes: [{{key: go, name: Go}}]}}
  - {{key: find, name: Find, action: models.find, inputs: {{model: auth.User}}}}
  - {{kind: stop, key: end, name: End, message: {LONG}}}
"""


def test_every_step_of_a_shipped_template_has_a_name_that_is_translated():
    with translation.override("de"):
        shown = files.installed_templates()
    steps = [(name, step) for name, template in shown.items() for _, step in walk(template.definition.steps)]
    assert [(name, step.key) for name, step in steps if not step.name] == []
    english = {step_names.title_of_key(step.key) for _, step in steps}
    assert "Ohne Entscheidung beenden" in {step.name for _, step in steps}
    assert "Ended by finance" in english, "the keys stay"


def test_a_truncated_line_of_a_card_has_its_whole_text_as_a_title(workflow, sign_in, owner):
    made = workflow(WORKFLOW, publish=False)
    page = Page(sign_in(owner).get(reverse("studio:builder", args=[made.pk])))
    assert LONG not in page.text and [a.get("title") for a in page.all(class_="da-say")][-1] == LONG
    assert "2 · Django models: Find rows" in {a.get("title") for a in page.all(class_="clipped")}


def test_a_card_names_a_shipped_group_in_german(workflow, sign_in, owner):
    assert Group.objects.filter(name="Operators").exists()
    Preferences.objects.create(person=owner, language="de")
    page = Page(sign_in(owner).get(reverse("studio:builder", args=[workflow(WORKFLOW, publish=False).pk])))
    translation.activate("en")
    assert "durch Betreiber" in " ".join(page.text.split())


def test_templates_are_sorted_as_german_dictionaries_sort():
    with translation.override("de"):
        names = [template.name for template in files.installed_templates().values()]
    plain = [name.casefold().translate(str.maketrans("äöü", "aou")) for name in names]
    assert plain == sorted(plain)


def test_keys_have_their_german_names(workflow, sign_in, owner):
    Preferences.objects.create(person=owner, language="de")
    made = workflow(WORKFLOW, publish=False)
    text = sign_in(owner).get(reverse("studio:builder", args=[made.pk])).content.decode()
    translation.activate("en")
    assert "<kbd>Entf</kbd>" in text and "<kbd>Strg</kbd>" in text and "<kbd>Ctrl</kbd>" not in text
