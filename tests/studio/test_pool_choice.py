"""Pools are chosen in the settings of steps, workflows and connections, where the site declares any."""

from __future__ import annotations

import itertools

import pytest
from django.urls import reverse

from automate_authoring.definitions import yaml_files
from automate_authoring.workflows import load_definition
from automate_connectors.models import Connection
from tests.support.builder import Builder
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

POOLS = {"gpu": {"executor": "threads"}, "far": {"executor": "threads"}}
FLOW = """
name: Flow
slug: flow
steps:
  - {key: first, action: http.request, inputs: {method: POST, url: 'https://example.com/'}}
"""


@pytest.fixture
def builder(workflow, sign_in, owner):
    return Builder(sign_in(owner), workflow(FLOW, publish=False))


def options(page):
    start = next(at for at, (_tag, found) in enumerate(page.tags) if found.get("id") == "field-runs_on")
    return [
        found["value"] for _tag, found in itertools.takewhile(lambda each: each[0] == "option", page.tags[start + 1 :])
    ]


@pytest.mark.parametrize("panel", ["first", "~workflow"])
def test_no_pool_is_asked_for_where_none_is_declared(builder, panel):
    assert "field-runs_on" not in builder.panel(panel).ids


@pytest.mark.extended
@pytest.mark.parametrize("panel", ["first", "~workflow"])
def test_pool_is_chosen_undone_and_kept_in_yaml(builder, panel, settings):
    settings.AUTOMATE_POOLS = POOLS
    assert options(builder.panel(panel)) == ["", "default", "far", "gpu"]
    assert builder.save(panel, runs_on="gpu").status_code == 200
    definition = builder_definition(builder)
    assert (definition.steps[0].runs_on or definition.runs_on) == "gpu"
    assert "runs_on: gpu" in yaml_files.write_workflow(definition)
    assert turn(builder, "undo").status_code == 200
    assert "runs_on" not in yaml_files.write_workflow(builder_definition(builder))
    assert turn(builder, "redo").status_code == 200
    assert builder.save(panel, runs_on="").status_code == 200
    assert "runs_on" not in yaml_files.write_workflow(builder_definition(builder))


def turn(builder, do):
    return builder.do(do, last=builder.state()["data-last"])


def builder_definition(builder):
    builder.workflow.refresh_from_db()
    return load_definition(builder.workflow)


def test_undeclared_pool_is_a_message_at_its_field(builder, settings):
    settings.AUTOMATE_POOLS = POOLS
    builder.save("first", runs_on="gpu")
    settings.AUTOMATE_POOLS = {"far": {"executor": "threads"}}
    page = builder.panel("first")
    assert options(page) == ["gpu", "", "default", "far"]
    assert "No pool is called gpu." in page.text
    assert "No pool is called gpu." in page.text.partition("Runs on")[2], "at the field"
    settings.AUTOMATE_POOLS = {}
    assert "field-runs_on" in builder.panel("first").ids


@pytest.mark.extended
def test_connection_chooses_a_pool(owner, sign_in, settings):
    client, url = sign_in(owner), f"{reverse('admin:automate_connectors_connection_add')}?connector=http"
    assert 'name="runs_on"' not in client.get(url).text
    settings.AUTOMATE_POOLS = POOLS
    given = {"name": "Shop", "slug": "shop", "connector": "http", "config_auth": "none"}
    refused = Page(client.post(url, {**given, "runs_on": "away"}))
    assert "Select a valid choice" in refused.text and not Connection.objects.exists()
    client.post(url, {**given, "runs_on": "gpu"})
    made = Connection.objects.get()
    assert made.runs_on == "gpu"
    settings.AUTOMATE_POOLS = {"far": {"executor": "threads"}}
    change = reverse("admin:automate_connectors_connection_change", args=[made.pk])
    assert "gpu (not available)" in client.get(change).text
    client.post(change, {**given, "runs_on": "far"})
    made.refresh_from_db()
    assert made.runs_on == "far"
