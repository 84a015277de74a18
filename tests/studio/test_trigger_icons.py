"""Triggers on the pages of workflows: icons, links, and how often a workflow without one says so."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

TWO = """
name: Two
slug: two
triggers: [{kind: manual}, {kind: schedule, cron: '0 9 * * *'}]
steps: [{kind: stop, key: end}]
"""
NONE = "{name: None, slug: none, steps: [{kind: stop, key: end}]}"


def icons(page):
    return [attributes["data-icon"] for _, attributes in page.tags if "data-icon" in attributes]


def test_each_trigger_has_the_icon_of_its_kind(workflow, sign_in, owner):
    made = workflow(TWO)
    page = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[made.pk])))
    found = icons(page)
    assert "touch_app" in found and "schedule" in found


def test_the_panel_does_not_repeat_that_there_is_no_trigger(workflow, sign_in, owner):
    page = Builder(sign_in(owner), workflow(NONE, publish=False)).panel("~trigger")
    assert "No trigger yet" not in page.text, "the card and the list of problems below say it"


def test_the_url_of_a_form_is_a_link(workflow, sign_in, owner):
    made = workflow(TWO.replace("[{kind: manual}", "[{kind: form, slug: order-form, inputs: [{name: a}]}"))
    page = Page(sign_in(owner).get(reverse("admin:automate_core_workflow_change", args=[made.pk])))
    [link] = page.all(class_="da-link da-trigger-address")
    assert link["href"].endswith("/forms/order-form/")
