"""Errors about what people wrote are in their language to the last word."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import translation

from automate_authoring import workflows
from automate_core.definition.document import DefinitionError
from automate_core.models import ExecutionRun
from automate_governance.models import Preferences
from automate_governance.texts import translated
from tests.support.editors import Editor
from tests.support.pages import Page, tidy
from tests.support.workflows import STARTED_BY_HAND

pytestmark = pytest.mark.django_db

MAIL = (
    "{name: M, slug: m, steps: [{key: mail, action: email.send, connection: email,"
    " inputs: {to: a@example.com, subject: A, text: B}}]}"
)
BLOCKED = (
    "{name: B, slug: b, triggers: [{kind: manual}], steps: [{key: call, action: http.request,"
    " inputs: {url: 'http://127.0.0.1/'}}]}"
)


@pytest.fixture
def german(sign_in, owner):
    """The owner's browser, in German."""
    Preferences.objects.create(person=owner, language="de")
    yield sign_in(owner)
    translation.activate("en")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{'a': 1}", "Zeile 1: Schlüssel in Anführungszeichen setzen"),
        ("{", "Zeile 1: alle eckigen und geschweiften Klammern schließen"),
        ("{} x", "Zeile 1: Text nach dem Wert entfernen"),
    ],
)
def test_json_that_starts_a_run(workflow, german, given, said):
    made = workflow(
        "{name: W, slug: w, triggers: [{endpoint: github}], steps: [{key: a, action: data.set, inputs: {b: 1}}]}"
    )
    page = tidy(Page(german.post(reverse("studio:workflow_start", args=[made.pk]), {"payload": given})).text)
    assert said in page


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("name: [a", "alle eckigen und geschweiften Klammern schließen"),
        ("name: !x a", "Tag entfernen, das mit ! beginnt"),
        ("name: 'a", "Text mit einem Anführungszeichen schließen"),
        ("name: a: b", "Text mit Doppelpunkt in Anführungszeichen setzen"),
        ("%YAML x", "Prüfen Sie Anführungszeichen, Klammern und Einrückung."),
    ],
)
def test_yaml(german, given, said):
    page = tidy(Page(german.post(reverse("studio:workflow_import"), {"text": given})).text)
    assert "Ungültiges YAML" in page and said in page


@pytest.mark.parametrize(
    ("cron", "said"),
    [("0 25 * * *", "die Stunde prüfen"), ("0 9 * * 9", "den Wochentag prüfen"), ("0 0 30 2 *", "den Tag prüfen")],
)
def test_cron(workflow, german, owner, cron, said):
    made = workflow(STARTED_BY_HAND, publish=False)
    state = Editor(made, owner).do("add_trigger", kind="schedule", config={"cron": cron})
    with translation.override("de"):
        [reason] = [translated(problem.reason) for problem in state.problems if problem.field.endswith("cron")]
    assert said in reason and "Bad" not in reason


def test_a_connection_that_is_not_there(workflow, owner):
    with pytest.raises(DefinitionError) as caught:
        workflows.publish(workflow(MAIL, publish=False), author=owner)
    [reason] = [problem.reason for problem in caught.value.problems if problem.path.endswith(".connection")]
    with translation.override("de"):
        assert "Legen Sie sie an, wählen Sie eine andere" in translated(reason)


@pytest.mark.django_db(transaction=True)
def test_advice_on_a_blocked_host_follows_its_message(workflow, sign_in, owner, drain):
    client = sign_in(owner)
    client.post(reverse("studio:workflow_start", args=[workflow(BLOCKED).pk]))
    drain()
    run = ExecutionRun.objects.get()
    page = tidy(Page(client.get(reverse("admin:automate_core_executionrun_change", args=[run.pk]))).text)
    assert run.error["code"] == "egress_blocked" and run.error["message"][:20] in page
    assert "Fix the cause in the message" in page and "Ask an administrator to allow" not in page
