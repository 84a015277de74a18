"""The user that a workflow runs as: agents choose nobody whom their person could not choose in the builder."""

from __future__ import annotations

import asyncio

import pytest
from django.db import connection
from guardian.shortcuts import assign_perm
from mcp import MCPError

from automate_core.models import Workflow
from tests.support.builder import Builder
from tests.support.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

NOTE = """
name: Note
slug: note
triggers: [{kind: manual}]
steps: [{key: say, action: data.set, inputs: {text: Hello}}]
"""
SCOPES = ("workflow:view", "workflow:change")
NAMES = ("owner", "colleague", "stranger", "root", "away", "nobody")


@pytest.fixture
def made(workflow, colleague, admin):
    made = workflow(NOTE)
    assign_perm("view_workflow", colleague, made)
    assign_perm("change_workflow", colleague, made)
    away = make_person("away", "Builders")
    away.is_active = False
    away.save()
    return made


def _rev(made):
    try:
        return Workflow.objects.get(pk=made.pk).settings_rev
    finally:
        connection.close()


def _chosen(made, owner):
    """Whom the draft runs as now; set back."""
    try:
        name = Workflow.objects.select_related("run_as").get(pk=made.pk).run_as.get_username()
        Workflow.objects.filter(pk=made.pk).update(run_as=owner)
        return name
    finally:
        connection.close()


def test_the_api_allows_nothing_that_the_builder_does_not(
    made, api, owner, colleague, stranger, admin, sign_in, on_site
):
    people = {"owner": owner, "colleague": colleague, "stranger": stranger, "root": admin}
    by_screen, by_agent = {}, {}
    for who, person in people.items():
        builder = Builder(sign_in(person), made)
        for name in NAMES:
            rev = _rev(made)
            builder.client.post(builder.url("builder_step", "~workflow"), {"rev": rev, "run_as": name})
            by_screen[who, name] = _chosen(made, owner)

    tokens = {who: api(person, *SCOPES).plain for who, person in people.items()}
    viewing = api(admin, SCOPES[0]).plain

    async def use(site):
        for who, plain in tokens.items():
            async with site.client(plain) as client:
                for name in NAMES:
                    rev = await asyncio.to_thread(_rev, made)
                    command = {"do": "edit_settings", "rev": rev, "set": {"run_as": name}}
                    await client.call_tool("change_draft", {"workflow": "note", "command": command})
                    by_agent[who, name] = await asyncio.to_thread(_chosen, made, owner)
        async with site.client(viewing) as client:
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool("change_draft", {})

    on_site(use)
    assert by_agent == by_screen
    allowed = {pair for pair, chosen in by_screen.items() if chosen == pair[1]}
    superuser = {("root", name) for name in ("owner", "colleague", "stranger", "root")}
    assert allowed == superuser | {("owner", "owner"), ("colleague", "colleague"), ("colleague", "owner")} | {
        ("stranger", "owner")
    }
