"""The keyboard's ways in: the link to the content of every page, and the commands of the palette."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from automate_core.models import Workflow
from tests.support.workflows import STARTED_BY_HAND

pytestmark = pytest.mark.django_db(transaction=True)
STOP = re.compile(r"<(?:a|button|input|select|textarea|summary)\b[^>]*>")


@pytest.mark.extended
def test_every_page_begins_with_a_link_to_its_content(places, sign_in, admin):
    client = sign_in(admin)
    for name, address in places.items():
        answer = client.get(address)
        if answer.status_code != 200:
            assert name == "nowhere"
            continue
        body = answer.content.decode().partition("<body")[2]
        assert 'class="da-skip" href="#main-content"' in STOP.search(body)[0], name
        assert body.count('id="main-content"') == 1, name


def titles(client, text):
    """What the palette finds, as (title, address)."""
    html = client.get(reverse("admin:search"), {"s": text}).content.decode()
    return {found[1]: found[0] for found in re.findall(r'href="([^"]+)"\s+data-title="([^"]+)"', html)}


def test_commands_are_those_that_a_person_may_use(workflow, sign_in, owner, stranger):
    made = workflow(STARTED_BY_HAND)
    start, new = reverse("studio:workflow_start", args=[made.pk]), reverse("studio:workflow_new")
    mine = sign_in(owner)
    assert titles(mine, "new work") == {"New workflow": new}
    assert titles(mine, "run")["Run Leads to sales"] == start
    assert titles(mine, "run LEA") == {"Run Leads to sales": start}
    assert list(titles(mine, "leads"))[:2] == ["Run Leads to sales", "Leads to sales"], "then headings of the help"
    assert "Runs" in titles(mine, "run") and list(titles(mine, "go to events")) == ["Events"]
    theirs = sign_in(stranger)
    assert "Run Leads to sales" not in titles(theirs, "run")
    assign_perm("view_workflow", stranger, made)
    assert "Run Leads to sales" not in titles(theirs, "leads"), "to see one is not to run it"
    Workflow.objects.update(status="archived")
    assert "Run Leads to sales" not in titles(mine, "run")
    owner.groups.clear()
    assert "New workflow" not in titles(sign_in(owner), "new")
    assert "/help/" in titles(mine, "plug")["Plug-ins"], "the page of the help alone"
