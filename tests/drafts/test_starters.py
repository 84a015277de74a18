"""Approvals that the person who starts a run could decide: a warning at the review, and one click against it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_authoring.publishing.readiness import publishing_warnings
from automate_core.models import Wait, WaitAssignee
from automate_core.triggers.manual import start_workflow
from tests.support.pages import Page

pytestmark = pytest.mark.django_db(transaction=True)

ASKS = """
name: Asks
slug: asks
triggers: [%s]
steps:
  - {key: ask, kind: approval, timeout: 1d, assignees: [owner, colleague], excluded: [%s], message: ok}
"""
BY_HAND, WEBHOOK = "{kind: manual, key: manual}", "{endpoint: github}"
SAID = "The person who starts a run can approve it here"
EXCLUDE = {"step": "ask", "field": "excluded", "name": "exclude"}


@pytest.mark.parametrize(
    ("triggers", "excluded", "warned"),
    [
        (BY_HAND, "", True),
        (BY_HAND, "colleague", True),
        (BY_HAND, "'{{ event.payload.employee }}'", False),
        (WEBHOOK, "", False),
        ("{kind: form, key: form, slug: f, access: signed_in, inputs: [{name: a}]}", "", True),
        ("{kind: form, key: form, slug: f, inputs: [{name: a}]}", "", False),
    ],
)
def test_it_is_warned_of_where_a_person_starts_runs(workflow, owner, triggers, excluded, warned):
    made = workflow(ASKS % (triggers, excluded), publish=False)
    found = [problem for problem in publishing_warnings(made, owner) if SAID in str(problem.reason)]
    assert bool(found) is warned and all(problem.step == "ask" for problem in found)


def test_one_click_at_the_review_excludes_the_starter(workflow, sign_in, owner, colleague, stranger, drain):
    made = workflow(ASKS % (f"{BY_HAND}, {WEBHOOK}", ""), publish=False)
    url, review = reverse("studio:review_fix", args=[made.pk]), reverse("studio:review", args=[made.pk])
    client = sign_in(owner)
    page = Page(client.get(review))
    assert SAID in page.text and page.all(action=url)
    assert sign_in(stranger).post(url, EXCLUDE).status_code == 404
    assert client.post(url, EXCLUDE)["Location"] == review
    page = Page(client.get(review))
    assert SAID not in page.text and not page.all(action=url)
    workflows.publish(made, author=owner)
    made.refresh_from_db()
    start_workflow(made, {}, by=owner)
    drain()
    [asked] = WaitAssignee.objects.filter(wait__kind=Wait.Kind.APPROVAL, excluded=False)
    assert asked.user == colleague


def test_a_delivery_asks_everybody(workflow, sign_in, owner, colleague, deliver, drain):
    text = ASKS % (f"{BY_HAND}, {WEBHOOK}", "")
    made = workflow(text, publish=False)
    sign_in(owner).post(reverse("studio:review_fix", args=[made.pk]), EXCLUDE)
    workflows.publish(made, author=owner)
    deliver({})
    drain()
    assert WaitAssignee.objects.filter(excluded=False).count() == 2


def test_an_import_by_command_warns(workflow, owner, tmp_path, capsys):
    from django.core.management import call_command

    file = tmp_path / "asks.yaml"
    file.write_text(ASKS % (BY_HAND, ""))
    call_command("automate_import", str(file), "--publish", "--owner", "owner")
    assert f"warning, ask: {SAID}" in capsys.readouterr().err
    assert yaml_files.read_workflow(file.read_text()).slug == "asks"
