"""The reference of the API: every operation, with a form, inside the admin."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from tests.support.api_operations import OPERATIONS
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

REFERENCE = reverse("api_screens:reference")


@pytest.mark.extended
def test_every_operation_is_on_the_page(sign_in, owner):
    page = Page(sign_in(owner).get(REFERENCE))
    assert page.status == 200
    shown = {attributes["id"] for attributes in page.all(**{"class": "da-operation"})}
    assert shown == OPERATIONS.keys()
    assert {"start_run-slug", "start_run-Idempotency-Key", "start_run-body"} <= page.ids.keys()
    assert "missing_scope" not in page.text


def test_a_body_begins_with_what_is_required(sign_in, owner):
    from automate_api.screens.reference import operation_groups

    groups = dict(operation_groups("/api/v1/"))
    [start] = [each for each in groups["Runs"] if each.id == "start_run"]
    assert (start.status, start.path) == ("202", "/api/v1/workflows/{slug}/runs")
    assert {member.name for member in start.body} == {"inputs", "trigger"}
    assert json.loads(start.example) == {"inputs": {"order": "4711"}, "trigger": ""}


def test_the_page_is_linked(sign_in, owner):
    assert REFERENCE in sign_in(owner).get(reverse("api_screens:token_list")).content.decode()
