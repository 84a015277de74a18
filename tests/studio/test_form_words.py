"""Words on forms: required fields say so, in one word and on every kind of form, and a list of errors names each once."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from tests.support.pages import Page

pytestmark = pytest.mark.django_db

FORM = """
name: Refund
slug: refund
triggers:
  - kind: manual
    key: hand
    inputs: [{name: amount, kind: number, required: true}, {name: note}]
  - kind: form
    key: form
    slug: refunds
    inputs: [{name: amount, kind: number, required: true}, {name: note}]
steps: [{key: log, action: data.log, inputs: {message: Hello}}]
"""


def labels(client, url):
    """Labels with what is behind them."""
    html = client.get(url).content.decode()
    found = re.findall(r"<label\b[^>]*>(.*?)</label>", html, re.DOTALL)
    return {" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in found}


def test_forms_of_all_kinds_mark_required_fields_alike(workflow, sign_in, owner, admin, client):
    made, people = workflow(FORM), {"owner": sign_in(owner), "admin": sign_in(admin), "visitor": client}
    pages = {
        "manual start": ("owner", reverse("studio:workflow_start", args=[made.pk]), "Amount required", "Note"),
        "hosted form": ("visitor", "/forms/refunds/", "Amount required", "Note"),
        "new workflow": ("admin", reverse("studio:workflow_new"), "Name required", "File"),
        "connection": (
            "admin",
            reverse("admin:automate_connectors_connection_add") + "?connector=http",
            "Name required",
            "Base URL",
        ),
        "API token": ("admin", reverse("api_screens:token_new"), "Name required", None),
    }
    for name, (person, url, required, other) in pages.items():
        found = labels(people[person], url)
        assert required in found and (other is None or other in found), (name, found)
        assert not [each for each in found if "(required)" in each or "optional" in each.lower()], name


def test_a_choice_that_cannot_be_empty_has_no_mark(sign_in, admin):
    found = labels(sign_in(admin), reverse("studio:preferences"))
    assert "Language" in found


def test_a_list_of_errors_names_each_field_once(sign_in, admin):
    url = reverse("admin:automate_connectors_connection_add") + "?connector=http"
    given = {"connector": "http", "name": "", "slug": "shop", "config_base_url": "nowhere"}
    page = Page(sign_in(admin).post(url, given)).text
    listed = page.partition("Fix these fields:")[2]
    assert listed.strip().startswith("Name: ") or "Name is required" in listed
    assert not re.search(r"\b(\w[\w ]*): \1\b", listed.partition("Settings")[0]), listed[:300]


def test_a_warning_is_shown_as_one(sign_in, admin, owner, workflow):
    workflow(FORM)
    answer = sign_in(admin).get(reverse("admin:auth_user_delete", args=[owner.pk]), follow=True)
    page = Page(answer)
    assert "can be deactivated, but not deleted" in page.text
    assert [each["data-st"] for each in page.all(class_="da-note centered da-said")] == ["waiting"]
