"""Edits, messages of versions and the audit trail: stored in English, and shown in a person's language."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import translation

from automate_authoring import workflows
from automate_core.models import Wait
from automate_governance import audit, sharing
from automate_governance.models import AuditEntry, Preferences
from automate_governance.permissions import SITE
from automate_governance.redaction.redactor import learn, redactor_context
from automate_governance.texts import translated
from automate_plugins import text
from tests.conftest import make_person
from tests.support.editors import Editor
from tests.support.pages import Page, tidy

pytestmark = pytest.mark.django_db

WORKFLOW = "{name: Flow, slug: flow, steps: [{key: note, name: Note, action: data.set, inputs: {a: 1}}]}"


@pytest.fixture
def read(sign_in, db):
    """Read a page in German."""

    def read_page(url, person):
        Preferences.objects.get_or_create(person=person, defaults={"language": "de"})
        return tidy(Page(sign_in(person).get(url)).text)

    yield read_page
    translation.activate("en")


def test_an_edit_is_recorded_in_english_and_shown_translated(workflow, owner, read):
    made = workflow(WORKFLOW)
    with translation.override("de"):
        editor = Editor(made, owner)
        editor.do("rename", key="note", name="Remark")
        editor.undo()
    undone, renamed = AuditEntry.objects.filter(verb="workflow.edited")[:2]
    assert renamed.changes["what"].startswith("Renamed ") and undone.changes["what"].startswith("Undid: Renamed ")
    assert audit.readable_changes(renamed).keys() == {"what", "edits"}
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    with translation.override("de"):
        shown = translated(audit.readable_changes(undone)["what"])
    assert shown.startswith("Rückgängig gemacht: ") and shown in page
    assert "Renamed" not in page and "Undid" not in page


@pytest.mark.django_db(transaction=True)
def test_entries_verify_and_old_ones_are_shown_as_they_are(owner, read):
    entry = audit.record(owner, "workflow.edited", owner, changes={"what": "Added Note"})
    assert entry.changes == {"what": "Added Note"}
    audit.record(owner, "workflow.edited", owner, changes={"what": text("Added %(step)s", step="Note")})
    assert list(audit.verify()) == []
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    assert "Added Note" in page and "Note hinzugefügt" in page


def test_the_faults_of_a_verified_trail_are_shown_in_german(owner, read):
    faults = [text("position %(position)s is missing", position="3"), "as it was"]
    audit.record(
        owner, "audit.verified", SITE(pk=0), changes={"anchor": "", "position": 4, "faults": faults, "whole": True}
    )
    entry = AuditEntry.objects.get(verb="audit.verified")
    assert entry.changes["faults"] == ["position 3 is missing", "as it was"]
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    assert "Position 3 fehlt" in page or "position 3 fehlt" in page
    assert "is missing" not in page and "as it was" in page


def test_a_secret_is_in_no_part_of_a_recorded_text(owner):
    what = text("Added %(step)s", step="s3cret-of-a-connection")
    with redactor_context():
        learn("s3cret-of-a-connection")  # as a used connection does
        audit.record(owner, "workflow.edited", owner, changes={"what": what})
    entry = AuditEntry.objects.get(verb="workflow.edited")
    assert "s3cret" not in entry.canonical and "s3cret" not in str(entry.changes)


def test_a_message_that_no_person_wrote_is_shown_translated(workflow, owner, read):
    made = workflow(WORKFLOW)
    Editor(made, owner).do("rename", key="note", name="Remark")
    workflows.publish(made, author=owner, message="Cancelled")
    version = workflows.publish_again(made, 1, author=owner)
    assert version.message == "Published v1 again"
    page = read(reverse("studio:versions", args=[made.pk]), owner)
    assert "v1 erneut veröffentlicht" in page and "Published v1 again" not in page
    assert "Cancelled" in page


def test_the_trail_names_grantees_verbs_and_fields_in_german(workflow, owner, read):
    made = workflow(WORKFLOW)
    sharing.grant(made, Group.objects.get(name="Operators"), ["view_payload"], by=owner)
    sharing.grant(made, make_person("olga", "Builders"), ["view"], by=owner)
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    assert "Gruppe Betreiber" in page and "Benutzer olga" in page
    assert "group Operators" not in page and "view_payload" not in page


def test_new_steps_are_named_in_german_and_edits_name_their_fields(workflow, owner, read):
    made = workflow(WORKFLOW)
    editor = Editor(made, owner)
    with translation.override("de"):
        added = [
            editor.do("add", index=0, **what).done
            for what in ({"kind": "approval"}, {"kind": "action", "action": "http.request"})
        ]
        editor.do("edit", key="approval", set={"assignees": ["owner"], "timeout": "1d"}, unset=[])
        editor.do("edit", key=added[1].selected, set={"inputs.url": "https://example.com"}, unset=[])
        editor.do("edit_settings", set={"timezone": "Europe/Berlin"})
        editor.do("add_trigger", kind="schedule", config={"every": "1h"})
    assert [editor.draft.steps[each.selected].name for each in added] == ["Genehmigung", "Anfrage senden"]
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    assert "Auslöser Zeitplan hinzugefügt" in page and "Zeitzone" in page and "Genehmigende Personen" in page
    assert not any(raw in page for raw in ("assignees", "timezone", "schedule", "inputs", "Änderung Auslöser"))


@pytest.mark.django_db(transaction=True)
def test_entries_name_steps_and_outcomes_of_their_runs(workflow, owner, sign_in, drain, read):
    made = workflow(
        "{name: Ask, slug: ask, triggers: [{kind: manual}], steps: [{kind: approval, key: ask_1, name: Genehmigung,"
        " assignees: [owner], timeout: 1d, outcomes: [{key: approved, name: Genehmigen}]}]}"
    )
    client = sign_in(owner)
    client.post(reverse("studio:workflow_start", args=[made.pk]))
    drain()
    client.post(reverse("studio:approval_page", args=[Wait.objects.get().pk]), {"outcome": "approved"})
    page = read(reverse("admin:automate_governance_auditentry_changelist"), make_person("auditor", "Auditors"))
    assert "Schritt Genehmigung" in page and "Ergebnis Genehmigen" in page and "ask_1" not in page
